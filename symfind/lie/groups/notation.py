"""Formulas of representations: "4x1+2x0" (irreducible ones by degree), "3V+1", "V^2", "V*", "T(2,2)", "V ⊗ (V+1)"."""

from __future__ import annotations

import re
from collections.abc import Callable

from symfind.errors import UsageError
from symfind.lie.groups import atoms
from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.matrix_groups import Group
from symfind.lie.groups.representations import Representation, check_dimension, defining, of_word, trivial

_TOKEN = re.compile(
    r"\s*(?:(?P<label>\d+[eo](?![A-Za-z(]))|(?P<half>\d+/2)|(?P<int>\d+)|(?P<times>[x×](?![a-z]))"
    r"|(?P<name>[A-Za-z]+\d*)|(?P<op>[-+^*⊗@(),⊕]))"
)
# Longer than any that is typed; brackets inside one another are read by a function in itself.
_LONGEST = 300
# The largest representation has 2^20 entries.
_MOST_DIGITS = 7
# Matrices of degree l take l³ numbers to make; beyond this frequency no data are sampled finely enough.
_HIGHEST_DEGREE = 100
_NAMES = "V, V*, T(p,q), L, points(k), det, regular, image(h,w)"


def parse_representation(group: Group, text: str) -> Representation:
    """Formula ↦ representation: "4x1+2x0", "1o+0e", "3V+1", "V^2", "V*", "T(2,2)", "V ⊗ (V+1)", "8regular".

    ``nxl`` is n copies of the irreducible representation of degree l; a bare number counts scalars; a star after a
    factor is the dual where nothing follows to multiply. ``V1``, ``V2`` are the factors' own V of a product,
    ``T(p,q)`` is V^p ⊗ V*^q.

    Raises
    ------
    UsageError
        For a formula that cannot be read or does not exist for this group.
    """
    return _Parser(group, text).parse()


class _Parser:
    """Recursive descent: sum of products of powers of atoms."""

    def __init__(self, group: Group, text: str) -> None:
        self.group, self.text, self.tokens, self.at = group, text, list[tuple[str, str]](), 0
        end = 0
        if len(text) > _LONGEST:
            raise UsageError(f"the representation has {len(text)} characters, at most {_LONGEST} are read; shorten it")
        stripped = text.rstrip()
        while end < len(stripped):
            match = _TOKEN.match(stripped, end)
            if match is None:
                raise self.error(f"'{stripped[end:].strip()[:8]}' cannot be read")
            self.tokens.append((str(match.lastgroup), str(match.group(str(match.lastgroup)))))
            end = match.end()
            if sum(c.isdigit() for c in match[0]) > _MOST_DIGITS:
                raise self.error(f"'{match[0].strip()[:12]}…' is no number of a representation")

    def error(self, why: str) -> UsageError:
        return UsageError(
            f"representation '{self.text}' of {self.group.name}: {why}; write a sum like 4x1+2x0 or 3V+1 of {_NAMES}"
        )

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "the end")

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.peek(-1)

    def expect(self, symbol: str) -> None:
        if self.take()[1] != symbol:
            raise self.error(f"'{symbol}' is missing")

    def parse(self) -> Representation:
        out = self.sum()
        if self.peek()[0] != "end":
            raise self.error(f"'{self.peek()[1]}' is out of place")
        return out

    def sum(self) -> Representation:
        out = self.product()
        while self.peek()[1] in ("+", "⊕"):
            self.take()
            out = out + self.product()
        return out

    def starts(self, ahead: int) -> bool:
        kind, value = self.peek(ahead)
        return kind in ("label", "half", "int", "name") or value == "("

    def product(self) -> Representation:
        out = self.counted()
        while self.peek()[1] in ("⊗", "@", "*"):
            self.take()
            out = out * self.counted()
        return out

    def counted(self) -> Representation:
        """A factor with its multiplicity in front."""
        if self.peek()[0] != "int":
            return self.power()
        count = int(self.take()[1])
        if self.peek()[0] == "times":
            self.take()
            return count * (self.irreducible() if self.peek()[0] in ("int", "label", "half") else self.power())
        if self.peek()[1] == "*" and self.starts(1):
            self.take()
            return count * self.power()
        if self.peek()[0] == "name" or self.peek()[1] == "(":
            return count * self.power()
        return trivial(self.group, count)

    def power(self) -> Representation:
        out = self.atom()
        while True:
            if self.peek()[1] == "^":
                self.take()
                kind, value = self.take()
                if kind != "int":
                    raise self.error(f"a power is a whole number, not '{value}'")
                out = out ** int(value)
            elif self.peek()[1] == "*" and not self.starts(1):
                self.take()
                out = out.dual
            else:
                return out

    def irreducible(self) -> Representation:
        _, value = self.take()
        parity = value[-1] if value[-1] in "eo" else ""
        twice = int(value[:-2]) if value.endswith("/2") else 2 * int(value.rstrip("eo"))
        if twice > 2 * _HIGHEST_DEGREE:
            raise self.error(f"the degree is {twice / 2:g}, at most {_HIGHEST_DEGREE} is made")
        return self.on_factor(lambda g, i: atoms.irreducible(g, twice, parity, i), atoms.has_irreps)

    def on_factor(self, make: Callable[[Group, int], Atom], fits: Callable[[Group], bool]) -> Representation:
        """An atom of the one factor that has it."""
        factors = self.group.factors or (self.group,)
        index = [i for i, f in enumerate(factors) if fits(f)] or [0]
        if len(index) > 1:
            raise self.error("several factors have it; write powers of V1, V2, … in its place")
        return of_word(self.group, (make(factors[index[0]], index[0]),))

    def numbers(self) -> list[int]:
        self.expect("(")
        out = []
        while self.peek()[1] != ")":
            kind, value = self.take()
            if kind != "int":
                raise self.error(f"a whole number is expected in the brackets, not '{value}'")
            out.append(int(value))
            if self.peek()[1] == ",":
                self.take()
        self.expect(")")
        return out

    def atom(self) -> Representation:
        kind, value = self.peek()
        if kind in ("label", "half"):
            return self.irreducible()
        self.take()
        if value == "(":
            out = self.sum()
            self.expect(")")
            return out
        if kind != "name":
            raise self.error(f"'{value}' is out of place")
        return self.named(value)

    def named(self, name: str) -> Representation:
        group, factors = self.group, self.group.factors
        if name == "V":
            return defining(group)
        if name[0] == "V" and name[1:].isdigit() and 1 <= int(name[1:]) <= len(factors):
            index = int(name[1:]) - 1
            return of_word(group, (atoms.defining(factors[index], index, name),))
        if name == "T":
            p, q = ([*self.numbers(), 0, 0])[:2]
            return defining(group) ** p * defining(group).dual ** q
        if name == "L":
            return of_word(group, (atoms.linear_part(group),))
        if name == "points":
            count = ([*self.numbers(), 1])[0]
            check_dimension(count * group.degree)
            return of_word(group, (atoms.points(group, count),))
        if name in ("det", "sign"):
            return self.on_factor(atoms.determinant, lambda f: len(f.components) > 0)
        if name == "regular":
            return self.on_factor(atoms.regular, lambda f: f.is_finite)
        if name == "image":
            sides = self.numbers()
            height, width = (sides * 2)[:2] if sides else (0, 0)
            check_dimension(height * width)
            return self.on_factor(lambda g, i: atoms.image(g, height, width, i), lambda f: f.is_finite)
        raise self.error(f"'{name}' is not known")
