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
from itertools import product
from pathlib import Path

import h5py
import torch

import symfind
from benchmarks.field_suite import augmentation as augmentation_suite
from benchmarks.field_suite import learned as learned_suite
from benchmarks.field_suite.cases import CLEAN, NAMES, NOISY, ROOTS, WITHOUT, Case
from benchmarks.field_suite.differences import SIMULATORS
from symfind.decision.evidence import Finding
from symfind.decision.finding import decide
from symfind.kinds.search import search
from symfind.linalg.subspaces import principal_cosines
from symfind.options.of_verbs import DiscoverOptions
from symfind.progress import Clock, SilentProgress

# Parts of the page with runs of their own, each between two marks; they are kept when another part is written anew.
PARTS = {"learned": "Learned generators", "augmentation": "Augmentation"}


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
    size = "".join(f"-{n}" for n in (case.rows, case.times) if n is not None)
    path = folder / f"{case.data.replace(' ', '-')}{size}.h5"
    if not path.exists():
        if case.data in SIMULATORS:
            SIMULATORS[case.data](path)
        else:
            symfind.sample(case.data, path, rows=case.rows, times=case.times)
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
    start = time.process_time()
    origin, evidence = search(options, path, torch.device("cpu"), Clock(SilentProgress()))
    finding = decide(evidence, options.tolerance, options.alpha, options.bootstrap, options.seed)
    seconds = time.process_time() - start
    certified = sum(g.verdict == "certified" for g in finding.generators)
    assert evidence.equation is not None
    return Row(
        case, certified, len(finding.apart), len(finding.generators) - certified,
        cosine(finding, origin.names, case), evidence.equation.text, seconds,
    )  # fmt: skip


HEADER = (
    "| equation | data | space | expected | certified | least cosine | verdict | seconds | read as |",
    "|---|---|---|---|---|---|---|---|---|",
)


def case_key(case: Case) -> tuple[str, ...]:
    """What tells a case from the others of the page: equation, data, space, and whether the equation is given."""
    size = "" if case.rows is None else f", {case.rows} solutions"
    size += "" if case.times is None else f", {case.times} times"
    noise = f"{100 * case.noise:g} % noise" if case.noise else "clean"
    return NAMES[case.data], noise + size, f"`{case.space}`", "given" if case.equation else "identified"


def key(line: str) -> tuple[str, ...]:
    """The same of a line of the page."""
    cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
    return (*cells[:3], "given" if cells[-1].startswith("given") else "identified")


def line_of(row: Row) -> str:
    """Markdown."""
    case = row.case
    plus = f" + {case.apart}" if case.apart else ""
    found = f"{row.certified} + {row.apart}" if row.apart else f"{row.certified}"
    cos = "" if row.cosine is None else f"{row.cosine:.6f}"
    given = "given: " if case.equation else ""
    name, what, space, _ = case_key(case)
    return (
        f"| {name} | {what} | {space} | {len(case.symmetries)}{plus} | {found} | {cos} | "
        f"{row.verdict} | {row.seconds:.1f} | {given}`{row.equation}` |"
    )


def document(parts: Sequence[tuple[str, Sequence[str]]], page: str) -> str:
    """The page, with the other parts of an earlier page as they were."""
    text = [
        "# Fields: point symmetries of differential equations",
        "",
        "Written by `python -m benchmarks.fields --output docs/fields.md`; not edited by hand.",
        "",
        " ".join((__doc__ or "").split("\n\n", 2)[2].split()),
        "",
        "Expected and certified: proper symmetries + superpositions α(t, x)∂u of a linear equation, which are set "
        "apart. `undecided` is fewer than there are, `wrong` is more, or others. Seconds: of one thread, from the file "
        "to the decision.",
    ]
    for title, lines in parts:
        text += ["", f"## {title}", "", *HEADER, *lines]
    for name, title in PARTS.items():
        text += ["", f"## {title}", "", begin(name), "", part_of(page, name).strip("\n"), "", end(name)]
    return "\n".join([*text, ""])


def begin(name: str) -> str:
    """The line before a part."""
    return f"<!-- {name}: begin -->"


def end(name: str) -> str:
    """The line after it."""
    return f"<!-- {name}: end -->"


def part_of(page: str, name: str) -> str:
    """What stands between the marks."""
    return page.partition(begin(name))[2].partition(end(name))[0]


def earlier(output: Path | None) -> str:
    """The page as it is."""
    return output.read_text(encoding="utf-8") if output is not None and output.exists() else ""


def into_page(output: Path | None, name: str, text: str) -> None:
    """Put a part into the page, after every run: some take minutes, and an interruption keeps what is done."""
    page = earlier(output)
    if output is None or not page:
        return
    if begin(name) not in page:
        page += f"\n## {PARTS[name]}\n\n{begin(name)}\n{end(name)}\n"
    before, _, rest = page.partition(begin(name))
    output.write_text(f"{before}{begin(name)}\n\n{text}\n\n{end(name)}{rest.partition(end(name))[2]}", "utf-8")


def learned(output: Path | None, folder: Path, equations: Sequence[str], methods: Sequence[str], seeds: int) -> None:
    """Run the learned suite, or a part of it, and put its rows into the page beside those of earlier runs."""
    rows: dict[tuple[str, ...], str] = {}
    for case, method, seed in learned_suite.chosen(equations, methods, seeds):
        row = learned_suite.measure_learned(case, data(case, folder), method, seed)
        rows[row.key] = row.text()
        print(row.text(), flush=True)
        kept = {r.key: r.text() for r in learned_suite.parsed_rows(part_of(earlier(output), "learned"))}
        into_page(output, "learned", learned_suite.section(kept | rows))
    if not earlier(output):
        print(learned_suite.section(rows))


def augmentation(output: Path | None, folder: Path, seeds: int) -> None:
    """Train the operators of every seed, and write the table."""
    page = part_of(earlier(output), "augmentation").splitlines()
    kept = {tuple(cell.strip() for cell in line.split("|")[1:3]): line for line in page if line.startswith("| ")}
    lines: list[str] = []
    for seed, equation in product(range(seeds), augmentation_suite.TRUE):
        line = kept.get((equation, str(seed)))
        if line is None:
            line = augmentation_suite.measure_augmentation(equation, seed, folder).text()
            print(line, flush=True)
        lines.append(line)
        into_page(output, "augmentation", augmentation_suite.section(sorted(lines)))
    if not earlier(output):
        print(augmentation_suite.section(sorted(lines)))


def closed_form(output: Path | None, folder: Path, only: str) -> None:
    """Run the closed-form suite, or the cases of one name, whose rows then replace those of an earlier page."""
    page = earlier(output)
    kept = {key(line): line for line in page.splitlines() if line.startswith("| ")} if only else {}
    parts = []
    for title, cases in (("Closed form, clean data", CLEAN), ("With noise", NOISY), ("No symmetry", WITHOUT)):
        lines = []
        for case in cases:
            if only and case.data != only:
                lines += [kept[label] for label in (case_key(case),) if label in kept]
                continue
            lines.append(line_of(measure(case, folder)))
            print(lines[-1], flush=True)
        parts.append((title, lines))
    text = document(parts, page)
    if output is None:
        print(text)
    else:
        output.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the closed-form suite and write the page."""
    parser = argparse.ArgumentParser(description="point symmetries of differential equations from solutions")
    parser.add_argument("--output", type=Path, default=None, help="page to write; standard output otherwise")
    parser.add_argument("--data", type=Path, default=None, help="folder that keeps the simulated data")
    parser.add_argument("--only", default="", help="cases whose data have this name, or learned, or augmentation")
    parser.add_argument("--equations", default="", help="with --only learned: names of data, separated by commas")
    parser.add_argument("--methods", default="", help="with --only learned: of the methods, those with these names")
    parser.add_argument("--seeds", type=int, default=1, help="with --only learned or augmentation: how many")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = given.data or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if given.only == "learned":
            learned(given.output, folder, given.equations.split(","), given.methods.split(","), given.seeds)
        elif given.only == "augmentation":
            augmentation(given.output, folder, given.seeds)
        else:
            closed_form(given.output, folder, given.only)


if __name__ == "__main__":
    main()
