"""Learned generators: cosine of each true one with the span of the lowest learned fields, in the norm of the data."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.field_suite.cases import BURGERS_2, CKDV, KDV, KS, NAMES, NKDV, ROOTS, Case
from symfind.decision.evidence import Evidence
from symfind.fields.expressions import parse_expression
from symfind.kinds.field.learned.search import LearnedJudge
from symfind.kinds.search import search
from symfind.progress import Clock, SilentProgress
from symfind.samples.simulators import SIMULATORS
from symfind.verbs.options import DiscoverOptions

CASES = (
    Case("kdv", "point:1", KDV),
    Case("ks", "point:1", KS),
    Case("burgers", "point:2", BURGERS_2),
    Case("nkdv", "point:chebyshev:4,1,1", NKDV),
    Case("ckdv", "roots", CKDV),
)
# Steps of training; spaces of the closed form.
METHODS: Mapping[str, int | str] = {
    "by derivative": 2500,
    "along flows": 500,
    "chebyshev": "point:chebyshev:3,1,1",
    "random features": "random-features:200",
}
# The fields of cylindrical KdV hold √(t + 1), which bends more than these spaces do.
WIDER = {"chebyshev": "point:chebyshev:5,1,1", "random features": "random-features:200,0.7"}
HEADER = (
    "| equation | method | seed | cosine of each true generator | spares | steps | seconds of one thread |",
    "|---|---|---|---|---|---|---|",
)
ABOUT = (
    "Written by `python -m benchmarks.fields --only learned --output docs/fields.md`. The equation is given; the "
    "number d of generators is that of the closed form. The cosine of each true generator with the span of the d "
    "lowest fields, in the norm of the data with each variable in units of its spread; spares are the norms, inside "
    "the true span, of the two further fields, orthogonalised against the d lowest. `along flows` is the loss of Ko "
    "et al., its fields begun by 1500 steps by derivative; `chebyshev` and `random features` are the d lowest "
    "directions of the closed form in `point:chebyshev:3,1,1` and `random-features:200`, for cylindrical KdV in "
    f"`{WIDER['chebyshev']}` and `{WIDER['random features']}`."
)


@dataclass(frozen=True)
class LearnedRow:
    """One line of the table."""

    cells: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Equation, method, seed."""
        return self.cells[:3]

    def text(self) -> str:
        """Markdown."""
        return f"| {' | '.join(self.cells)} |"


def parsed_rows(text: str) -> Iterator[LearnedRow]:
    """The rows of an earlier page."""
    for line in text.splitlines():
        if line.startswith("| ") and line not in HEADER:
            yield LearnedRow(tuple(cell.strip() for cell in line.strip("| ").split(" | ")))


def chosen(equations: Sequence[str], methods: Sequence[str], seeds: int) -> Iterator[tuple[Case, str, int]]:
    """The runs asked for; closed forms have one seed."""
    for case in CASES:
        for method, how in METHODS.items():
            if any(equations) and case.data not in equations or any(methods) and method not in methods:
                continue
            for seed in range(seeds if isinstance(how, int) else 1):
                yield case, method, seed


def section(rows: Mapping[tuple[str, ...], str]) -> str:
    """The part of the page, rows in the order of the suite."""
    order = [NAMES[case.data] for case in CASES]
    methods = list(METHODS)
    keys = sorted(rows, key=lambda key: (order.index(key[0]), methods.index(key[1]), key[2]))
    return "\n".join([ABOUT, "", *HEADER, *(rows[key] for key in keys)])


def measure_learned(case: Case, path: Path, method: str, seed: int) -> LearnedRow:
    """Run one case by one method."""
    how = METHODS[method]
    if case.data == "ckdv":
        how = WIDER.get(method, how)
    learned = isinstance(how, int)
    with tempfile.TemporaryDirectory() as folder:
        space = case.space if learned else str(how)
        if space == "roots":
            space = str(Path(folder) / "roots.yaml")
            Path(space).write_text(ROOTS, encoding="utf-8")
        options = DiscoverOptions(
            source=str(path), space=space, equation=SIMULATORS[case.data].equation, seed=seed, bootstrap=40
        )
        if isinstance(how, int):
            variant = "derivative" if method == "by derivative" else "flow"
            options = replace(options, method="validity", variant=variant, steps=how)
        start = time.process_time()
        origin, evidence = search(options, path, torch.device("cpu"), Clock(SilentProgress()))
        seconds = time.process_time() - start
    lowest = _lowest(evidence, len(case.symmetries))
    cosines, spares = compared(lowest, true_values(case.symmetries, origin.names, evidence.bracket_points))
    steps = str(evidence.judge.learned.trained.steps) if isinstance(evidence.judge, LearnedJudge) else ""
    return LearnedRow(
        (
            NAMES[case.data], method, str(seed), ", ".join(f"{c:.5f}" for c in cosines),
            ", ".join(f"{s:.2g}" for s in spares), steps, f"{seconds:.0f}",
        )
    )  # fmt: skip


def _lowest(evidence: Evidence, wanted: int) -> Tensor:
    """The fields of lowest defect as rows ``(k, n·d)`` in units of the spread: learned ones, or of the closed form."""
    z = evidence.bracket_points
    if isinstance(evidence.judge, LearnedJudge):
        fields = evidence.judge.learned.fields.evaluate(z)
    else:
        vectors = evidence.spectrum.vectors[:, : wanted + 2]
        fields = torch.einsum("npa,pk->nka", evidence.space.evaluate(z), vectors)
    return (fields / z.std(0, correction=0)).permute(1, 0, 2).flatten(1)


def true_values(formulas: Sequence[str], names: Sequence[str], z: Tensor) -> Tensor:
    """True fields ``(d, n·d)`` at points, each component in units of the spread of its variable."""
    values = dict(zip(names, z.unbind(1), strict=True))
    spread = z.std(0, correction=0)
    rows = []
    for formula in formulas:
        parts = [parse_expression(part.strip(), names)(values) for part in formula.split(";")]
        rows.append((torch.stack(parts, 1) / spread).flatten())
    return torch.stack(rows)


def compared(fields: Tensor, true: Tensor) -> tuple[list[float], list[float]]:
    """Cosines of the true rows with the span of the first of ``fields``, and norms of the others in the true span."""
    d = len(true)
    span = torch.linalg.qr(fields[:d].T).Q
    unit = true / torch.linalg.vector_norm(true, dim=1, keepdim=True)
    cosines = torch.linalg.vector_norm(unit @ span, dim=1)
    rest = fields[d:] - (fields[d:] @ span) @ span.T
    rest = rest / torch.linalg.vector_norm(rest, dim=1, keepdim=True).clamp(min=1e-300)
    return cosines.tolist(), torch.linalg.vector_norm(rest @ torch.linalg.qr(true.T).Q, dim=1).tolist()
