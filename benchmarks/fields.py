"""Point symmetries of differential equations from gridded solutions: dimension, cosines with the true span, time.

    python -m benchmarks.fields --output docs/fields.md

Closed form: derivatives from the grid, the equation identified unless it is stated, the nullspace of its determining
equations. A row is right if the certified fields and the superpositions set apart are as many as there are in
the space, and the smallest principal cosine between the certified span and the true one, as fields over the points of
the data in units of their spread, is at least 0.999.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import torch

import symfind
from benchmarks.field_suite import learned as learned_suite
from benchmarks.field_suite.cases import CLEAN, NAMES, NOISY, ROOTS, WITHOUT, Case
from benchmarks.field_suite.differences import SIMULATORS
from symfind.config import DiscoverOptions
from symfind.discover.finding import Finding, decide
from symfind.discover.search import Clock, search
from symfind.linalg.subspaces import principal_cosines
from symfind.progress import SilentProgress

# The file's other part, learned generators, is written between these lines and kept when this part is written anew.
LEARNED_BEGIN, LEARNED_END = "<!-- learned: begin -->", "<!-- learned: end -->"


@dataclass(frozen=True)
class Row:
    """What one case gave."""

    case: Case
    certified: int
    apart: int
    undecided: int
    cosine: float | None
    equation: str
    seconds: float
    fault: str = ""

    @property
    def verdict(self) -> str:
        """``right``, ``undecided`` (fewer than there are, all of them true), or ``wrong``."""
        wanted = len(self.case.symmetries) + self.case.apart
        found = self.certified + self.apart
        true = self.cosine is None or self.cosine >= 0.999
        if found == wanted and self.apart == self.case.apart and true:
            return "right"
        return "undecided" if found < wanted and true else "wrong"


def cosine(finding: Finding, names: Sequence[str], case: Case) -> float | None:
    """The smallest principal cosine between the certified fields and the true ones; None if either is empty."""
    vectors = [g.vector for g in finding.generators if g.verdict == "certified"]
    if not vectors or not case.symmetries:
        return None
    z, space = finding.evidence.bracket_points, finding.evidence.space
    fields = torch.einsum("npa,pk->kna", space.evaluate(z), torch.stack(vectors, 1)) / z.std(0, correction=0)
    return float(principal_cosines(fields.flatten(1), learned_suite.true_values(case.symmetries, names, z)).min())


def data(case: Case, folder: Path) -> Path:
    """The file of a case, made if it is not there."""
    path = folder / f"{case.data.replace(' ', '-')}.h5"
    if not path.exists():
        if case.data in SIMULATORS:
            SIMULATORS[case.data](path)
        else:
            symfind.sample(case.data, path)
    if not case.noise:
        return path
    noisy = folder / f"{path.stem}-{case.noise:g}.h5"
    if not noisy.exists():
        noisy.write_bytes(path.read_bytes())
        with h5py.File(noisy, "r+") as file:
            u = torch.from_numpy(file["u"][()])
            generator = torch.Generator().manual_seed(1)
            noise = torch.randn(u.shape, generator=generator, dtype=torch.float64)
            file["u"][...] = (u + case.noise * u.std() * noise).numpy()
    return noisy


def measure(case: Case, folder: Path) -> Row:
    """Run one case."""
    space = case.space
    if space == "roots":
        roots = folder / "roots.yaml"
        roots.write_text(ROOTS, encoding="utf-8")
        space = str(roots)
    path = data(case, folder)
    options = DiscoverOptions(source=str(path), space=space, equation=case.equation, tolerance=case.tolerance)
    start = time.perf_counter()
    origin, evidence = search(options, path, torch.device("cpu"), Clock(SilentProgress()))
    finding = decide(evidence, options.tolerance, options.alpha, options.bootstrap, options.seed)
    seconds = time.perf_counter() - start
    certified = sum(g.verdict == "certified" for g in finding.generators)
    assert evidence.equation is not None
    return Row(
        case, certified, len(finding.apart), len(finding.generators) - certified,
        cosine(finding, origin.names, case), evidence.equation.text, seconds,
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| equation | data | space | expected | certified | least cosine | verdict | seconds | read as |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        case = row.case
        plus = f" + {case.apart}" if case.apart else ""
        found = f"{row.certified} + {row.apart}" if row.apart else f"{row.certified}"
        cos = "" if row.cosine is None else f"{row.cosine:.6f}"
        noise = f"{100 * case.noise:g} % noise" if case.noise else "clean"
        given = "given: " if case.equation else ""
        lines.append(
            f"| {NAMES[case.data]} | {noise} | `{case.space}` | {len(case.symmetries)}{plus} | {found} | {cos} | "
            f"{row.verdict} | {row.seconds:.1f} | {given}`{row.equation}` |"
        )
    return "\n".join(lines)


def document(parts: Sequence[tuple[str, Sequence[Row]]], learned: str) -> str:
    """The page, the learned part as it was."""
    text = [
        "# Fields: point symmetries of differential equations",
        "",
        "Written by `python -m benchmarks.fields --output docs/fields.md`; not edited by hand.",
        "",
        " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
        "",
        "Expected and certified: proper symmetries + superpositions α(t, x)∂u of a linear equation, which are set "
        "apart. `undecided` is fewer than there are, `wrong` is more, or others. Seconds: from the file to the "
        "decision, one thread.",
    ]
    for title, rows in parts:
        text += ["", f"## {title}", "", table(rows)]
    text += ["", "## Learned generators", "", LEARNED_BEGIN, learned.strip("\n"), LEARNED_END, ""]
    return "\n".join(text)


def learned_part(path: Path | None) -> str:
    """What stands between the marks in an earlier page."""
    if path is None or not path.exists():
        return ""
    text = path.read_text(encoding="utf-8")
    return text.partition(LEARNED_BEGIN)[2].partition(LEARNED_END)[0]


def learned(
    output: Path | None, folder: Path | None, equations: Sequence[str], methods: Sequence[str], seeds: int
) -> None:
    """Run the learned suite, or a part of it, and put its rows into the page beside those of earlier runs."""
    rows: dict[tuple[str, ...], str] = {}
    with tempfile.TemporaryDirectory() as made:
        kept = folder or Path(made)
        kept.mkdir(parents=True, exist_ok=True)
        for case, method, seed in learned_suite.chosen(equations, methods, seeds):
            row = learned_suite.measure_learned(case, data(case, kept), method, seed)
            rows[row.key] = row.text()
            print(row.text(), flush=True)
            _into_page(output, rows)
    if output is None or not output.exists():
        print(learned_suite.section(rows))


def _into_page(output: Path | None, rows: dict[tuple[str, ...], str]) -> None:
    """Write the learned part after every run: some take minutes, and an interruption keeps what is done."""
    if output is None or not output.exists():
        return
    page = output.read_text(encoding="utf-8")
    before, _, rest = page.partition(LEARNED_BEGIN)
    earlier = {row.key: row.text() for row in learned_suite.parsed_rows(learned_part(output))}
    text = learned_suite.section(earlier | rows)
    output.write_text(f"{before}{LEARNED_BEGIN}\n\n{text}\n\n{LEARNED_END}{rest.partition(LEARNED_END)[2]}", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the closed-form suite and write the page."""
    parser = argparse.ArgumentParser(description="point symmetries of differential equations from solutions")
    parser.add_argument("--output", type=Path, default=None, help="page to write; standard output otherwise")
    parser.add_argument("--data", type=Path, default=None, help="folder that keeps the simulated data")
    parser.add_argument("--only", default="", help="cases whose data have this name, or learned")
    parser.add_argument("--equations", default="", help="with --only learned: names of data, separated by commas")
    parser.add_argument("--methods", default="", help="with --only learned: of the methods, those with these names")
    parser.add_argument("--seeds", type=int, default=1, help="with --only learned: how many")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if given.only == "learned":
        learned(given.output, given.data, given.equations.split(","), given.methods.split(","), given.seeds)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = given.data or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        parts = []
        for title, cases in (("Closed form, clean data", CLEAN), ("With noise", NOISY), ("No symmetry", WITHOUT)):
            rows = []
            for case in cases:
                if given.only and case.data != given.only:
                    continue
                rows.append(measure(case, folder))
                print(table(rows[-1:]).splitlines()[-1], flush=True)
            parts.append((title, rows))
    text = document(parts, learned_part(given.output))
    if given.output is None:
        print(text)
    else:
        given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
