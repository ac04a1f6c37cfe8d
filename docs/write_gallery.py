"""Write docs/gallery: each page's own commands are run beside the samples, and what they print is shown.

``python docs/write_gallery.py [PAGE …]`` writes all of them, or those that are named. A picture ``NAME.svg`` of a page
is the first one of the report that a command of the page wrote as ``NAME.html``. A long test fails when one is older.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from write_first_steps import printed

FOLDER = Path(__file__).with_name("gallery")
SAMPLES = FOLDER.parent.parent / "sample_data"
# `$ command` in a block, and what it printed the last time.
_BLOCK = re.compile(r"```console\n\$ ([^\n]*)\n(?:(?!\$ ).*?\n)??```", re.DOTALL)
_SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def pages() -> list[Path]:
    """The pages with commands."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")


def ran(page: Path) -> tuple[str, dict[str, str]]:
    """A page with what its commands print now, and its pictures by file name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sample_data").symlink_to(SAMPLES)
        text = _BLOCK.sub(
            lambda block: f"```console\n$ {block[1]}\n{printed(block[1], folder)}```", page.read_text(encoding="utf-8")
        )
        reports = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    drawn = {f"{stem}.svg": _SVG.search(report) for stem, report in reports.items()}
    return text, {name: found[0] for name, found in drawn.items() if found and f"({name})" in text}


def main() -> None:
    """Write the pages that are named, or all."""
    asked = [FOLDER / f"{name.removesuffix('.md')}.md" for name in sys.argv[1:]] or pages()
    for page in asked:
        text, pictures = ran(page)
        page.write_text(text, encoding="utf-8")
        for name, content in pictures.items():
            (FOLDER / name).write_text(content, encoding="utf-8")
        print(page.name, *pictures)


if __name__ == "__main__":
    main()
