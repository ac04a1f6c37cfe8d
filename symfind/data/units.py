"""``kg m^2/s`` ↦ exponents of kg, m, s, A, K, mol, cd: units as they are written in files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from symfind.errors import InputError

BASE = ("kg", "m", "s", "A", "K", "mol", "cd")
_PLAIN = ("", "1", "-", "rad", "sr", "deg", "degree", "degrees", "%", "dimensionless", "none", "°")
# Derived units of the SI in base units; a prefix changes a number, not what scales.
_DERIVED = {
    "g": "kg",
    "t": "kg",
    "u": "kg",
    "Hz": "s^-1",
    "N": "kg m s^-2",
    "Pa": "kg m^-1 s^-2",
    "bar": "kg m^-1 s^-2",
    "J": "kg m^2 s^-2",
    "eV": "kg m^2 s^-2",
    "cal": "kg m^2 s^-2",
    "W": "kg m^2 s^-3",
    "C": "A s",
    "V": "kg m^2 s^-3 A^-1",
    "F": "kg^-1 m^-2 s^4 A^2",
    "ohm": "kg m^2 s^-3 A^-2",
    "Ω": "kg m^2 s^-3 A^-2",
    "S": "kg^-1 m^-2 s^3 A^2",
    "Wb": "kg m^2 s^-2 A^-1",
    "T": "kg s^-2 A^-1",
    "H": "kg m^2 s^-2 A^-2",
    "L": "m^3",
    "l": "m^3",
    "min": "s",
    "h": "s",
    "d": "s",
    "day": "s",
    "yr": "s",
    "au": "m",
    "Å": "m",
    "angstrom": "m",
    "pc": "m",
    "degC": "K",
    "P": "kg m^-1 s^-1",
    "St": "m^2 s^-1",
}
_PREFIXES = ("da", *"YZEPTGMkhdcmuµμnpfazy")
_TERM = re.compile(r"([A-Za-zΩÅµμ°%]+)\s*(?:\^|\*\*)?\s*\(?([+-]?\d+(?:[./]\d+)?)?\)?")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
# A unit that people write is shorter.
_LONGEST = 80


def dimensions(unit: str) -> tuple[Fraction, ...]:
    """The exponents of :data:`BASE` in a unit: ``"kg m^2/s"``, ``"m s-1"``, ``"N·m"``, ``"1"``.

    Everything behind a stroke divides, as in ``J/kg/K``; brackets are not read.

    Raises
    ------
    InputError
        A word is no unit of the SI, with or without a prefix.
    """
    text = unit.strip().translate(_SUPERSCRIPTS)
    out = [Fraction(0)] * len(BASE)
    if text in _PLAIN:
        return tuple(out)
    if len(text) > _LONGEST:
        raise InputError(f"a unit has {len(text)} characters, at most {_LONGEST} are read; write it as kg m^2 s^-2")
    for i, part in enumerate(_parted(text)):
        rest = part.replace("·", " ").replace("*", " ") if "**" not in part else part.replace("·", " ")
        for name, power in _terms(rest, unit):
            sign = -1 if i else 1
            for j, exponent in enumerate(_of_name(name, unit)):
                out[j] += sign * power * exponent
    return tuple(out)


def _parted(text: str) -> list[str]:
    """The parts between strokes; a stroke between digits is that of a fraction."""
    return re.split(r"(?<!\d)\s*/\s*|\s*/\s*(?!\d)", text)


def _terms(text: str, unit: str) -> list[tuple[str, Fraction]]:
    out, at = [], 0
    stripped = text.strip()
    while at < len(stripped):
        if stripped[at] in " 1,":
            at += 1
            continue
        match = _TERM.match(stripped, at)
        if match is None or match.end() == at:
            raise _unknown(stripped[at:], unit)
        out.append((match[1], Fraction(match[2] or 1)))
        at = match.end()
    return out


def _of_name(name: str, unit: str) -> Sequence[Fraction]:
    if name in _PLAIN:
        return [Fraction(0)] * len(BASE)
    if name in BASE:
        return [Fraction(int(name == base)) for base in BASE]
    if name in _DERIVED:
        return dimensions(_DERIVED[name])
    for prefix in _PREFIXES:
        inner = name.removeprefix(prefix)
        if inner and inner != name and (inner in BASE or inner in _DERIVED):
            return _of_name(inner, unit)
    raise _unknown(name, unit)


def _unknown(word: str, unit: str) -> InputError:
    return InputError(f"the unit '{unit[:40]}' has '{word[:20]}', which is none of the SI; write it as kg m^2 s^-2")
