"""The options of the verbs that look into files, turn one into another, or make one."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.errors import UsageError
from symfind.names import KIND_NAMES
from symfind.options.option import ComputeOptions, Options, option


@dataclass(frozen=True, kw_only=True)
class IdentifyOptions(ComputeOptions):
    """Whose Lie algebra to name."""

    source: str = option("A report (JSON or HDF5) with generators, or matrices (YAML); - is standard input.")


@dataclass(frozen=True, kw_only=True)
class InspectOptions(Options):
    """Which file to look into."""

    source: str = option("A dataset, a model or a report; - is standard input.")


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Options):
    """Which report to render."""

    source: str = option("A report (JSON or HDF5); - is standard input.")
    pictures: str | None = option(
        "For images: also write its pictures into this folder, as PNG files.", None, panel="Output", shown_as="FOLDER"
    )


@dataclass(frozen=True, kw_only=True)
class SampleOptions(Options):
    """Which sample to make."""

    name: str | None = option("Which sample; without a name they are listed.", None)
    out: str | None = option("The HDF5 file to write; - is standard output.", None, writes=True)
    rows: int | None = option("How many rows; each sample has its own default.", None, panel="Run", least=1)
    times: int | None = option("Of a field: how many points in time.", None, panel="Run", least=1)
    grid_size: int | None = option("Of a field: how many points along each space axis.", None, panel="Run", least=1)
    seed: int = option("The same seed gives the same bytes.", 0, panel="Run", least=0)

    def __post_init__(self) -> None:
        """Validate every option; a sample that is named needs a file."""
        super().__post_init__()
        if self.name is not None and self.out is None:
            raise UsageError(f"OUT is missing: name the HDF5 file for the sample {self.name}, or - for a pipe")


@dataclass(frozen=True, kw_only=True)
class GroupsOptions(Options):
    """Nothing to choose: the whole catalogue is listed."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(Options):
    """Which word of a report to explain."""

    word: str | None = option("A word of a report, such as reach or so(3); without one all are listed.", None)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(Options):
    """Which file to write as HDF5, and what plays which role in it."""

    source: str = option("A file of any format that discover reads; - is standard input.")
    out: str = option("The HDF5 file to write; - is standard output.", writes=True)
    kind: str | None = option(
        "The question the data pose; read from the file, or inferred, if not given.",
        None,
        panel="Input",
        choices=KIND_NAMES,
    )
    input: str | None = option(
        "The dataset or column that holds x, several between commas.", None, panel="Input", shown_as="NAME"
    )
    output_name: str | None = option(
        "The dataset or column that holds y, several between commas.", None, panel="Input", shown_as="NAME"
    )
    mapping: str | None = option(
        "A YAML file that says which dataset plays which role.", None, panel="Input", shown_as="FILE"
    )
    grid: str | None = option("For fields: the axes of u, as in discover.", None, panel="Input", shown_as="AXES")
    transpose: bool = option("Arrays are stored with their axes in reverse, rows last.", False, panel="Input")


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Options):
    """Nothing to choose: collisions of a particle accelerator that come with symfind."""
