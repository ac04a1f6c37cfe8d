"""The options of every verb as frozen dataclasses, and YAML files that set them.

An option is declared once, here: its type, its default, the values it accepts. The command line and the
Python functions share the declaration, so both refuse the same values with the same words.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from symfind.errors import InputError, UsageError
from symfind.report.records import Mismatch, conform, field_types

KINDS = ("function", "map", "flow", "points", "field", "image", "pairs", "operator")


def _one_of(*choices: str, default: Any = None) -> Any:
    return field(default=default, metadata={"choices": choices})


def _open_unit(default: float) -> Any:
    return field(default=default, metadata={"open_unit": True})


def _at_least(minimum: int, default: int | None) -> Any:
    # The largest number that HDF5 and torch's generators hold.
    return field(default=default, metadata={"between": (minimum, 2**63 - 1)})


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every verb that computes accepts.

    Attributes
    ----------
    seed
        Of every random choice; the same input and seed give the same report.
    device
        ``auto`` takes a GPU if there is one.
    dtype
        Of the arithmetic.
    """

    seed: int = _at_least(0, 0)
    device: str = _one_of("auto", "cpu", "cuda", default="auto")
    dtype: str = _one_of("float64", "float32", default="float64")

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
        """Return every option in force, defaults included, as the report states them."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class DiscoverOptions(CommonOptions):
    """What to search for continuous symmetries, among which candidates, and how sure to be.

    Attributes
    ----------
    source
        A dataset or a trained model; ``"-"`` is standard input.
    data
        For a model: the file whose ``x`` are the inputs to judge it on.
    sample, shape, n_samples
        For a model without data: the distribution of its inputs, the shape of one, and how many.
    kind, input, output_name, mapping
        How to read a file: the question it poses, the datasets that hold x and y, or a YAML file (or a
        mapping) that names each part.
    space
        The candidate vector fields; None chooses by the data.
    acts_on
        ``last``: one action on every object of an (N, k, d) array. ``all``: flatten.
    output_action
        How a generator may act on y.
    method, surrogate
        How the symmetries are computed, and what is fitted to data.
    tolerance, alpha
        δ and α: a generator is certified when the upper 1 − α bound of its relative defect is below δ.
    require_symmetry
        Whether it is an error when nothing is certified.
    close
        Project the certified span onto the nearest subalgebra.
    equation, grid
        For fields: the differential equation, and the names of the coordinates of the grid.
    max_rows
        Read at most so many rows.
    bootstrap
        Refits with random weights of the blocks of data.
    trust_model
        Load a model whose code could write files.
    """

    source: str
    data: str | None = None
    sample: str | None = _one_of("normal", "uniform", "sphere")
    shape: tuple[int, ...] | None = None
    n_samples: int = _at_least(1, 4096)
    kind: str | None = _one_of(*KINDS)
    input: str | None = None
    output_name: str | None = None
    mapping: str | Mapping[str, object] | None = None
    space: str | None = None
    acts_on: str = _one_of("last", "all", default="last")
    output_action: str = _one_of("auto", "invariant", "same", "free", default="auto")
    method: str = _one_of("auto", "nullspace", "weak", "tangent", "validity", "lconv", default="auto")
    surrogate: str = "auto"
    tolerance: float = _open_unit(0.05)
    alpha: float = _open_unit(0.05)
    require_symmetry: bool = False
    close: bool = False
    equation: str | None = None
    grid: str | None = None
    max_rows: int | None = _at_least(1, None)
    # The bounds use a standard deviation over the refits: 80 are enough for one (DESIGN §8), 200 are cheap.
    bootstrap: int = _at_least(0, 200)
    trust_model: bool = False

    def __post_init__(self) -> None:
        """Validate every option, and those that only make sense together."""
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


def _check(option: str, value: Any, limits: Mapping[str, Any]) -> None:
    if value is None:
        return
    if "choices" in limits and value not in limits["choices"]:
        raise UsageError(unknown_name(option, value, limits["choices"]))
    if "open_unit" in limits and not (math.isfinite(value) and 0 < value < 1):
        raise UsageError(f"{option} is {value}, expected a number above 0 and below 1")
    if "between" in limits and not limits["between"][0] <= value <= limits["between"][1]:
        least, most = limits["between"]
        bound = f"at least {least}" if value < least else f"at most {most}"
        raise UsageError(f"{option} is {value}, expected a whole number of {bound}")


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
    import yaml  # 40 ms that only those pay who give a file

    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: cannot be read ({reason}); give a YAML file of option values") from None
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{path}: not YAML{place}; write one `option: value` a line") from None
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
