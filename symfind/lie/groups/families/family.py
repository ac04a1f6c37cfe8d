"""A family of groups: one line of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symfind.lie.groups.matrix_groups import Group


@dataclass(frozen=True)
class Family:
    """One line of the catalogue: a family of groups, one for each n (or p, q).

    Attributes
    ----------
    name, example
        "so(n)" and a spelling that :func:`parse_group` accepts, "so3".
    dimension
        dim G as a formula in n.
    compact
        Whether its groups are compact.
    components
        |G/G₀| as a formula (the order, for finite groups).
    defining
        The representation V, in words.
    aliases
        Other spellings.
    arguments
        Number of integers in the name.
    build
        Integers ↦ group.
    """

    name: str
    example: str
    dimension: str
    compact: bool
    components: str
    defining: str
    aliases: tuple[str, ...]
    arguments: int
    build: Callable[..., Group]

    def matrix_entries(self, *numbers: int) -> int:
        """At most so many numbers are in the generators of the group of these integers."""
        n = 2 * sum(numbers) if "C^n" in self.defining else sum(numbers) + 1
        if self.stem in ("c", "d"):
            return 8
        return n**3 if self.dimension in ("0", "1", "n") else n**4

    @property
    def stem(self) -> str:
        """The letters of the name."""
        return self.name.split("(")[0]
