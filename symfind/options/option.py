"""What every options class shares: how an option is declared and checked, and YAML files that set them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from symfind.data.files import appearing_whole
from symfind.errors import InputError, UsageError
from symfind.schema.records import Mismatch, conform, field_types
from symfind.small_input import read_yaml

# The headings of the help, in its order.
PANELS = ("Arguments", "Input", "Search", "Decision", "Output", "Run")

# More would be broken in the middle of a word in a help of 80 columns.
_WIDEST_CHOICES = 18

# The standard deviation over the refits is known to 1 % by 5,000 of them; each takes the time of a fit.
MOST_REFITS = 10_000
# Rows, points of an axis, steps: what is made or gone through one by one, in days.
MOST_MADE = 10**9
# The largest whole number that both HDF5 and torch's generators hold.
_LARGEST = 2**63 - 1


def option(
    text: str,
    default: Any = MISSING,
    *,
    panel: str = "Arguments",
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
    least: int | None = None,
    most: int | None = None,
    open_unit: bool = False,
    shown_as: str | None = None,
    writes: bool = False,
    several: bool = False,
) -> Any:
    """Declare an option: a field with its help and the values it accepts.

    Parameters
    ----------
    text
        The help of the command line.
    default
        Without one the option must be given.
    panel
        The heading it stands under in the help, one of :data:`PANELS`; ``"Arguments"`` are positional.
    choices
        The names it accepts; a function of no arguments where they are those of a registry, which may grow.
    least
        The smallest whole number it accepts.
    most
        The largest, by what it costs; :data:`MOST_MADE` where counting begins at 1.
    open_unit
        Whether it is a number above 0 and below 1.
    shown_as
        What stands for the value in the help.
    writes
        Whether it names a file to write rather than one to read.
    several
        Whether the command line takes more than one, for each of which the verb runs.
    """
    metadata = {
        "help": text,
        "panel": panel,
        "choices": choices,
        "least": least,
        "most": most or (MOST_MADE if least else _LARGEST),
        "open_unit": open_unit,
        "shown_as": shown_as,
        "writes": writes,
        "several": several,
    }
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def accepted(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that an option accepts; none where it takes anything."""
    choices = metadata.get("choices", ())
    return tuple(choices() if callable(choices) else choices)


def described(metadata: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the help of an option, and what stands for its value there."""
    text, names = metadata["help"], accepted(metadata)
    spelled = "|".join(names)
    if len(spelled) > _WIDEST_CHOICES:
        text, spelled = f"{text} One of {', '.join(names)}.", "NAME"
    return text, metadata["shown_as"] or spelled or None


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the options of a verb: every value is of its declared type and among those accepted."""

    def __post_init__(self) -> None:
        """Validate every option; raises :class:`~symfind.errors.UsageError`."""
        for name, hint in field_types(type(self)).items():
            try:
                value = conform(getattr(self, name), hint, name)
            except Mismatch as mismatch:
                shown = option_name(mismatch.where)
                raise UsageError(f"{shown} is {mismatch.given}, expected {mismatch.expected}") from None
            object.__setattr__(self, name, value)
        for f in fields(self):
            _check(option_name(f.name), getattr(self, f.name), f.metadata)

    def settings(self) -> dict[str, Any]:
        """Return every option in force, defaults included, as a report states them."""
        return asdict(self)

    def files(self, *, written: bool) -> dict[str, str]:
        """Return the options that name files to write, or those whose text may name a file to read."""
        texts = {f: getattr(self, f.name) for f in fields(self) if f.metadata["writes"] == written}
        return {_shown(f): text for f, text in texts.items() if isinstance(text, str) and text != "-"}


def _shown(declared: Field[Any]) -> str:
    argument = declared.metadata["panel"] == "Arguments"
    return declared.name.upper() if argument else option_name(declared.name)


@dataclass(frozen=True, kw_only=True)
class ComputeOptions(Options):
    """What every verb that computes accepts. The help of an option stands beside it, here and below."""

    seed: int = option("Of every random choice: the same input and seed give the same report.", 0, panel="Run", least=0)
    device: str = option(
        "Where to compute; auto takes a GPU if there is one.", "auto", panel="Run", choices=("auto", "cpu", "cuda")
    )
    dtype: str = option("Of the arithmetic.", "float64", panel="Run", choices=("float64", "float32"))


@dataclass(frozen=True, kw_only=True)
class RowOptions(ComputeOptions):
    """Which arrays of a file are the rows, and whether a model's code is trusted."""

    input: str | None = option(
        "The dataset or column that holds x, several between commas; or a group of datasets.",
        None,
        panel="Input",
        shown_as="NAME",
    )
    output_name: str | None = option(
        "The dataset or column that holds y, several between commas.", None, panel="Input", shown_as="NAME"
    )
    mapping: str | Mapping[str, object] | None = option(
        "A YAML file that says which dataset plays which role, for files of another layout.",
        None,
        panel="Input",
        shown_as="FILE",
    )
    transpose: bool = option("Arrays are stored with their axes in reverse, rows last.", False, panel="Input")
    trust_model: bool = option("Load a model although its code could write files.", False, panel="Input")


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(ComputeOptions):
    """How sure a verdict must be."""

    tolerance: float = option(
        "δ: a generator is certified when the upper bound of its relative defect is below δ.",
        0.05,
        panel="Decision",
        open_unit=True,
    )
    alpha: float = option("α: the bounds hold with confidence 1 − α.", 0.05, panel="Decision", open_unit=True)
    require_symmetry: bool = option("End with status 4 if nothing is certified.", False, panel="Decision")


@dataclass(frozen=True, kw_only=True)
class SearchOptions(DecisionOptions, RowOptions):
    """How candidates act, and how sure a verdict must be."""

    acts_on: str = option(
        "For x of shape (N, k, d): last is one action shared by the k objects, all flattens them.",
        "last",
        panel="Search",
        choices=("last", "all"),
    )
    output_action: str = option(
        "How a generator may act on y: not at all, as on x, or by a matrix that is solved for.",
        "auto",
        panel="Search",
        choices=("auto", "invariant", "same", "free"),
    )
    discrete: str | None = option(
        "Finite candidates too: reflections, permutations, inversion, signed-permutations (all are searched), "
        "point-groups (of the plane and of space, in any orientation), a YAML file with matrices, or a sum such as "
        "reflections+permutations.",
        None,
        panel="Search",
        shown_as="NAME",
    )


@dataclass(frozen=True, kw_only=True)
class SectionOptions(SearchOptions):
    """What lives over the space of x beside functions: tensors at its points, and sets in it."""

    output_type: str | None = option(
        "What y is at each point x, so that it moves with dξ: scalar, vector, covector, two-form, form:k, metric, "
        "density, or tensor:r,s with r upper and s lower indices; numbers with an --output-action if not given.",
        None,
        panel="Search",
        shown_as="NAME",
    )
    level_set: str | None = option(
        "For points with --method tangent: functions that vanish on their set, such as 'x**2 + y**2 = 1', separated by "
        "semicolons; fitted if not given.",
        None,
        panel="Search",
        shown_as="TEXT",
    )


@dataclass(frozen=True, kw_only=True)
class EquationOptions(Options):
    """What fields obey."""

    equation: str | None = option(
        'For fields: the differential equation, such as "u_t + u*u_x + u_xxx = 0", or `learned`: u_t = N(u, u_x, …) is '
        "fitted without naming terms.",
        None,
        panel="Search",
        shown_as="TEXT",
    )
    library: str | None = option(
        'For fields: further terms that an equation is looked for among, such as "sin(x)*u_xx; exp(-u)".',
        None,
        panel="Search",
        shown_as="TEXT",
    )
    # Cubic terms are those of amplitude equations; a fourth factor multiplies the library by three.
    library_degree: int = option(
        "For fields: factors of a term, at most, where no equation is given.", 3, panel="Search", least=1
    )


@dataclass(frozen=True, kw_only=True)
class RefitOptions(DecisionOptions):
    """How sure, and from how many refits that is told."""

    # The bounds use a standard deviation over the refits: 80 are enough for one (DESIGN §8).
    bootstrap: int = option(
        "Refits with random weights, for the bounds.", 100, panel="Decision", least=0, most=MOST_REFITS
    )


@dataclass(frozen=True, kw_only=True)
class ArchitectureOptions(Options):
    """What weights alone need."""

    architecture: str | None = option(
        "For weights alone (a state_dict, a Lightning checkpoint, safetensors): the class of the network. The file is "
        "run, so --trust-model is needed.",
        None,
        panel="Input",
        shown_as="FILE.py:CLASS",
    )


@dataclass(frozen=True, kw_only=True)
class ModelInputOptions(ArchitectureOptions, RowOptions):
    """On which inputs a model is judged."""

    data: str | None = option(
        "For a model: a file whose x are the inputs to judge it on.", None, panel="Input", shown_as="FILE"
    )
    sample: str | None = option(
        "For a model without data: the distribution of its inputs.",
        None,
        panel="Input",
        choices=("normal", "uniform", "sphere"),
    )
    shape: tuple[int, ...] | None = option(
        "With --sample: the shape of one input, such as 3 or 2,4.", None, panel="Input", shown_as="N,N"
    )
    n_samples: int = option("With --sample: how many inputs.", 4096, panel="Input", least=1)

    def __post_init__(self) -> None:
        """Validate every option; inputs are given in one way."""
        super().__post_init__()
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            given = ",".join(map(str, self.shape))
            raise UsageError(f"--shape is {given!r}, expected whole numbers of at least 1, such as 3 or 2,4")
        if self.data is not None and self.sample is not None:
            raise UsageError("--data and --sample both say where the inputs come from; give one of them")
        if self.sample is None and self.shape is not None:
            raise UsageError("--shape goes with --sample normal, uniform or sphere; add one of them")


def option_name(field_name: str) -> str:
    """Return the option of the command line that sets a field: ``output_name`` → ``--output-name``."""
    return "--" + field_name.replace("_", "-")


def unknown_name(what: str, given: str, accepted: Iterable[str]) -> str:
    """Return one line that names what was given, what is accepted, and the nearest accepted name."""
    names = list(accepted)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{what} is {given!r}, expected one of {', '.join(names)}{hint}"


def read_settings(path: str, accepted: Collection[str]) -> dict[str, Any]:
    """Return the option values of a YAML file: a mapping whose keys are the names of options.

    Both ``output_name`` and ``output-name`` are understood.

    Raises
    ------
    InputError
        The file cannot be read, or is no YAML mapping.
    UsageError
        A key is no option; the message names the nearest one.
    """
    loaded = read_yaml(path, "write one `option: value` a line")
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds no mapping; write one `option: value` a line")
    settings: dict[str, Any] = {}
    for key, value in loaded.items():
        name = str(key).replace("-", "_")
        if name not in accepted:
            raise UsageError(f"{path}: " + unknown_name("option", str(key), accepted))
        settings[name] = value
    return settings


def write_settings(path: str, options_type: type[Options], values: Mapping[str, Any]) -> None:
    """Write options that differ from their defaults as YAML that :func:`read_settings` reads.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    import yaml

    defaults = {f.name: f.default for f in fields(options_type)}
    kept = {name: value for name, value in values.items() if value is not None and value != defaults.get(name, MISSING)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}
    try:
        with appearing_whole(Path(path)) as part:
            part.write_text(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False), encoding="utf-8")
    except OSError as fault:
        raise InputError(f"--save-config {path}: cannot be written ({fault.strerror}); choose another file") from None


def _check(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    if value is None:
        return
    names = accepted(limits)
    if names and value not in names:
        raise UsageError(unknown_name(name, value, names))
    if limits.get("open_unit") and not (math.isfinite(value) and 0 < value < 1):
        raise UsageError(f"{name} is {value}, expected a number above 0 and below 1")
    least = limits.get("least")
    if least is not None and not least <= value <= limits["most"]:
        bound = f"at least {least}" if value < least else f"at most {limits['most']}"
        raise UsageError(f"{name} is {value}, expected a whole number of {bound}")
