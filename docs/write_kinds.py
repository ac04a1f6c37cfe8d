"""Write the table of the kinds into docs/data.md from their registry; a test fails when the table is older.

Run it as ``python docs/write_kinds.py`` after a change of a kind.
"""

from __future__ import annotations

from pathlib import Path

from symfind.kinds.registry import KINDS

PAGE = Path(__file__).with_name("data.md")
BEGIN, END = "<!-- kinds: written by docs/write_kinds.py -->", "<!-- end of kinds -->"


def table() -> str:
    """A line a kind: what its file holds, what is asked of it, by which methods, among which candidates."""
    lines = ["| kind | datasets | the question | `--method` | `--space` if none is named |", "|---|---|---|---|---|"]
    for kind in sorted(KINDS, key=lambda kind: kind.name):
        told = ((question, f" (`{options.strip()}`)" if options else "") for question, options in kind.questions)
        asked = "; ".join(f"{question}{how}" for question, how in told)
        methods = ", ".join(f"`{method}`" for method in kind.methods)
        lines.append(f"| `{kind.name}` | {kind.datasets} | {asked} | {methods} | `{kind.space}` |")
    return "\n".join(lines)


def page() -> str:
    """The page as it stands, with the table of now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
