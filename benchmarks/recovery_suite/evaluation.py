"""What the program says of one problem, beside what is true of it."""

from __future__ import annotations

import tempfile
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from recovery_suite.problem import Array, Data, Problem
from recovery_suite.truth import Truth, gradient_share, pencil, principal_cosine
from symfind.api import discover
from symfind.errors import InputError, UsageError
from symfind.schema.document import Generator, Report
from symfind.verbs.options import DiscoverOptions

# Below this a problem is not without symmetry: it has an approximate one.
SMALLEST_GAP = 0.09
# δ of every run: the program's default.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes
    ----------
    name, kind, algebra, objects, n, noise, degenerate
        Of the problem.
    dimension, most, gap
        The exact dimension, the largest number that may be certified, the smallest true ρ outside the algebra.
    in_class
        Whether F lies in a family that the program tries.
    certified, undecided
        What the program says; ``declined`` is the line of its refusal.
    worst
        The largest true ρ among the certified directions; NaN where there is none or it is not computed.
    cosine
        The smallest principal cosine of the certified span to the exact one, in linear spaces.
    bounds
        Upper bounds of the spectrum around the exact dimension: of its last direction and of the next one.
    covered
        The report's coverage factor.
    seconds
        Of ``discover`` alone.
    crash
        A traceback's last line, for an exception that is no message to the user.
    """

    name: str
    kind: str
    algebra: str
    objects: tuple[int, int]
    n: int
    noise: float
    degenerate: str
    dimension: int
    most: int
    gap: float
    in_class: bool
    control: bool
    certified: int = 0
    undecided: int = 0
    worst: float = float("nan")
    cosine: float = float("nan")
    bounds: tuple[float, float] = (float("nan"), float("nan"))
    covered: float = float("nan")
    seconds: float = float("nan")
    fit: str = ""
    declined: str = ""
    crash: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Dimension of the whole input."""
        return self.objects[0] * self.objects[1]

    @property
    def false(self) -> bool:
        """More certified than may be."""
        return self.certified > self.most

    @property
    def astray(self) -> bool:
        """A certified direction whose true ρ exceeds the tolerance, whatever their number."""
        return self.worst > TOLERANCE

    @property
    def exact(self) -> bool:
        """The true dimension certified, by directions that are symmetries."""
        return self.certified == self.dimension and not self.astray

    @property
    def well_posed(self) -> bool:
        """A symmetry exists, the data can show it, and nothing else comes near it."""
        near = not np.isnan(self.gap) and self.gap < SMALLEST_GAP
        return self.dimension > 0 and not self.degenerate and not near

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def write_data(data: Data, kind: str, path: Path) -> None:
    """The arrays of a problem in the layout that the program reads."""
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "points" if kind == "model" else kind
        for name, array in data.arrays.items():
            file[name] = array


def run_program(problem: Problem, data: Data, seed: int, folder: Path) -> tuple[Report, float]:
    """The report of ``discover`` on the data, and its seconds."""
    stored = folder / "data.h5"
    write_data(data, problem.kind, stored)
    options: dict[str, object] = {"space": problem.space, "seed": seed, **problem.options}
    if data.module is None:
        options["source"] = str(stored)
    else:
        model = folder / "model.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit, which is what is to be read
            torch.jit.save(torch.jit.trace(data.module.eval(), torch.from_numpy(data.x[:8])), str(model))
        options |= {"source": str(model), "data": str(stored)}
    start = time.perf_counter()
    report = discover(DiscoverOptions(**options))  # type: ignore[arg-type]
    return report, time.perf_counter() - start


def exact_truth(problem: Problem, data: Data) -> Truth:
    """The exact algebra; for a distribution the gap is the share of a gradient."""
    truth = pencil(data, problem.space, problem.action).truth()
    if data.log_density is None:
        return truth
    return Truth(truth.dimension, gradient_share(data, problem.space, truth.basis), truth.basis)


def unknowns(generator: Generator, d: int) -> Array:
    """The unknowns c = (A row by row, output action) of a generator of the linear space."""
    action = np.asarray(generator.input_action, dtype=np.float64).reshape(-1)
    return np.concatenate([action, np.asarray(generator.coefficients[d * d :], dtype=np.float64)])


def evaluate(problem: Problem, seed: int) -> Outcome:
    """Data, truth and report of one problem."""
    data = problem.make(seed)
    truth = exact_truth(problem, data)
    base = Outcome(
        problem.name, problem.kind, problem.algebra, problem.objects, problem.n, problem.noise, problem.degenerate,
        truth.dimension, problem.most, truth.gap, problem.in_class, problem.control,
    )  # fmt: skip
    if truth.dimension != problem.dimension:
        stated = f"stated dimension {problem.dimension}, the exact pencil has {truth.dimension}"
        return Outcome(**{**base.plain(), "crash": stated})  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        try:
            report, seconds = run_program(problem, data, seed, Path(folder))
        except (InputError, UsageError) as refusal:
            message = str(refusal).replace(folder + "/", "")
            found: Mapping[str, object] = {"declined": message, "seconds": time.perf_counter() - start}
        except Exception:
            found = {"crash": traceback.format_exc().strip().splitlines()[-1]}
        else:
            found = said(problem, data, truth, report) | {"seconds": seconds}
    return Outcome(**{**base.plain(), **found})  # type: ignore[arg-type]


def said(problem: Problem, data: Data, truth: Truth, report: Report) -> dict[str, object]:
    """What the report says, and how far its certified directions are from the exact ones."""
    certified = [g for g in report.generators if g.verdict == "certified"]
    d = problem.objects[1]
    uppers = [float("inf") if e.upper is None else e.upper for e in report.spectrum]
    k = truth.dimension
    out: dict[str, object] = {
        "certified": len(certified),
        "undecided": sum(g.verdict == "undecided" for g in report.generators),
        "bounds": (
            uppers[k - 1] if 0 < k <= len(uppers) else float("nan"),
            uppers[k] if k < len(uppers) else float("nan"),
        ),
        "covered": float("inf") if report.coverage.factor is None else report.coverage.factor,
        "fit": "" if report.fit is None else f"{report.fit.surrogate}, R² {report.fit.r2:.4f}",
        "doubts": report.warnings,
    }
    if certified and problem.space == "linear":
        if data.log_density is None:
            vectors = np.stack([unknowns(g, d) for g in certified], 1)
            out["worst"] = float(pencil(data, "linear", problem.action).defects(vectors).max())
        if truth.dimension:
            found = np.stack([np.asarray(g.input_action, dtype=np.float64).reshape(d, d) for g in certified])
            out["cosine"] = principal_cosine(found, truth.basis, data)
    return out
