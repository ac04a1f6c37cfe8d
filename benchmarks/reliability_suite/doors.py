"""Where inputs come from and outputs go: pipes, devices, folders, links, full disks, one file twice; numbers at the edge."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.reliability_suite.bases import write
from benchmarks.reliability_suite.cases import ANY, COMPUTED, REFUSED, Case, filled

# A verb that writes, with OUT for where it does.
_WRITERS: dict[str, list[str]] = {
    "report": ["report", "{report.json}", "--output", "OUT.json"],
    "report as HDF5": ["report", "{report.json}", "--output", "OUT.h5"],
    "report as HTML": ["report", "{report.json}", "--output", "OUT.html"],
    "identify": ["identify", "{gens.yaml}", "--output", "OUT.json"],
    "sample": ["sample", "ellipse", "OUT.h5", "--rows", "40"],
    "inspect": ["inspect", "{data.h5}", "--output", "OUT.json"],
    "groups": ["groups", "--output", "OUT.json"],
    "enforce": ["enforce", "{model.pt}", "--group", "so3", "--shape", "3", "--n-samples", "64",
                "--method", "average", "--output", "OUT.pt"],
}  # fmt: skip


def _target(arguments: list[str], folder: Path) -> Path:
    return folder / next(a for a in arguments if a.startswith("OUT"))


def _link(folder: Path, at: Path) -> None:
    (folder / "real").write_text("old")
    (folder / "real").chmod(0o640)
    at.symlink_to("real")


_AT: dict[str, tuple[Callable[[Path, Path], object], frozenset[int], Callable[[Path, Path], bool]]] = {
    "a link": (_link, frozenset({0}), lambda f, at: at.is_symlink() and stat.S_IMODE((f / "real").stat().st_mode) == 0o640
               and (f / "real").stat().st_size > 4),
    "a dangling link": (lambda f, at: at.symlink_to("made"), frozenset({0}), lambda f, at: at.is_symlink() and (f / "made").is_file()),
    "a circle of links": (lambda f, at: at.symlink_to(at.name), REFUSED, lambda f, at: at.is_symlink()),
    "a folder": (lambda f, at: at.mkdir(), REFUSED, lambda f, at: at.is_dir()),
    "/dev/null": (lambda f, at: at.symlink_to("/dev/null"), frozenset({0}), lambda f, at: at.is_symlink() and not Path("/dev/null").is_file()),
    "/dev/full": (lambda f, at: at.symlink_to("/dev/full"), REFUSED, lambda f, at: at.is_symlink() and stat.S_ISCHR(Path("/dev/full").stat().st_mode)),
    "a file of mode 600": (lambda f, at: (at.write_text("old"), at.chmod(0o600)), frozenset({0}), lambda f, at: stat.S_IMODE(at.stat().st_mode) == 0o600),
    "no folder": (lambda f, at: at.symlink_to("no/where/at/all"), REFUSED, lambda f, at: at.is_symlink()),
}  # fmt: skip


def outputs() -> Iterator[Case]:
    """Every verb that writes, to whatever may be where it writes."""
    for verb, arguments in _WRITERS.items():
        for place, (prepare, allowed, holds) in _AT.items():

            def make(folder: Path, whole: Path, a: list[str] = arguments, p: object = prepare) -> list[str]:
                p(folder, _target(a, folder))  # type: ignore[operator]
                return filled(a, whole)

            def check(folder: Path, out: str, a: list[str] = arguments, h: object = holds) -> str:
                return "" if h(folder, _target(a, folder)) else "the place is not as it should be"  # type: ignore[operator]

            yield Case("outputs", f"{verb} to {place}", make, allowed, check)

        def limited(folder: Path, whole: Path, a: list[str] = arguments) -> list[str]:
            _target(a, folder).write_text("old")
            return ["--limit-of-a-file", *filled(a, whole)]

        def kept(folder: Path, out: str, a: list[str] = arguments) -> str:
            return "" if _target(a, folder).read_text() == "old" else "the old file is gone"

        yield Case("outputs", f"{verb} on a full disk", limited, REFUSED, kept)
    same = {
        "report": ["report", "F", "--output", "F"], "identify": ["identify", "F", "--output", "F"],
        "discover": ["discover", "G", "--output", "G"], "inspect": ["inspect", "F", "--output", "F"],
        "conserve": ["conserve", "F", "--output", "F"],
        "generators": ["augment", "{field.h5}", "--generators", "H", "--output", "H"],
        "data": ["enforce", "{model.pt}", "--group", "so3", "--data", "G", "--output", "G"],
        "model": ["enforce", "M", "--group", "so3", "--data", "{data.h5}", "--output", "M"],
        "weights": ["enforce", "M", "--group", "so3", "--data", "{data.h5}", "--output", "O.h5", "--weights", "O.h5"],
        "checkpoint": ["promote", "{data.h5}", "--model", "mlp", "--steps", "2", "--checkpoint", "O.pt", "--output", "O.pt"],
    }  # fmt: skip
    for name, arguments in same.items():
        for way in ("itself", "a link", "another spelling", "a hard link"):

            def one_file(folder: Path, whole: Path, a: list[str] = arguments, way: str = way) -> list[str]:
                files = {"F": "report.json", "G": "data.h5", "H": "report.h5", "M": "model.pt"}
                given = []
                seen: set[str] = set()
                for word in a:
                    if word in files:
                        own = folder / files[word]
                        own.write_bytes((whole / own.name).read_bytes())
                        given.append(own.name if word not in seen else _other(own, way, folder))
                        seen.add(word)
                    else:
                        given.append(word)
                return filled(given, whole)

            def safe(folder: Path, out: str) -> str:
                sizes = [p.name for p in folder.iterdir() if p.stat().st_size == 0]
                return f"{sizes[0]} is empty" if sizes else ""

            if name in ("weights", "checkpoint") and way != "itself":
                continue
            yield Case("one file twice", f"{name} by {way}", one_file, REFUSED, safe)


def _other(own: Path, way: str, folder: Path) -> str:
    if way == "itself":
        return own.name
    if way == "another spelling":
        return f".././{folder.name}/{own.name}"
    other = own.with_name(f"other{own.suffix}")
    if way == "a link":
        other.symlink_to(own.name)
    else:
        os.link(own, other)
    return other.name


_INPUTS: dict[str, list[str]] = {
    "inspect": ["inspect", "IN"], "discover": ["discover", "IN"], "report": ["report", "IN"], "identify": ["identify", "IN"],
    "conserve": ["conserve", "IN"], "enforce": ["enforce", "IN", "--group", "so3"],
    "generators": ["enforce", "{model.pt}", "--generators", "IN"],
    "data": ["discover", "{model.pt}", "--data", "IN"], "mapping": ["discover", "{data.h5}", "--mapping", "IN"],
    "config": ["discover", "{data.h5}", "--config", "IN"], "plugin": ["--plugin", "IN", "groups"],
}  # fmt: skip


def inputs() -> Iterator[Case]:
    """Every verb that reads, from whatever may be where it reads."""
    for verb, arguments in _INPUTS.items():
        for place in (
            "/dev/zero",
            "/dev/full",
            "/dev/urandom",
            "a folder",
            "a socket",
            "an empty file",
            "a file that is not ours",
            "-",
        ):

            def make(folder: Path, whole: Path, a: list[str] = arguments, place: str = place) -> list[str]:
                at = folder / "in"
                if place.startswith("/"):
                    at.symlink_to(place)
                elif place == "a folder":
                    at.mkdir()
                elif place == "a socket":
                    import socket

                    with socket.socket(socket.AF_UNIX) as made:
                        made.bind(str(at)) if len(str(at)) < 100 else at.touch()
                elif place == "-":
                    return filled(["-" if word == "IN" else word for word in a], whole)
                else:
                    at.write_bytes(b"" if place == "an empty file" else os.urandom(3000))
                return filled(["in" if word == "IN" else word for word in a], whole)

            yield Case(
                "inputs that are no files",
                f"{verb} of {place}",
                make,
                ANY if verb == "config" and place in ("-", "an empty file") else REFUSED,
            )


def numbers() -> Iterator[Case]:
    """Data whose sizes lie at the edge of double precision, or in which nothing varies but rounding."""
    x = np.random.default_rng(4).normal(size=(120, 3))
    y = (x**2).sum(1)[:, None]
    sizes = (
        1e-320,
        1e-300,
        1e-200,
        1e-165,
        1e-100,
        1e-60,
        1e-30,
        1e-12,
        1e-6,
        1e6,
        1e12,
        1e30,
        1e60,
        1e100,
        1e154,
        1e156,
        1e300,
    )
    tables: dict[str, dict[str, np.ndarray]] = {}
    for size in sizes:
        tables[f"x of size {size:g}"] = {"x": x * size, "y": y}
        tables[f"y of size {size:g}"] = {"x": x, "y": y * size}
    tables |= {
        "one column of size 1e-200": {"x": x * [1, 1, 1e-200], "y": y}, "one column of size 1e60": {"x": x * [1, 1, 1e60], "y": y},
        "y beside a million": {"x": x, "y": 1e6 + 1e-8 * y}, "x beside 1e16": {"x": 1e16 + x, "y": y}, "denormal steps": {"x": x, "y": np.full_like(y, 5e-324) * (y > 1)},
        "one row differs": {"x": x, "y": (np.arange(120) == 7)[:, None] * 1.0}, "the same row": {"x": np.ones_like(x), "y": y},
        "two rows over and over": {"x": np.tile(x[:2], (60, 1)), "y": np.tile(y[:2], (60, 1))}, "collinear": {"x": x[:, :1] * [1, 2, 3], "y": y},
        "nearly collinear": {"x": x[:, :1] * [1, 2, 3] + 1e-12 * x, "y": y}, "zeros": {"x": np.zeros_like(x), "y": y}, "−0": {"x": x, "y": np.zeros_like(y) * -1.0},
    }  # fmt: skip
    for name, arrays in tables.items():

        def make(folder: Path, whole: Path, arrays: dict[str, np.ndarray] = arrays) -> list[str]:
            write(folder / "d.h5", **arrays)
            return ["discover", "d.h5", "--bootstrap", "40", "--quiet"]

        yield Case("numbers at the edge", name, make, COMPUTED)
