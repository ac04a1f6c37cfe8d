"""Draw docs/architecture.svg from the imports, and write the walks of the verbs into docs/architecture.md.

Run it as ``python docs/write_architecture.py`` after a change of what imports what; a test fails when either is older.
"""

from __future__ import annotations

import ast
import io
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from html import escape
from pathlib import Path
from types import FrameType

from symfind.cli.main import run

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "symfind"
PICTURE = Path(__file__).with_name("architecture.svg")
PAGE = Path(__file__).with_name("architecture.md")
BEGIN, END = "<!-- walks: written by docs/write_architecture.py -->", "<!-- end of walks -->"

DATA = ROOT / "sample_data"
WALKED = (
    ("discover", str(DATA / "dimuons.h5")),
    ("enforce", str(DATA / "o5.pt"), "--group", "s5", "--data", str(DATA / "o5.h5"), "--method", "average"),
    ("promote", str(DATA / "rigid_body.h5"), "--model", "polynomial:2"),
    ("conserve", str(DATA / "rigid_body.h5")),
)
# These lead from step to step; a step is what they call in another room.
LEADING = ("cli", "api", "verbs")
# Of these, those that read the command line have done so before the walk begins.
BEFORE = ("symfind.cli.main", "symfind.cli.options", "symfind.options.option", "symfind.options.of_verbs")
# Who tells errors, time and threads is no step of a computation.
ASIDE = ("errors", "progress", "version", "registry", "names", "linalg")

ROW, LEFT, ARCS, MARGIN = 30, 640, 240, 12
STYLE = """text { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px; fill: #1c2430; }
.name { font-weight: 600; } .about { fill: #5c6675; }
path { fill: none; stroke: #9aa5b4; stroke-width: 0.6; opacity: 0.35; }
path.next { stroke: #2463c9; stroke-width: 1.4; opacity: 0.9; }
circle { fill: #2463c9; } rect { fill: #ffffff; } .floor { fill: #f3f5f8; }"""


# ------------------------------------------------------------------ what imports what


@cache
def modules() -> Mapping[str, Path]:
    """Dotted name ↦ file, of every module and package."""
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax of a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def room_of(module: str) -> str:
    """``symfind.kinds.maps.rows`` → ``kinds``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield (name in this file, module, name there) of whatever is imported from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "symfind":
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                module = inside if inside in modules() else str(node.module)
                yield alias.asname or alias.name, module, alias.name


@cache
def arrows() -> Mapping[str, frozenset[str]]:
    """Room ↦ the rooms it imports from."""
    found: dict[str, set[str]] = {}
    for module in modules():
        room = room_of(module)
        if room and room != "__main__":
            others = {room_of(target) for _, target, _ in imports_of(tree_of(module))} - {"", room}
            found.setdefault(room, set()).update(others)
    return {room: frozenset(others) for room, others in found.items()}


def next_only() -> set[tuple[str, str]]:
    """Arrows for which there is no longer way: the transitive reduction of :func:`arrows`, which has no circle."""

    @cache
    def below(room: str) -> frozenset[str]:
        return arrows()[room].union(*(below(other) for other in arrows()[room]))

    return {
        (room, other)
        for room, others in arrows().items()
        for other in others
        if not any(other in below(between) for between in others)
    }


def floors() -> list[list[str]]:
    """Rooms by floor, from the contract of the imports in pyproject.toml, the top first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room_of(name.strip()) for name in layer.split("|")] for layer in layers]


# ------------------------------------------------------------------ the picture


def about(room: str) -> str:
    """The first line of what a room says of itself, as far as a row is wide."""
    line = (ast.get_docstring(tree_of(f"symfind.{room}")) or "").splitlines()[0].replace("`", "")
    return line if len(line) <= 72 else line[:71].rsplit(" ", 1)[0] + " …"


def picture() -> str:
    """Rooms from the top floor to the bottom, an arc from each to those it imports from."""
    floor_list = floors()
    order = [room for floor in floor_list for room in floor]
    place = {room: MARGIN + ROW * (i + 0.5) for i, room in enumerate(order)}
    height, width = 2 * MARGIN + ROW * len(order), LEFT + ARCS
    shapes = [f'<rect width="{width}" height="{height}"/>']
    start = 0
    for number, floor in enumerate(floor_list):
        if number % 2 == 0:
            y = MARGIN + ROW * start
            shapes.append(f'<rect class="floor" y="{y}" width="{width}" height="{ROW * len(floor)}"/>')
        start += len(floor)
    nearest = next_only()
    for room in order:
        for other in sorted(arrows().get(room, ()), key=order.index):
            top, bottom = place[room], place[other]
            reach = LEFT + ARCS * 0.95 * ((bottom - top) / (ROW * len(order))) ** 0.6
            curve = f"M {LEFT} {top} C {reach:.1f} {top}, {reach:.1f} {bottom}, {LEFT + 6} {bottom}"
            kind = "next" if (room, other) in nearest else "far"
            shapes.append(f'<path class="{kind}" d="{curve}"/>')
    for room in order:
        y = place[room]
        shapes.append(f'<circle cx="{LEFT}" cy="{y}" r="3.5"/>')
        shapes.append(f'<text class="name" x="{MARGIN}" y="{y + 4}">{room}</text>')
        shapes.append(f'<text class="about" x="{MARGIN + 112}" y="{y + 4}">{escape(about(room))}</text>')
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Rooms of symfind and what they import">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


# ------------------------------------------------------------------ the walks


def walk(*arguments: str) -> list[tuple[str, list[str]]]:
    """Rooms in the order in which a command enters them, and the functions it calls there, as a run of it shows.

    A call counts if it leads from the command or its verb into another room; what a room calls in turn is its own
    affair.
    """
    entered: list[tuple[str, list[str]]] = []

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_back is None:
            return
        room = room_of(str(frame.f_globals.get("__name__")))
        caller = str(frame.f_back.f_globals.get("__name__"))
        if not caller.startswith("symfind.") or room_of(caller) not in LEADING or caller in BEFORE:
            return
        module, name = str(frame.f_globals.get("__name__")), frame.f_code.co_qualname
        if not module.startswith("symfind.") or room in (*LEADING, *ASIDE) or "." in name or "<" in name:
            return
        if not entered or entered[-1][0] != room:
            entered.append((room, []))
        if name.strip("_") not in entered[-1][1]:
            entered[-1][1].append(name.strip("_"))

    given, sys.argv = sys.argv, ["symfind", *arguments]
    try:
        with redirect_stdout(io.TextIOWrapper(io.BytesIO())), redirect_stderr(io.TextIOWrapper(io.BytesIO())):
            sys.setprofile(seen)
            run()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"symfind {' '.join(arguments)} ended with {end.code}") from None
    finally:
        sys.setprofile(None)
        sys.argv = given
    return entered


def walks() -> str:
    """The walks as a list, a verb a line."""
    lines = []
    for arguments in WALKED:
        parts = [f"**{room}** " + ", ".join(f"`{name}`" for name in names) for room, names in walk(*arguments)]
        shown = " ".join(arguments).replace(f"{ROOT}/", "")
        lines.append(f"- `symfind {shown}`\n  " + " → ".join(parts))
    return "\n".join(lines)


def page() -> str:
    """The page as it stands, with the walks of now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{walks()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
