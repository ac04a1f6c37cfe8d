"""YAML, formulas, names of groups and representations, and values of options."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.reliability_suite.cases import COMPUTED, REFUSED, Case, only, with_text

_FAST = ["--bootstrap", "40"]
# Where YAML is read: the command line, with {Y} for the file.
_READERS: dict[str, list[str]] = {
    "mapping": ["discover", "{data.h5}", "--mapping", "Y.yaml", *_FAST],
    "config": ["discover", "{data.h5}", "--config", "Y.yaml", *_FAST],
    "space": ["discover", "{data.h5}", "--space", "Y.yaml", *_FAST],
    "library": ["conserve", "{flow.h5}", "--library", "Y.yaml"],
    "matrices": ["identify", "Y.yaml"],
    "discrete": ["discover", "{data.h5}", "--discrete", "Y.yaml", *_FAST],
    "symplectic": ["conserve", "{flow.h5}", "--symplectic", "Y.yaml"],
    "report": ["report", "Y.yaml"],
}
_KEYS = {
    "mapping": "x", "config": "tolerance", "space": "fields", "library": "features", "matrices": "generators",
    "discrete": "matrices", "symplectic": "matrix", "report": "schema",
}  # fmt: skip


def _bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def _documents(key: str) -> dict[str, str | bytes]:
    return {
        "empty": "", "null": "null", "a list": "[1, 2]", "a number": "3", "a tab": "\tx: y", "unclosed": f"{key}: [1,",
        "no UTF-8": b"\xff\xfe\x00k", "UTF-16": f"{key}: x".encode("utf-16"), "a NUL": f"{key}: a\0b", "alias bomb": _bomb(9),
        "alias to itself": f"{key}: &a [*a]", "100,000 deep": f"{key}: " + "[" * 100_000, "60 deep": f"{key}: " + "[" * 60 + "]" * 60,
        "deep mappings": "\n".join(" " * i + "a:" for i in range(2000)), "5,000 digits": f"{key}: {'9' * 5000}",
        "400 digits": f"{key}: {'9' * 400}", "hexadecimal, 3,000 digits": f"{key}: 0x{'f' * 3000}", "sexagesimal": f"{key}: 1:59:59:59:59",
        "no such day": f"{key}: 2026-99-99", "infinite": f"{key}: .inf", "no number": f"{key}: .nan", "1e400": f"{key}: 1e400",
        "a Python object": f"{key}: !!python/object/apply:os.system [id]", "bad binary": f"{key}: !!binary '%%%'", "bad integer": f"{key}: !!int 'x'",
        "bad Boolean": f"{key}: !!bool 'x'", "an unhashable key": "? [a]\n: b", "a key twice": f"{key}: 1\n{key}: 2", "two documents": f"{key}: 1\n---\n{key}: 2",
        "commands": f'{key}: "\\x1b[2J\\x07\\u202e"', "a key of commands": '"\\x1b[2J": 1', "9 MiB": f"{key}: " + "x" * (9 * 2**20),
        "a text of 1 MiB": f"{key}: " + "x" * 2**20, "100,000 items": f"{key}: [" + "0," * 100_000 + "]", "a mapping": f"{key}: {{a: b}}",
        "ragged": f"{key}: [[1, 2], [3]]", "texts": f"{key}: [[a, b], [c, d]]", "nothing in it": f"{key}: [[], []]", "huge": f"{key}: [[1e308, 1e308], [1e308, 1e308]]",
    }  # fmt: skip


def yaml_files(seed: int, share: float = 1.0) -> Iterator[Case]:
    """Every document to every reader of YAML."""
    rng = random.Random(seed)
    for reader, arguments in _READERS.items():
        for name, text in _documents(_KEYS[reader]).items():
            if rng.random() < share:
                yield with_text("YAML", f"{reader}: {name}", "Y.yaml", text, arguments, COMPUTED)


_FORMULAS = (
    "", " ", "x", "x y", "x +", "((((((((((x", "(" * 500 + "x" + ")" * 500, "-" * 1500 + "x", "+".join(["x"] * 180), "+".join(["x"] * 700),
    "**".join(["x"] * 150), "x**x**x**x", "9**9**9**9", "1/0", "0**-1", "(-1)**0.5*x", "1e400*x", "9" * 1500, "9" * 400 + "*x", "exp(exp(exp(x*999)))",
    "log(0)*x", "__import__('os').system('id')", "x.__class__", "lambda: x", "[x for x in x]", "x if x else y", "f'{x}'", "sin(x, y)", "sin()", "sin",
    "x\n+y", "x\x00", "x\x1b[31m", "\u202ex", "é*x", "x**2.5.3", "x = y = z", "x;", "_x", "True", "None", "...", "x@y", "x//y", "x%y", "1j*x", "'a'*x",
    "0x" + "f" * 400 + "*x", "x" * 3000, "sqrt(-1-x**2)",
)  # fmt: skip
_EQUATIONS = (
    "", ";", "=", "u_t", "u_t = ", "= u_t", "u_t = u_xx = 0", "u = 0", "u_t + v = 0", "u_ttttttttt = 0", "u_t + u*u_x + " + "+".join(["u"] * 300) + " = 0",
    "u_t/0 = 0", "u_t + 1/u**99 = 0", ";".join(["u_t = 0"] * 500), "u_t = exp(exp(exp(999*u)))", "u_t = u_q", "u_t\n = u_xx", "u_t = \x1b[31m", "u_t - u_xx = 0" * 400,
    "u_t = " + "(" * 300 + "u" + ")" * 300, "__import__('os')", "u_t = 1e400", "u_t = 0*u_xx", "u_tx - u_xt = 0", "(u_t)**0.5 = 0",
)  # fmt: skip
_GROUPS = (
    "so99999", "gl500", "so" + "9" * 5000, "so0", "so-1", "so(", "so()", "so(1,2,3)", "so(,)", "sp3", "s99999", "s20", "c1000000", "d999999", "u300", "x".join(["so3"] * 40),
    " x ".join(["so3"] * 12), "so3 x so3 x se3", "", " ", "\x1b[31m", "so3\n", "é" * 5000, "lorentz", "so(99,99)", "t90000", "b4000", "reflections9000", "scalings30000", "z20000",
)  # fmt: skip
_REPRESENTATIONS = (
    "V^99", "V^9999999", "V^" + "9" * 5000, "99999999V", "9999999999999x1", "1x9999", "1x101", "T(9,9)", "T(99,99)", "T(", "T(1,2,3,4)", "V⊗" * 60 + "V", "(" * 90 + "V" + ")" * 90,
    "(" * 3000 + "V", "V+" * 149 + "V", "V+" * 2000 + "V", "V^0", "0V", "V*", "V**", "V^-1", "V^V", "4x1+", "+V", "image(99999,99999)", "image(3,3)", "points(99999999)", "points(2)",
    "regular", "det", "L", "1/2", "99/2", "V9", "foo", "\x1b[31m", "V\nV", "", " ", "é", "(V+1)^9", "(V+1)^30", "((V^9)^9)^9", "9V^9", "3x1⊗3x1⊗3x1⊗3x1⊗3x1⊗3x1⊗3x1⊗3x1",
)  # fmt: skip


def formulas() -> Iterator[Case]:
    """Formulas of fields, level sets, equations; names of groups and representations."""
    for i, text in enumerate(_FORMULAS):
        quoted = (
            text.replace("\\", "\\\\")
            .replace('"', '\\"')
            .replace("\n", "\\n")
            .replace("\0", "\\0")
            .replace("\x1b", "\\e")
        )
        yield with_text("formulas", f"field {i}", "S.yaml", f'fields:\n- ["{quoted}", "0", "0"]\n- ["-y", "x", "0"]\n',
                        ["discover", "{data.h5}", "--space", "S.yaml", *_FAST], COMPUTED)  # fmt: skip
        if "\0" not in text:
            yield from only("formulas", iter([(f"level set {i}", [
                "discover", "{points.h5}", "--method", "tangent", "--level-set", text, *_FAST], COMPUTED)]))  # fmt: skip
    for i, text in enumerate(_EQUATIONS):
        yield from only(
            "formulas", iter([(f"equation {i}", ["discover", "{field.h5}", "--equation", text, *_FAST], COMPUTED)])
        )
    sampled = ["--shape", "3", "--n-samples", "64"]
    for i, text in enumerate(_GROUPS):
        yield from only(
            "groups and representations",
            iter([(f"group {i}", ["score", "{model.pt}", "--group", text, *sampled], COMPUTED)]),
        )
    for i, text in enumerate(_REPRESENTATIONS):
        for group in ("so3", "d4"):
            arguments = ["score", "{model.pt}", "--group", group, "--rep-in", text, *sampled]
            yield from only(
                "groups and representations", iter([(f"representation {i} of {group}", arguments, COMPUTED)])
            )


_OPTIONS: dict[str, tuple[str, ...]] = {
    "--space": ("polynomial:99", "polynomial:8", "polynomial:" + "9" * 5000, "random-features:99999999", "random-features:5,1e999", "point:chebyshev:9,9,9", "+".join(["linear"] * 999), "", ":", "linear:", "x" * 99_999, "\x1b[31m", "nothing.yaml", "nothing.json", "/dev/zero", "/dev/zero.json"),
    "--bootstrap": ("99999999999", "-1", "9" * 5000, "1e9", "nan", ""),
    "--tolerance": ("0", "1", "nan", "inf", "-inf", "1e-400", "1e400", "", "0x1"),
    "--alpha": ("0", "1", "1e-300", "0.9999999999999999"),
    "--seed": ("-1", "9" * 30, str(2**63 - 1), ""),
    "--max-rows": ("0", "1", "2", "3", "99999999999999", "-5"),
    "--kind": ("", "nothing", "points", "image", "field", "operator", "pairs", "flow", "map", "\x1b[31m"),
    "--input": ("", "/", "..", "y", "x/x", "\x1b[31m", "x" * 99_999, "../../etc/passwd"),
    "--output-type": ("", "tensor:9,9", "tensor:99999,0", "form:99", "form:" + "9" * 5000, "metric", "vector"),
    "--discrete": ("", "nothing", "signed-permutations", "permutations+permutations", "nothing.yaml"),
    "--grid": ("", "t=0:1", "t=0:" + "9" * 400, "t=0:1e400, x=0:1", "=", "t" * 9999, "t=nan:1, x=0:1"),
    "--mapping": ("", "nothing.yaml", "/dev/zero", "/dev/tty", "."),
    "--config": ("", "nothing.yaml", "/dev/zero", "."),
}  # fmt: skip


def options() -> Iterator[Case]:
    """Values that an option cannot have, or that would cost more than there is."""
    for option, values in _OPTIONS.items():
        for i, value in enumerate(values):
            arguments = ["discover", "{data.h5}", option, value, *(_FAST if option != "--bootstrap" else [])]
            yield from only("options", iter([(f"{option} {i}", arguments, COMPUTED)]))
    costly: list[tuple[str, list[str], frozenset[int]]] = [
        ("rows", ["sample", "kepler", "s.h5", "--rows", "99999999999"], REFUSED),
        ("rows beyond memory", ["sample", "kepler", "s.h5", "--rows", "900000000"], REFUSED),
        ("grid", ["sample", "kdv", "s.h5", "--grid-size", "9999999"], REFUSED),
        ("times", ["sample", "heat-2d", "s.h5", "--times", "999999999"], REFUSED),
        ("operator rows", ["sample", "heat-operator", "s.h5", "--rows", "9999999"], REFUSED),
        ("inputs", ["discover", "{model.pt}", "--sample", "normal", "--shape", "3", "--n-samples", "900000000"], REFUSED),
        ("shape", ["discover", "{model.pt}", "--sample", "normal", "--shape", "99999,99999"], REFUSED),
        ("shape of digits", ["discover", "{model.pt}", "--sample", "normal", "--shape", "9" * 5000], REFUSED),
        ("degree", ["conserve", "{report.json}", "--degree", "99"], REFUSED),
        ("polynomials", ["conserve", "{flow.h5}", "--library", "polynomial:99"], REFUSED),
        ("hidden", ["promote", "{data.h5}", "--model", "mlp:99999,99999,99999"], REFUSED),
        ("degree of a model", ["promote", "{data.h5}", "--model", "polynomial:99"], REFUSED),
        ("copies", ["augment", "{field.h5}", "--generators", "{report.json}", "--output", "a.h5", "--copies", "999999999"], REFUSED),
        ("no verb", ["\x1b[31m"], REFUSED), ("no option", ["discover", "--\x1b[31m"], REFUSED), ("nothing", ["discover"], REFUSED),
        ("a name of 100,000", ["inspect", "x" * 100_000], REFUSED), ("no file", ["discover", "nothing.h5"], REFUSED),
    ]  # fmt: skip
    yield from only("options", iter(costly))
