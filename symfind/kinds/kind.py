"""What a kind of data is: how a file of it is recognised, and how it becomes rows (DESIGN §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import TypeAlias

import h5py

from symfind.data.mapping import RoleMapping
from symfind.data.rows import Rows, StoredArray

Arrays: TypeAlias = Mapping[str, StoredArray]


Reader: TypeAlias = Callable[[h5py.File, Arrays, RoleMapping], Rows]


@dataclass(frozen=True)
class Layout:
    """One way of storing a kind: the roles it needs, those it can use, and how they become rows."""

    roles: tuple[str, ...]
    optional: tuple[str, ...]
    read: Reader


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes
    ----------
    name
        The value of a file's root attribute ``kind``.
    recognised
        Whether the arrays found in a file without the attribute, and the roles present (an axis ``t`` may be
        given without an array), say this kind.
    layouts
        How it may be stored, tried in this order; the first whose roles are all there is taken. A kind without
        any is recognised, so that it is not mistaken for another, and declined.
    questions
        What can be asked of such data, in a line each, with the options of ``symfind discover`` that ask it.
    objects
        Whether the axes of x before its last count objects, on which one action may act alike.
    input_role
        The role of the dataset that ``--input`` names.
    first_axis
        The name with which ``--grid`` begins, where such data lie on a grid.
    labelled
        Shape of a row of it → shape of what the file's ``names`` name.
    """

    name: str
    recognised: Callable[[Arrays, Set[str]], bool]
    layouts: tuple[Layout, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    objects: bool = True
    input_role: str = "x"
    first_axis: str = ""
    labelled: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda row: row

    @property
    def roles(self) -> frozenset[str]:
        """Every role some layout needs or can use."""
        return frozenset(role for layout in self.layouts for role in (*layout.roles, *layout.optional))
