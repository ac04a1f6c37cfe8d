"""The catalogue of groups: a name such as "so3", "SO(1,3)", "se(2)", "s5" or "so3 x s5" ↦ the group.

Conventions: so(p,q) preserves diag(+1 (p times), −1 (q times)), so the first coordinate of so(1,3) is time; it is the
connected (proper orthochronous) group, o(p,q) has all four components. Complex groups act on (Re z, Im z).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from symfind.cost import check_memory
from symfind.errors import UsageError
from symfind.lie.groups.families.affine import affine_families
from symfind.lie.groups.families.family import Family
from symfind.lie.groups.families.finite import finite_families
from symfind.lie.groups.families.linear import linear_families
from symfind.lie.groups.matrix_groups import CompactGroup, Group, conjugate, group_from_generators
from symfind.lie.groups.product_groups import product

__all__ = [
    "CompactGroup",
    "Family",
    "Group",
    "catalogue",
    "conjugate",
    "group_from_generators",
    "parse_group",
    "product",
]


# Python reads no number of 4,300 digits, and no group of a number of seven fits any memory.
_MOST_DIGITS = 7
# More factors than any data have axes.
_MOST_FACTORS = 16

_NAMED = {"lorentz": "so(1,3)", "poincare": "iso(1,3)", "minkowski": "so(1,3)"}


def catalogue() -> tuple[Family, ...]:
    """All families, in the order in which they are listed."""
    return (*linear_families(), *affine_families(), *finite_families())


# A factor of a product ends in a digit or a bracket, or stands between blanks: no name is cut in two.
_TIMES = re.compile(r"\s*[×*]\s*|\s+x\s+|(?<=[\d)])x(?=[a-z])")


def parse_group(name: str, dimension: int | None = None) -> Group:
    """Name ↦ group: "so3", "so(3)", "SO(1,3)", "so13", "lorentz", "se(2)", "s5", "c4", "so3 x s5".

    Parameters
    ----------
    name
        Letters of any case, with or without brackets. Two bare digits after so, o or iso are p and q
        (but so10 is so(10)).
    dimension
        Dimension of the data, used where the name has no number ("se", "translations").

    Raises
    ------
    UsageError
        For an unknown name (the nearest ones are given), a missing or impossible number.
    """
    parts = [p for p in _TIMES.split(name.strip().lower())]
    if len(parts) > 1:
        if len(parts) > _MOST_FACTORS:
            raise UsageError(f"group '{name}' has {len(parts)} factors, at most {_MOST_FACTORS} are read")
        return product([parse_group(p, dimension) for p in parts])
    text = re.sub(r"\s+", "", name.lower()).replace("é", "e").replace("_", "")
    text = _NAMED.get(text, text)
    match = re.fullmatch(r"([a-z]+)(?:\(([\d,]+)\)|([\d,]*))", text)
    families = catalogue()
    stem, digits = (match[1], match[2] or match[3]) if match else (text, "")
    chosen = [f for f in families if stem == f.stem or stem in f.aliases]
    if not match or not chosen:
        raise UsageError(
            f"unknown group '{name}'; nearest: {', '.join(_nearest(text, families))} ('symfind groups' lists all)"
        )
    if max(map(len, digits.split(","))) > _MOST_DIGITS:
        raise UsageError(f"group '{name}': no number of {_MOST_DIGITS} digits or more is known; take a smaller one")
    numbers = [int(n) for n in digits.split(",") if n]
    pairs = any(f.arguments == 2 for f in chosen)
    if pairs and len(numbers) == 1 and len(digits) == 2 and digits[1] != "0" and "(" not in text:
        numbers = [int(digits[0]), int(digits[1])]
    if not numbers and dimension is not None:
        numbers = [dimension]
    family = next((f for f in chosen if f.arguments == len(numbers)), None)
    if family is None:
        spelling = " or ".join(f.example for f in chosen)
        raise UsageError(f"group '{name}' needs {chosen[0].arguments} number(s) in its name, like {spelling}")
    if (any(n < 1 for n in numbers) and family.arguments == 1) or sum(numbers) < 1:
        raise UsageError(f"group '{name}': its numbers must be 1 or more, like {family.example}")
    check_memory(family.matrix_entries(*numbers), f"group '{name}'", "take a smaller one")
    return family.build(*numbers)


def _nearest(text: str, families: Sequence[Family]) -> list[str]:
    spellings = {f.example: f.example for f in families}
    spellings |= {a.split(" ")[0]: f.example if " " not in a else a.split(" ")[0] for f in families for a in f.aliases}
    spellings |= {f.stem: f.example for f in families}
    close = difflib.get_close_matches(text, list(spellings), n=4, cutoff=0.2)
    return list(dict.fromkeys(spellings[c] for c in close))[:3] or ["so3", "s5", "se3"]
