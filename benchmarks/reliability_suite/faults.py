"""Kills and signals at random moments: what is there afterwards is whole, and going on gives the same numbers."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from benchmarks.reliability_suite.bases import bases, write
from benchmarks.reliability_suite.outcome import Ended, left_over, ran, started
from benchmarks.reliability_suite.run_cases import warm

_TRAINING = [
    "promote",
    "t.h5",
    "--model",
    "mlp",
    "--steps",
    "400",
    "--checkpoint",
    "c.pt",
    "--resume",
    "--output",
    "m.pt",
]
_WRITING = {
    "sample": ["sample", "kdv", "s.h5", "--rows", "2", "--times", "40", "--grid-size", "64"],
    "enforce": [
        "enforce",
        "model.pt",
        "--group",
        "so3",
        "--data",
        "data.h5",
        "--method",
        "average",
        "--output",
        "m.pt",
    ],
    "report": ["report", "report.json", "--output", "r.html"],
}
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def _prepared(folder: Path) -> Callable[[], Path]:
    """What makes an empty folder with the files that the commands name."""
    (folder / "whole").mkdir()
    whole = bases(folder / "whole")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 2))
    write(whole / "t.h5", x=x, y=np.tanh((x**2).sum(1))[:, None])
    warm()

    def fresh() -> Path:
        here = folder / "case"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(whole, here / "work")
        return here / "work"

    return fresh


def _model(path: Path) -> list[torch.Tensor]:
    return [p.detach() for p in torch.jit.load(str(path)).parameters()]  # type: ignore[no-untyped-call]


def _is_whole(path: Path) -> bool:
    """Whether a file that is there can be read to its end."""
    if not path.exists():
        return True
    if path.suffix == ".html":
        return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return all(np.isfinite(file[name][()]).all() for name in file)
    if path.name == "c.pt":
        return "settings" in torch.load(path, weights_only=True)
    return len(_model(path)) > 0


def _document(text: str) -> Any:
    plain = json.loads(text)
    plain.pop("timing", None)
    return plain


def _killed(arguments: list[str], work: Path, after: float) -> None:
    child = started(arguments, work)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kills(folder: Path, seed: int, only: str) -> str:
    """SIGKILL at random: 30 of a training that is then resumed, 30 of verbs that write, which are then run again."""
    fresh, rng = _prepared(folder), random.Random(seed)
    whole = same = tidy = 0
    work = fresh()
    plain = ran(_TRAINING, work)
    document, weights, took = _document(plain.out), _model(work / "m.pt"), plain.seconds
    for _ in range(30):
        work = fresh()
        _killed(_TRAINING, work, rng.uniform(0.05, took))
        whole += all(_is_whole(work / name) for name in ("m.pt", "c.pt"))
        again = ran(_TRAINING, work)
        exact = again.status == 0 and _document(again.out) == document
        exact = exact and all(torch.equal(a, b) for a, b in zip(_model(work / "m.pt"), weights, strict=True))
        same += exact
        tidy += not left_over(work)
        if not exact or left_over(work):
            print(f"training: exact {exact}, left {left_over(work)}; {again.err[:200]}", file=sys.stderr)
    names = list(_WRITING)
    times = {name: ran(_WRITING[name], fresh()).seconds for name in names}
    for i in range(30):
        work, name = fresh(), names[i % len(names)]
        _killed(_WRITING[name], work, rng.uniform(0.01, times[name]))
        outputs = [work / a for a in _WRITING[name] if a in ("s.h5", "m.pt", "r.html")]
        whole += all(map(_is_whole, outputs))
        again = ran(_WRITING[name], work)
        same += again.status == 0 and all(p.exists() and _is_whole(p) for p in outputs)
        tidy += not left_over(work)
    return (
        f"SIGKILL at a random moment, seed {seed}: outputs and checkpoints whole or absent {whole} of 60; after that the "
        f"same command (with `--resume` for the 30 trainings) gave the document and every weight bit for bit, or a whole "
        f"output, {same} of 60; strays of the killed process removed by it {tidy} of 60."
    )


def signals(folder: Path, seed: int, only: str) -> str:
    """SIGINT, SIGTERM and SIGHUP at random moments of five verbs."""
    fresh, rng = _prepared(folder), random.Random(seed)
    verbs = {
        "discover": ["discover", "data.h5", "--output", "r.json"],
        "conserve": ["conserve", "flow.h5", "--output", "c.json"],
        "promote": _TRAINING,
        "sample": ["sample", "kdv", "s.h5", "--rows", "4", "--times", "60", "--grid-size", "128"],
        "enforce": _WRITING["enforce"],
    }
    times = {name: ran(arguments, fresh()).seconds for name, arguments in verbs.items()}
    good, bad = 0, []
    for number, code in _CODES.items():
        for name, arguments in verbs.items():
            for _ in range(3):
                ended, work = _signalled(arguments, fresh, number, rng, times[name])
                left = [*left_over(work), *[p for p in ("r.json", "s.h5") if (work / p).exists()]]
                right = ended.status == code and not left and "Traceback" not in ended.err
                good += right
                if not right:
                    bad.append(f"{name}, {number.name}: status {ended.status}, left {left}, {ended.err[:200]!r}")
    print("\n".join(bad), file=sys.stderr)
    return (
        f"SIGINT, SIGTERM and SIGHUP at a random moment of {', '.join(verbs)}, seed {seed}: exit status 130, 143 or 129 and "
        f"nothing left {good} of 45."
    )


def _signalled(
    arguments: list[str], fresh: Callable[[], Path], number: signal.Signals, rng: random.Random, took: float
) -> tuple[Ended, Path]:
    """Send the signal while the run goes on; tried again with less patience where it had ended before."""
    for shorter in range(1, 30):
        work = fresh()
        ended = ran(arguments, work, interrupted=(number, 0.03 + rng.uniform(0, 0.9 * took / shorter)))
        if ended.status != 0:
            return ended, work
    return ended, work
