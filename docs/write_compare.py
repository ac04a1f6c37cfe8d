"""Write the table of docs/compare.md: what a user finds in symfind, each row looked up now, and in other tools.

Of the others ``py.typed``, licence, addresses and HTML were read off the wheels named below, the rest off their
documentation.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "compare.md"
PEERS = ("sqlite-utils 4.2.1", "PySINDy 2.1.0", "scikit-learn 1.9.1", "e3nn 0.6.0", "ArviZ 0.23.4")
_BEGIN, _END = "<!-- table: written by docs/write_compare.py -->", "<!-- end of table -->"


def _said(*arguments: str) -> str:
    ended = subprocess.run([sys.executable, "-m", "symfind", *arguments], capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


def _project() -> dict[str, object]:
    with (DOCS.parent / "pyproject.toml").open("rb") as file:
        project: dict[str, object] = tomllib.load(file)["project"]
    return project


def _has(name: str, attribute: str) -> bool:
    from symfind.schema.document import Generator, Report

    return (
        all(hasattr(kind, attribute) for kind in (Report, Generator)) if name == "both" else hasattr(Report, attribute)
    )


def _reads(ending: str) -> bool:
    from symfind.data.formats.registry import FILE_FORMATS

    return any(ending in form.endings for form in FILE_FORMATS)


def _takes_arrays() -> bool:
    import numpy as np

    import symfind

    x = np.random.default_rng(0).normal(size=(60, 2))
    return bool(symfind.discover(x, (x**2).sum(1), method="nullspace", space="linear").certified)


def _linked(page: str) -> bool:
    return (DOCS / page).exists() and page in (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")


# Row: whether symfind has it, and the five others in the order of PEERS ("–" no, "Y" yes).
ROWS: dict[str, tuple[Callable[[], bool], str]] = {
    "documentation as a site": ((DOCS.parent / "mkdocs.yml").exists, "YYYYY"),
    "reference of its functions": (lambda: _linked("api.md"), "YYYYY"),
    "tutorial": (lambda: _linked("first-steps.md"), "YYYYY"),
    "gallery of worked problems": (lambda: len(list((DOCS / "gallery").glob("*.md"))) > 10, "–YY–Y"),
    "notebooks": (lambda: len(list((DOCS / "notebooks").glob("*.ipynb"))) >= 3, "–YY–Y"),
    "takes arrays": (_takes_arrays, "–YYYY"),
    "reads CSV": (lambda: _reads(".csv"), "Y––––"),
    "shows itself as HTML": (lambda: _has("report", "_repr_html_"), "––Y–Y"),
    "shows itself in a line": (lambda: _has("both", "__repr__"), "YYYY–"),
    "plots": (lambda: _has("report", "plot"), "––Y–Y"),
    "py.typed": (lambda: files("symfind").joinpath("py.typed").is_file(), "Y–Y–Y"),
    "licence": (lambda: (DOCS.parent / "LICENSE").exists() and "license" in _project(), "YYYYY"),
    "addresses in its metadata": (lambda: bool(_project().get("urls")), "Y–YYY"),
    "completion in the shell": (lambda: "--install-completion" in _said("--help"), "     "),
    "manual page": ((DOCS / "symfind.1").exists, "–    "),
}  # fmt: skip


def table() -> str:
    """The table as Markdown."""
    head = ["| | symfind |" + "".join(f" {peer} |" for peer in PEERS), "|---|:---:|" + ":---:|" * len(PEERS)]
    rows = [
        f"| {name} | {'Y' if check() else '–'} |" + "".join(f" {cell.strip()} |" for cell in peers)
        for name, (check, peers) in ROWS.items()
    ]
    return "\n".join([*head, *rows])


def page() -> str:
    """The page with the table of now."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(f"{_BEGIN}.*?{_END}", lambda _: f"{_BEGIN}\n{table()}\n{_END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
