"""Reading a ``torch.export`` archive for what its loader would run.

The loader resolves the operators of ``model.json`` by name from ``torch`` itself, evaluates its symbolic sizes as
Python, and unpickles examples and some constants. So operators must come from a short list, sizes must be plain
arithmetic, and pickles may hold nothing but tensors.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from symfind.data.archive import FreshArchive, foreign_in_saved

_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prim|prims|higher_order)\.\w+(\.\w+)?"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(sqrt|ceil|floor|trunc|prod)|torch\.sym_\w+|torch\._sym_\w+"
)
_OPERATORS_ON_FILES = re.compile(r"torch\.ops\.aten\.(save|from_file)(\.\w+)?")
_SYMBOL = re.compile(r"[a-z]\w*")
_SIZE_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.Load,
    ast.keyword,
)


def dangers_in_export(archive: FreshArchive) -> Iterator[str]:
    """Yield what loading the archive would run beyond the network: one phrase for each finding."""
    for name in archive.names:
        lower = name.lower()  # torch finds members whatever their case
        if lower.startswith("data/aotinductor/"):
            yield f"compiled code ('{name}')"
        elif lower.endswith("_config.json"):
            yield from _dangers_in_config(archive, name)
        # The loader takes every member of models/ for a program, whatever its name ends in.
        elif lower.endswith(".json") or lower.startswith("models/"):
            try:
                description = _json(archive.text(name))
            except (ValueError, RecursionError):
                yield f"a description that is not JSON ('{name}')"
                continue
            yield from _dangers_in_description(description)
        elif lower.endswith((".pt", ".pkl")):
            yield from _dangers_in_saved(name, archive.text(name))


def _json(data: bytes) -> Any:
    """Return JSON as the loader reads it: UTF-8 only, where ``json.loads`` of bytes guesses among encodings."""
    return json.loads(data.decode("utf-8"))


def _dangers_in_saved(name: str, data: bytes) -> Iterator[str]:
    for found in foreign_in_saved(data) if data else ():
        yield f"a pickle that imports {found.replace(' ', '.')} ('{name}')"


def _dangers_in_config(archive: FreshArchive, name: str) -> Iterator[str]:
    """Weights and constants that the configuration calls pickles must be pickles of tensors."""
    folder = name.rpartition("/")[0]
    stored = {other.lower(): other for other in archive.names}
    try:
        entries = [(str(entry["path_name"]), entry) for entry in _json(archive.text(name))["config"].values()]
        pickled = [path for path, entry in entries if entry.get("use_pickle")]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        yield f"a description that cannot be read ('{name}')"
        return
    for path, _ in entries:
        if path.lower().startswith(("custom_obj", "opaque_obj")):
            yield f"an object that is no tensor ('{path}')"
    for path in pickled:
        member = stored.get(f"{folder}/{path}".lower())
        if member is not None:
            yield from _dangers_in_saved(member, archive.text(member))


def _dangers_in_description(description: Any) -> Iterator[str]:
    for key, value in _entries(description):
        if key in {"node_target", "as_operator"}:
            operator = str(value)
            if _OPERATORS.fullmatch(operator) is None or _OPERATORS_ON_FILES.fullmatch(operator):
                yield f"the operator '{operator}', which is none of torch's tensor operators"
        elif key == "expr_str" and not is_plain_size(str(value)):
            yield f"the size '{value}', which is no plain arithmetic"
        elif key == "range_constraints" and isinstance(value, dict):
            for symbol in value:
                if _SYMBOL.fullmatch(symbol) is None:
                    yield f"the size '{symbol}', which is no symbol"
        elif key == "guards_code" and value:
            yield "guards in Python (guards_code)"
        elif isinstance(value, str) and "__enum__" in value:
            yield "an enumeration imported by name"


def _entries(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield every (key, value) of nested JSON; the operator of a node under the key ``node_target``."""
    stack = [tree]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            node = "target" in here and "inputs" in here
            for key, value in here.items():
                yield ("node_target" if node and key == "target" else key), value
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)


def is_plain_size(expression: str) -> bool:
    """Say whether a symbolic size is arithmetic on numbers and symbols: what evaluating it can do no harm with."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    symbols = set()  # string constants that name a Symbol
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name):
                return False
            if node.func.id == "Symbol" and node.args and isinstance(node.args[0], ast.Constant):
                symbols.add(id(node.args[0]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            name = isinstance(node.value, str) and id(node) in symbols and _SYMBOL.fullmatch(node.value)
            if not name and not isinstance(node.value, (int, float, bool)):
                return False
        elif isinstance(node, ast.Name):
            # sympy's functions of sizes (Add, Mul, Max, FloorDiv …) and symbols (s0, u1); no builtins.
            if re.fullmatch(r"[A-Z][A-Za-z]*|[su]\d+", node.id) is None or node.id in ("Lambda", "Function"):
                return False
        elif not isinstance(node, (*_SIZE_NODES, ast.Call)):
            return False
    return True
