"""Reading a ``torch.export`` archive for what its loader would run.

The loader resolves the operators of ``model.json`` by name from ``torch`` itself, evaluates its symbolic sizes as
Python, and unpickles examples and some constants. So operators must come from a short list, sizes must be plain
arithmetic, and pickles may hold nothing but tensors.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from symfind.data.archive import foreign_globals, read_member

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


def dangers_in_export(archive: zipfile.ZipFile) -> Iterator[str]:
    """Yield what loading the archive would run beyond the network: one phrase for each finding."""
    for name in archive.namelist():
        lower = f"/{name}".lower()  # torch finds members whatever their case
        if "/data/aotinductor/" in lower:
            yield f"compiled code ('{name}')"
        elif lower.endswith((".pt", ".pkl")) or "/data/constants/custom_obj" in lower:
            yield from _dangers_in_pickle(name, read_member(archive, name))
        elif lower.endswith("_config.json"):
            yield from _dangers_in_config(archive, name)
        elif lower.endswith(".json"):
            try:
                description = json.loads(read_member(archive, name))
            except (ValueError, RecursionError):
                yield f"a description that is not JSON ('{name}')"
                continue
            yield from _dangers_in_description(description)


def _dangers_in_pickle(name: str, data: bytes) -> Iterator[str]:
    if not data:
        return
    if data.startswith(b"PK"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                members = [member for member in inner.namelist() if member.endswith(".pkl")]
                pickles = [read_member(inner, member) for member in members]
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError):
            yield f"a damaged pickle ('{name}')"
            return
    else:
        pickles = [data]
    for pickle in pickles:
        for found in foreign_globals(pickle):
            yield f"a pickle that imports {found.replace(' ', '.')} ('{name}')"


def _dangers_in_config(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    """Weights and constants that the configuration calls pickles must be pickles of tensors."""
    folder = name.rpartition("/")[0]
    try:
        entries = json.loads(read_member(archive, name))["config"].values()
        pickled = [f"{folder}/{entry['path_name']}" for entry in entries if entry.get("use_pickle")]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        yield f"a description that cannot be read ('{name}')"
        return
    for member in pickled:
        if member in archive.namelist():
            yield from _dangers_in_pickle(member, read_member(archive, member))


def _dangers_in_description(description: Any) -> Iterator[str]:
    for key, value in _entries(description):
        if key == "node_target" or key == "as_operator":
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
