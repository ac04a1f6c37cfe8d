"""What docs/ holds of the code is what the code says now; links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@cache
def writer(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_the_kinds_is_current() -> None:
    kinds = writer("write_kinds")
    assert kinds.PAGE.read_text(encoding="utf-8") == kinds.page(), "run python docs/write_kinds.py"


def test_the_picture_of_the_imports_is_current() -> None:
    architecture = writer("write_architecture")
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.picture(), (
        "run python docs/write_architecture.py"
    )


def test_every_pin_has_a_digest() -> None:
    hashes = writer("write_hashes")
    lines = hashes.TARGET.read_text(encoding="utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    held = {line.split()[0].lower() for line in lines}
    assert {pin.lower() for pin in hashes.pins()} <= held, "run make hashes"


@pytest.mark.slow
def test_the_first_steps_are_current() -> None:
    steps = writer("write_first_steps")
    assert steps.PAGE.read_text(encoding="utf-8") == steps.page(), "run python docs/write_first_steps.py"


@pytest.mark.slow
def test_the_walk_from_a_netcdf_file_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the seconds and sizes of a file, which another version of netCDF may change."""
    monkeypatch.syspath_prepend(str(DOCS))
    walk = writer("write_equations")
    kept = [
        [line for line in text.splitlines() if not line.startswith("size ")]
        for text in (walk.page(), walk.PAGE.read_text("utf-8"))
    ]
    assert kept[0] == kept[1], "run python docs/write_equations.py"


def _words(text: str) -> str:
    """A text without its numbers, some of which are times, and without how they are laid out."""
    return re.sub(r"[\s|]+", " ", re.sub(r"[-+]?\d[\d.e+-]*", "#", text))


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in sorted((DOCS / "gallery").glob("[!i]*.md"))])
def test_a_page_of_the_gallery_is_current(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    gallery = writer("write_gallery")
    path = gallery.FOLDER / f"{name}.md"
    shown, now = (_words(text) for text in (path.read_text(encoding="utf-8"), gallery.ran(path)[0]))
    assert shown == now, f"run python docs/write_gallery.py {name}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in sorted((DOCS / "notebooks").glob("*.ipynb"))])
def test_a_notebook_runs(name: str) -> None:
    pytest.importorskip("ipykernel")
    pytest.importorskip("nbclient")
    notebooks = writer("write_notebooks")
    notebooks.executed(notebooks.FOLDER / f"{name}.ipynb")  # a cell that raises ends it


def test_the_comparison_is_current() -> None:
    compare = writer("write_compare")
    assert compare.PAGE.read_text(encoding="utf-8") == compare.page(), "run python docs/write_compare.py"


@pytest.mark.slow
def test_the_walks_are_current() -> None:
    architecture = writer("write_architecture")
    assert architecture.PAGE.read_text(encoding="utf-8") == architecture.page(), "run python docs/write_architecture.py"


def test_the_picture_has_every_room_and_only_arrows_downwards() -> None:
    architecture = writer("write_architecture")
    order = [room for floor in architecture.floors() for room in floor]
    assert set(order) == set(architecture.arrows())
    for room, others in architecture.arrows().items():
        assert all(order.index(other) > order.index(room) for other in others), room
    kept = architecture.next_only()
    # Along the arrows that are kept every room is reached that is reached at all.
    for room, others in architecture.arrows().items():
        reached, new = set[str](), {room}
        while new:
            new = {end for start, end in kept if start in new} - reached
            reached |= new
        assert others <= reached, room


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in DOCS.glob("*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"


def test_the_glossary_is_current() -> None:
    words = writer("write_glossary")
    assert words.PAGE.read_text(encoding="utf-8") == words.page(), "run python docs/write_glossary.py"


def test_the_manual_page_is_current() -> None:
    man = writer("write_man")
    assert man.PAGE.read_text(encoding="utf-8") == man.page(), "run python docs/write_man.py"


def test_the_manual_page_is_set_without_a_fault() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("needs groff, which is not installed")
    ended = subprocess.run(
        [groff, "-man", "-Tutf8", "-ww", "-k", str(DOCS / "symfind.1")], capture_output=True, text=True
    )
    assert ended.returncode == 0 and "warning" not in ended.stderr and "nothing is left behind" in ended.stdout
