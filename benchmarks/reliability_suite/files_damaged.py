"""Models, data and reports, damaged at random and by design."""

from __future__ import annotations

import json
import random
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.reliability_suite.bases import FORMATS, MODELS, plain_report
from benchmarks.reliability_suite.cases import ANY, COMPUTED, REFUSED, Case, damaged, filled


def models(count: int, seed: int) -> Iterator[Case]:
    """Archives whose bytes are damaged: a CRC, a header or the layout tells; what is left is looked into again."""
    for i in range(count):
        for name in MODELS:

            def make(folder: Path, whole: Path, i: int = i, name: str = name) -> list[str]:
                (folder / name).write_bytes(damaged((whole / name).read_bytes(), random.Random(seed + i)))
                return ["inspect", name]

            yield Case("model archives, bytes damaged", f"{name} {i}", make)


def rewritten(source: Path, target: Path, change: Any) -> None:
    """An archive with other members: ``change`` maps (name, content) to those that take their place."""
    with warnings.catch_warnings(), zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        warnings.simplefilter("ignore")  # of a name twice, which is meant
        for name in old.namelist():
            for other, content in change(name, old.read(name)):
                new.writestr(zipfile.ZipInfo(other), content)


def _in(ending: str, to: Any) -> Any:
    return lambda name, content: [(name, to(content) if name.endswith(ending) else content)]


_NESTED = {
    "tuples": lambda n: b"\x80\x02" + b"(" * n + b"t" * n + b".",
    "lists": lambda n: b"\x80\x02" + b"]" * n + b"a" * (n - 1) + b".",
    "memo": lambda n: b"\x80\x02]" + b"q\x00" * n + b".",
}


def members(seed: int) -> Iterator[Case]:
    """Archives that are whole, with members made to break or to harm."""
    sort = "model archives, members crafted"
    rng = random.Random(seed)

    def case(name: str, model: str, change: Any, allowed: frozenset[int] = REFUSED, verb: str = "inspect") -> Case:
        def make(folder: Path, whole: Path) -> list[str]:
            rewritten(whole / model, folder / model, change)
            return [verb, model] if verb == "inspect" else [verb, model, "--sample", "normal", "--shape", "3"]

        return Case(sort, f"{model} {name}", make, allowed)

    for depth in (500, 20_000, 200_000, 1_000_000):
        for kind, nest in _NESTED.items():
            yield case(f"{kind} {depth} deep", "model.pt", _in("data.pkl", lambda _, n=nest, d=depth: n(d)), ANY)
        yield case(f"json {depth} deep", "model.pt2", _in("model.json", lambda _, d=depth: b"[" * d + b"]" * d))
        yield case(f"brackets {depth} deep", "model.pt", _in(".py", lambda c, d=depth: c.replace(b"return", b"x = " + b"(" * d + b"1" + b")" * d + b"\n    return")), ANY)  # fmt: skip
    for word in ("torch.save(x, 'f')", "torch.from_file('f')", "print(x)", "ops.mine.run(x)", "torch.classes.a.b(x)", "getattr(x, 'sa\\x76e')"):  # fmt: skip
        line = f"    _0 = {word}\n    return".encode()
        yield case(f"code {word[:12]}", "model.pt", _in(".py", lambda c, line=line: c.replace(b"    return", line)))
    for harm in (
        b"cos\nsystem\n(S'id'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
        b"cbuiltins\neval\n(S'1'\ntR.",
    ):
        yield case(f"pickle {harm[:12]!r}", "model.pt", _in(".pkl", lambda _, h=harm: h), REFUSED)
        for model in MODELS:
            yield case(f"one more pickle {harm[:12]!r}", model, lambda n, c, h=harm: [(n, c), *([(n.split("/")[0] + "/data/weights/evil.pt", h)] if n.endswith("version") else [])], ANY)  # fmt: skip
    for model in MODELS:
        yield case("a name twice", model, lambda n, c: [(n, c), (n, c)])
        yield case("a name in capitals too", model, lambda n, c: [(n, c), (n.upper(), c)])
        yield case("a name that leads out", model, lambda n, c: [(n, c), (f"../{n}", c)])
        yield case("no folder", model, lambda n, c: [(n.rpartition("/")[2], c)])
        yield case("every number huge", model, _in(".json", lambda c: c.replace(b'"as_int": ', b'"as_int": 99999999999999')), ANY)  # fmt: skip
        yield case("empty members", model, lambda n, c: [(n, b"")])
        yield case("control characters in a name", model, lambda n, c: [(n + "\x1b[31m\n", c)])
        yield case("random text in place of code", model, _in(".py", lambda c: bytes(rng.randrange(256) for _ in range(999))), ANY)  # fmt: skip
        yield case("a weight cut short", model, lambda n, c: [(n, c[:7] if "weight" in n or "/data/" in n else c)], ANY)

        def bomb(folder: Path, whole: Path, model: str = model) -> list[str]:
            with zipfile.ZipFile(folder / model, "w", zipfile.ZIP_DEFLATED) as new:
                for i in range(3):
                    new.writestr(f"m/data/{i}", bytes(2**29))
            return ["inspect", model]

        yield Case(sort, f"{model} unpacks to 1.5 GiB", bomb, REFUSED)
        for trick in ("directory", "locator"):

            def two(folder: Path, whole: Path, model: str = model, trick: str = trick) -> list[str]:
                from two_faced import TRICKS, plain

                shown, loaded = plain(whole / model, folder / "a"), folder / "b"
                rewritten(shown, loaded, lambda n, c: [(n, c[:-1] + bytes([c[-1] ^ 1]) if c else c)])
                content = TRICKS[trick](shown, plain(loaded, folder / "c"))
                for name in "abc":
                    (folder / name).unlink()
                (folder / model).write_bytes(content)
                return ["inspect", model]

            yield Case(sort, f"{model} of two faces ({trick})", two, REFUSED)


def data(count: int, seed: int) -> Iterator[Case]:
    """HDF5 whose bytes are damaged."""
    for i in range(count):
        for name, verb in (("data.h5", "inspect"), ("field.h5", "inspect"), ("flow.h5", "conserve")):

            def make(folder: Path, whole: Path, i: int = i, name: str = name, verb: str = verb) -> list[str]:
                (folder / name).write_bytes(damaged((whole / name).read_bytes(), random.Random(seed + 7 * i)))
                return [verb, name]

            yield Case("HDF5 data, bytes damaged", f"{name} {i}", make, COMPUTED if verb == "conserve" else ANY)


def formats(count: int, seed: int) -> Iterator[Case]:
    """Files of other formats whose bytes are damaged."""
    for i in range(count):
        for name in FORMATS:

            def make(folder: Path, whole: Path, i: int = i, name: str = name) -> list[str]:
                (folder / name).write_bytes(damaged((whole / name).read_bytes(), random.Random(seed + 13 * i)))
                return ["inspect", name]

            yield Case("other formats, bytes damaged", f"{name} {i}", make)


def _crafted(folder: Path) -> dict[str, Any]:
    """Contents by name: a function that fills an open file."""
    x = np.random.default_rng(2).normal(size=(60, 3))
    y = (x**2).sum(1)[:, None]

    def arrays(**given: Any) -> Any:
        return lambda f: [f.__setitem__(k, v) for k, v in given.items()]

    def declared(shape: tuple[int, ...], **more: Any) -> Any:
        return lambda f: (f.create_dataset("x", shape, "f8", **more), f.__setitem__("y", y))

    def attributes(**given: Any) -> Any:
        return lambda f: (arrays(x=x, y=y)(f), [f.attrs.__setitem__(k, v) for k, v in given.items()])

    def bomb(rows: int, width: int, chunk: int) -> Any:
        def fill(f: h5py.File) -> None:
            for name, w in (("x", width), ("y", 1)):
                made = f.create_dataset(name, (rows, w), "f8", chunks=(chunk, w), compression="gzip")
                packed = zlib.compress(np.ones((chunk, w)).tobytes(), 9)
                for start in range(0, rows, chunk):
                    made.id.write_direct_chunk((start, 0), packed)

        return fill

    nan, inf = x.copy(), x.copy()
    nan[7, 1], inf[0, 0] = np.nan, -np.inf
    wild = ["\x1b[2J\x1b]0;owned\x07", "a\nb", "\u202eabc"]
    return {
        "NaN": arrays(x=nan, y=y), "infinite": arrays(x=inf, y=y), "empty": arrays(x=x[:0], y=y[:0]),
        "one row": arrays(x=x[:1], y=y[:1]), "two rows": arrays(x=x[:2], y=y[:2]), "no columns": arrays(x=x[:, :0], y=y),
        "texts": arrays(x=np.array([b"a"] * 60), y=y), "complex": arrays(x=x + 1j, y=y), "a number": arrays(x=3.0, y=y),
        "rows differ": arrays(x=x, y=y[:-1]), "equal rows": arrays(x=np.ones((60, 3)), y=y),
        "constant y": arrays(x=x, y=np.ones((60, 1))), "whole numbers": arrays(x=np.arange(180).reshape(60, 3), y=y),
        "Booleans": arrays(x=x > 0, y=y), "half precision": arrays(x=x.astype("f2"), y=y),
        "no datasets": lambda f: None, "a group": lambda f: f.create_group("x"),
        "30 × 20,000": arrays(x=np.random.default_rng(3).normal(size=(30, 20_000)), y=y[:30]),
        "30 × 9,000": arrays(x=np.random.default_rng(3).normal(size=(30, 9_000)), y=y[:30]),
        "y of 9,000 columns": arrays(x=x, y=np.random.default_rng(3).normal(size=(60, 9_000))),
        "32 axes": arrays(x=np.ones((60, *[1] * 30, 3)), y=y), "declared 10^15 rows": declared((10**15, 3), chunks=(1024, 3)),
        "declared, never written": declared((60, 3)), "a chunk of 8 GiB": declared((2**24, 64), chunks=(2**24, 64)),
        "gzip, 1 GiB of ones": bomb(2**14, 2**13, 2**7), "gzip, 10^8 rows of ones": bomb(10**8 // 2**20 * 2**20, 3, 2**20),
        "a soft link to itself": lambda f: f.__setitem__("x", h5py.SoftLink("/x")),
        "a link elsewhere": lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/x")),
        "a hard loop": lambda f: (arrays(x=x, y=y)(f), f.create_group("g").__setitem__("up", f["/"])),
        "external storage": lambda f: f.create_dataset("x", (60, 3), "f8", external=[("/etc/passwd", 0, 1440)]),
        "5,000 datasets": lambda f: [f.__setitem__(f"d{i}", 0.0) for i in range(5000)],
        "300 groups deep": lambda f: f.create_group("/".join(["g"] * 300)),
        "a name of 60,000": arrays(**{"n" * 60_000: x}), "names with commands": attributes(names=wild),
        "a dataset named by commands": arrays(**{"\x1b[31mx\n": x}),
        "a kind of 50,000": attributes(kind="k" * 50_000), "kind is a number": attributes(kind=3),
        "kind is points": attributes(kind="points"), "kind is image": attributes(kind="image"),
        "kind is operator": attributes(kind="operator"), "kind is pairs": attributes(kind="pairs"),
        "kind is field": attributes(kind="field"), "kind is map": attributes(kind="map"),
        "names too few": attributes(names=["a"]), "names are bytes": attributes(names=np.array([b"\xff\xfe", b"b", b"c"])),
        "units odd": attributes(units=["\\input{x}", "$", "%"]), "a broken checkpoint": attributes(format="symfind.sequential/1", network="{"),
        "a deep checkpoint": attributes(format="symfind.sequential/1", network="[" * 60_000),
        "a checkpoint of the future": attributes(format="symfind.sequential/9"),
        "groups of one": arrays(x=x, y=y, group=np.zeros(60, int)), "groups not whole": arrays(x=x, y=y, group=x[:, 0]),
        "times run back": arrays(x=np.ones((4, 9, 2)), t=np.arange(9.0)[::-1]), "times equal": arrays(x=np.ones((4, 9, 2)), t=np.zeros(9)),
    }  # fmt: skip


def contents() -> Iterator[Case]:
    """HDF5 that is whole, with contents nobody wants."""
    for name in _crafted(Path()):
        for verb in ("inspect", "discover"):

            def make(folder: Path, whole: Path, name: str = name, verb: str = verb) -> list[str]:
                with h5py.File(folder / "d.h5", "w") as file:
                    _crafted(folder)[name](file)
                return [verb, "d.h5", *(["--bootstrap", "40"] if verb == "discover" else [])]

            yield Case("HDF5 data, contents crafted", f"{verb}: {name}", make, COMPUTED if verb == "discover" else ANY)


_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**400, 1e308, float("nan"), float("inf"), "", "\x1b[31m\n\u202e", "<script>alert(1)</script>",
    "`|*_[x](javascript:1)\\input{/etc/passwd}", "x" * 100_000, [], {}, [[]], [None], {"a": {"b": []}}, [1, [2, [3]]],
    "2026-99-99", "∂x", [1e999, "a"], {"": ""}, "x" * 50 + "\n" * 50,
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _places(item, (*path, i))


def report_changed(plain: Any, rng: random.Random) -> Any:
    """A report with one to three of its values replaced, left out or put under another key."""
    out = json.loads(json.dumps(plain))
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(list(_places(out))[1:] or [()])
        if not path:
            return rng.choice(_VALUES)
        here = out
        for key in path[:-1]:
            here = here[key]
        if rng.random() < 0.15 and isinstance(here, dict):
            del here[path[-1]]
        elif rng.random() < 0.1 and isinstance(here, dict):
            here[str(rng.choice(_VALUES))] = here.pop(path[-1])
        else:
            here[path[-1]] = rng.choice(_VALUES)
    return out


_REPORT_VERBS: tuple[list[str], ...] = (
    ["report", "R", "--format", "table"], ["report", "R", "--format", "markdown"], ["report", "R", "--format", "html"],
    ["report", "R", "--format", "json"], ["report", "R", "--output", "r.h5"], ["identify", "R"], ["conserve", "R", "--degree", "2"],
    ["enforce", "{model.pt}", "--generators", "R"], ["discover", "{data.h5}", "--space", "R", "--bootstrap", "40"],
    ["score", "{model.pt}", "--generators", "R", "--shape", "3"],
    ["augment", "{field.h5}", "--generators", "R", "--output", "a.h5"],
)  # fmt: skip


def reports(count: int, seed: int) -> Iterator[Case]:
    """Reports with other values, as JSON and HDF5, given to every verb that reads one."""
    for i in range(count):

        def make(folder: Path, whole: Path, i: int = i) -> list[str]:
            rng = random.Random(seed + i)
            plain = report_changed(plain_report(whole), rng)
            (folder / "R.json").write_text(json.dumps(plain), encoding="utf-8")
            verb = _REPORT_VERBS[i % len(_REPORT_VERBS)]
            return ["R.json" if a == "R" else a for a in filled(list(verb), whole)]

        yield Case(
            "reports, values replaced", f"{i} {' '.join(_REPORT_VERBS[i % len(_REPORT_VERBS)][:1])}", make, COMPUTED
        )
    for i in range(count // 2):
        for name in ("report.h5", "report.json"):

            def bytes_of(folder: Path, whole: Path, i: int = i, name: str = name) -> list[str]:
                (folder / name).write_bytes(damaged((whole / name).read_bytes(), random.Random(seed + 31 * i)))
                return [("report", "identify")[i % 2], name]

            yield Case("reports, bytes damaged", f"{name} {i}", bytes_of, COMPUTED)


def checkpoints(count: int, seed: int) -> Iterator[Case]:
    """States of a training, damaged."""
    for i in range(count):

        def make(folder: Path, whole: Path, i: int = i) -> list[str]:
            rng = random.Random(seed + i)
            content = (whole / "state.pt").read_bytes()
            (folder / "c.pt").write_bytes(content if i == 0 else damaged(content, rng))
            return [
                "promote", str(whole / "data.h5"), "--model", "mlp", "--steps", "2", "--checkpoint", "c.pt", "--resume"
            ]  # fmt: skip

        yield Case("checkpoints, damaged or of others", str(i), make, COMPUTED)
