"""The house: no circles of files, no crowded folder, no long file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "symfind"
MOST_FILES, MOST_LINES = 16, 400


def modules() -> dict[str, Path]:
    """Dotted name ↦ file, of every module and package."""
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Modules of the package that a file imports, anywhere: inside functions and for type checking as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by a relative name"
            inside = (f"{node.module}.{alias.name}" for alias in node.names)
            names = [name if name in known else str(node.module) for name in inside]
        yield from (name for name in names if name in known)


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one node, and nodes with an arrow to themselves (Kosaraju)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(node: str, along: Mapping[str, set[str]], out: list[str]) -> None:
        seen.add(node)
        for other in sorted(along.get(node, ())):
            if other not in seen:
                visit(other, along, out)
        out.append(node)

    for node in sorted(arrows):
        if node not in seen:
            visit(node, arrows, order)
    back: dict[str, set[str]] = {}
    for node, others in arrows.items():
        for other in others:
            back.setdefault(other, set()).add(node)
    seen.clear()
    found: list[list[str]] = []
    for node in reversed(order):
        if node not in seen:
            part: list[str] = []
            visit(node, back, part)
            if len(part) > 1 or node in arrows.get(node, ()):
                found.append(sorted(part))
    return found


def test_circles_are_found_where_they_are() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]
    assert circles({"a": {"a"}}) == [["a"]]


def test_no_circle_of_files() -> None:
    known = modules()
    assert circles({name: set(imported(path, known)) for name, path in known.items()}) == []


def test_no_folder_is_crowded() -> None:
    counted = Counter(path.parent.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))
    assert {str(folder): count for folder, count in counted.items() if count > MOST_FILES} == {}


def test_no_file_is_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_every_folder_says_what_it_holds() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    silent = [str(f.relative_to(ROOT)) for f in folders if not ast.get_docstring(ast.parse(_text(f / "__init__.py")))]
    assert silent == []


def test_help_needs_neither_torch_nor_h5py() -> None:
    program = (
        "import sys\nfrom symfind.cli.main import process\nsys.argv = ['symfind', '--help']\n"
        "try:\n    process()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({'torch', 'h5py'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == "[]"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
