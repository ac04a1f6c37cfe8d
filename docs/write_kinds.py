"""Write the tables of kinds and of formats into docs/data.md from their registries; a test fails when they are older.

Run it as ``python docs/write_kinds.py`` after a change of a kind or a format.
"""

from __future__ import annotations

from pathlib import Path

from symfind.data.formats.registry import FILE_FORMATS
from symfind.kinds.registry import KINDS

PAGE = Path(__file__).with_name("data.md")
BEGIN, END = "<!-- kinds: written by docs/write_kinds.py -->", "<!-- end of kinds -->"
FORMATS_BEGIN, FORMATS_END = "<!-- formats: written by docs/write_kinds.py -->", "<!-- end of formats -->"


def table() -> str:
    """A line a kind: what its file holds, what is asked of it, by which methods, among which candidates."""
    lines = ["| kind | datasets | the question | `--method` | `--space` if none is named |", "|---|---|---|---|---|"]
    for kind in sorted(KINDS, key=lambda kind: kind.name):
        told = ((question, f" (`{options.strip()}`)" if options else "") for question, options in kind.questions)
        asked = "; ".join(f"{question}{how}" for question, how in told)
        methods = ", ".join(f"`{method}`" for method in kind.methods)
        lines.append(f"| `{kind.name}` | {kind.datasets} | {asked} | {methods} | `{kind.space}` |")
    return "\n".join(lines)


def formats() -> str:
    """A line a format: its endings, what it is read as, and the module that it needs."""
    lines = ["| format | endings | read as | needs |", "|---|---|---|---|"]
    lines.append("| HDF5, NetCDF 4, MATLAB 7.3 | any: told by content | datasets by name, variables and axes | |")
    for form in FILE_FORMATS:
        endings = ", ".join(f"`{ending}`" for ending in form.endings) or "any: told by content"
        lines.append(f"| {form.name} | {endings} | {form.about} | {form.needs} |")
    return "\n".join(lines)


def page() -> str:
    """The page as it stands, with the tables of now."""
    text = PAGE.read_text(encoding="utf-8")
    for begin, end, written in ((BEGIN, END, table()), (FORMATS_BEGIN, FORMATS_END, formats())):
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{written}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
