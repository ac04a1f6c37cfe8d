"""Over which range turned and upright digits stay what they are, by the command, with pictures of the report."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.image_suite.kept import Kept
from symfind import api
from symfind.data.hdf5 import write
from symfind.render.pictures import pictures
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

TURNED = "sample_data/rotated_digits.h5"
_UPRIGHT_IMAGES = 6000
_TURN = "x ∂y − y ∂x"
# Which pictures of which report the page shows: their kind and what is written under them.
SHOWN = {
    "turned": {
        "field": "The generator of turns over the image.",
        "moved": "Turned digits along it.",
        "validity": "Turned digits: accuracy along the turn, over the full circle.",
    },
    "upright": {"validity": "Upright digits: accuracy along the turn; the shaded range holds."},
}


def page(folder: Path, drawn: Path | None, kept: Kept) -> Iterator[str]:
    """The section; pictures are written into the folder ``drawn``."""
    yield "## Over which range"
    yield ""
    yield f"`symfind discover {TURNED}` (digits turned by random angles), and the same on {_UPRIGHT_IMAGES:,}"
    yield "upright MNIST digits. A small network trained on one half judges the other. Certified: over the stated range"
    yield "(the full circle for a turn, 0.3 for what has no period) the accuracy stays within two points (one-sided 95"
    yield "%) of that of images that went as far forth and back. ρ, the derivative's order, certifies nothing."
    yield ""
    yield "| digits | generator | ρ | range | verdict | CPU s |"
    yield "|---|---|---|---|---|---|"
    shown: list[tuple[str, str]] = []
    for name in ("turned", "upright"):
        value = kept.get(["ranges", name, _UPRIGHT_IMAGES], lambda name=name: _asked(name, folder))
        report = Report.read(value["report"], name)
        seconds = f"{value['seconds']:.0f}"
        for text, defect, told, verdict in _rows(report):
            yield f"| {name} | {text} | {defect} | {told} | {verdict} | {seconds} |"
            seconds = ""
        if drawn is not None:
            shown += _drawn(name, report, drawn)
    yield ""
    for path, caption in shown:
        yield f"![{caption}](pictures/{path})"
        yield ""


def _asked(name: str, folder: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        source = TURNED
        if name == "upright":
            stored = np.load(folder / "mnist10k.npz")
            some = np.random.default_rng(0).permutation(len(stored["x"]))[:_UPRIGHT_IMAGES]
            source = f"{made}/upright.h5"
            write(Path(source), {"x": stored["x"][some], "y": stored["y"][some]}, {"kind": "image"})
        start = time.process_time()
        report = api.discover(DiscoverOptions(source=source))
        seconds = time.process_time() - start
        print("ranges", name, f"{seconds:.0f} s", [(g.expression, g.verdict) for g in report.generators], flush=True)
        return {"report": report.to_plain(), "seconds": seconds}


def _rows(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """Generator, ρ, range and verdict of every candidate that was followed."""
    listed = {g.expression: g for g in report.generators}
    for curve in report.validity:
        told = next((n for n in report.notes if n.startswith(f"{curve.expression}: ")), "")
        words = told.removeprefix(f"{curve.expression}: ").split(";")[0]
        own = listed.get(curve.expression)
        defect = "" if own is None or own.defect is None else f"{own.defect:.2f}"
        yield curve.expression, defect, words, "refuted" if own is None else own.verdict


def _drawn(name: str, report: Report, folder: Path) -> Iterator[tuple[str, str]]:
    folder.mkdir(exist_ok=True)
    turn = tuple(c for c in report.validity if c.expression == _TURN)
    for picture in pictures(dataclasses.replace(report, validity=turn)):
        kind = picture.name.split("-")[0]
        if kind in SHOWN[name]:
            path = f"{name}-{kind}.png"
            (folder / path).write_bytes(picture.png)
            yield path, SHOWN[name][kind]
