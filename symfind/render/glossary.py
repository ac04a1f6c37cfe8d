"""What the words of a report mean, half a sentence each: `symfind explain`, docs/glossary.md, the pages' hints.

The words stand in ``glossary.txt``, a line each below a heading: ``name / other spelling: meaning``. Who adds a word
to a report adds it there: a test asks for all labels and verdicts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("glossary.txt")


@dataclass(frozen=True)
class Word:
    """One word of the reports.

    Attributes
    ----------
    name
        As it is printed.
    meaning
        In plain words.
    also
        Other spellings that lead here.
    """

    name: str
    meaning: str
    also: tuple[str, ...] = ()


@cache
def glossary() -> dict[str, tuple[Word, ...]]:
    """Heading ↦ words, in the order of the file."""
    out: dict[str, list[Word]] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            latest = out.setdefault(line[2:], [])
        elif line:
            names, _, text = line.partition(": ")
            name, *also = names.split(" / ")
            latest.append(Word(name, text, tuple(also)))
    return {heading: tuple(words) for heading, words in out.items()}


@cache
def words() -> dict[str, Word]:
    """Lower-case spelling ↦ word."""
    out: dict[str, Word] = {}
    for word in (word for group in glossary().values() for word in group):
        for spelling in (word.name, *word.also):
            out.setdefault(spelling.lower(), word)
    return out


def meaning(name: str) -> str | None:
    """What a word means; None where it is none of the glossary. ``so(3)`` and ``so3`` are found as ``so(n)``."""
    known = words()
    plain = name.strip().lower()
    family = re.sub(r"\(?\d,?\d\)?$", "(p,q)", plain)
    family = re.sub(r"\(?\d+\)?$", "(n)", family)
    found = known.get(plain) or known.get(family) or known.get(plain.removesuffix("s"))
    return None if found is None else found.meaning
