"""All hostile inputs, run one after the other, as a table."""

from __future__ import annotations

import hashlib
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability_suite import doors, files_damaged, texts
from benchmarks.reliability_suite.bases import bases
from benchmarks.reliability_suite.cases import Case
from benchmarks.reliability_suite.outcome import fault, left_over, ran
from symfind.untrusted_text import shown


def all_cases(seed: int, share: float = 1.0) -> Iterator[Case]:
    """About 1,100 cases; ``share`` of those that are drawn."""

    def count(n: int) -> int:
        return max(1, round(n * share))

    yield from files_damaged.models(count(60), seed)
    yield from files_damaged.members(seed)
    yield from files_damaged.data(count(40), seed)
    yield from files_damaged.formats(count(12), seed)
    yield from files_damaged.contents()
    yield from files_damaged.reports(count(110), seed)
    yield from files_damaged.checkpoints(count(12), seed)
    yield from texts.yaml_files(seed, min(1.0, 0.4 * share))
    yield from texts.formulas()
    yield from texts.options()
    yield from doors.outputs()
    yield from doors.inputs()
    yield from doors.numbers()


def judged(case: Case, folder: Path, whole: Path) -> str:
    """Run one case in an empty folder; what was wrong, nothing if it ended well."""
    here = folder / "case"
    shutil.rmtree(here, ignore_errors=True)
    work = here / "work"
    work.mkdir(parents=True)
    arguments = case.make(work, whole)
    before = {p.name for p in work.iterdir()}
    digest = _digest(whole)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    if arguments[0] == "--limit-of-a-file":
        arguments = arguments[1:]
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limit[1]))
    try:
        ended = ran(arguments, work, case.stdin)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    wrong = fault(ended, case.allowed) or (case.check(work, ended.out) if case.check else "")
    if not wrong and "No such option" in ended.err and case.name != "no option":
        wrong = "asks for an option that there is none of"
    if not wrong and left_over(work):
        wrong = f"left {left_over(work)[:3]} behind"
    if not wrong and ended.status != 0 and {p.name for p in work.iterdir()} - before - {"real", "made"}:
        wrong = f"wrote {sorted({p.name for p in work.iterdir()} - before)} in spite of an error"
    if not wrong and _digest(whole) != digest:
        wrong = "changed an input"
    return wrong


def _digest(whole: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(whole.iterdir()):
        found.update(path.read_bytes())
    return found.hexdigest()


def table(folder: Path, seed: int, only: str) -> str:
    """Tried and good by sort, and every one that is not."""
    (folder / "whole").mkdir()
    whole = bases(folder / "whole")
    warm()
    tried: dict[str, list[int]] = {}
    bad: dict[str, list[str]] = {}
    took: dict[str, float] = {}
    for case in all_cases(seed):
        if only not in case.sort:
            continue
        start = time.monotonic()
        wrong = judged(case, folder, whole)
        took[case.sort] = took.get(case.sort, 0.0) + time.monotonic() - start
        counts = tried.setdefault(case.sort, [0, 0])
        counts[0] += 1
        counts[1] += not wrong
        if wrong:
            bad.setdefault(case.sort, []).append(f"{case.name[:80]!r}: {wrong}")
            print(f"- {case.sort}, {bad[case.sort][-1]}", file=sys.stderr, flush=True)
    rows = {
        sort: f"| {sort} | {a} | {b} | {seed} | {took[sort]:.0f} | {'; '.join(shown(x) for x in bad.get(sort, ()))} |"
        for sort, (a, b) in tried.items()
    }
    return summed(rows)


_HEAD = "| sort | tried | good | seed | s | not good |\n| :--- | ---: | ---: | ---: | ---: | :--- |"


def rows_of(text: str) -> dict[str, str]:
    """The rows of a table by sort, that of the sums left out."""
    lines = [
        line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| sort", "| :", "| **"))
    ]
    return {line.split("|")[1].strip(): line for line in lines}


def summed(rows: dict[str, str]) -> str:
    """The table with its sums."""
    counts = [[int(line.split("|")[i]) for line in rows.values()] for i in (2, 3)]
    tried, good = map(sum, counts)
    share = 100 * good / max(1, tried)
    return "\n".join([_HEAD, *rows.values(), f"| **all** | **{tried}** | **{good}** | | | {share:.2f} % good |"])


def warm() -> None:
    """Import once what every run would import again in its fork."""
    import importlib

    for name in (
        "symfind.cli.main", "symfind.api", "symfind.verbs.enforce", "symfind.verbs.promote", "symfind.verbs.conserve",
        "symfind.verbs.augment", "symfind.verbs.contents", "symfind.models.exported", "symfind.models.torchscript",
        "symfind.answers.identification", "symfind.cli.listing", "symfind.render.html", "symfind.render.tables",
        "symfind.kinds.maps.witness", "symfind.samples.catalogue", "torch._export.serde.serialize", "rich.console",
    ):  # fmt: skip
        importlib.import_module(name)
