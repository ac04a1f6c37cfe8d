"""Write docs/glossary.md from the words that `symfind explain` knows; a test fails when the page is older.

Run it as ``python docs/write_glossary.py``.
"""

from __future__ import annotations

from pathlib import Path

from symfind.render.glossary import glossary

PAGE = Path(__file__).with_name("glossary.md")

INTRODUCTION = """\
# The words of a report

*Written by `python docs/write_glossary.py` from what `symfind explain` knows. Do not edit.*

    symfind explain reach        what one word means
    symfind explain              all of them
"""


def page() -> str:
    """A table a heading."""
    parts = [INTRODUCTION]
    for heading, words in glossary().items():
        rows = [f"| **{word.name}** | {word.meaning} |" for word in words]
        parts.append("\n".join([f"## {heading}", "", "| | |", "| :--- | :--- |", *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
