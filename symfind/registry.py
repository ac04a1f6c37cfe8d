"""A table of all there is of one sort, by name; what a user adds is an entry like any other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from symfind.errors import UsageError


class Named(Protocol):
    """Whatever a registry holds has a name."""

    @property
    def name(self) -> str:
        """The name by which it is asked for."""
        ...


EntryT = TypeVar("EntryT", bound=Named)


class Registry(Generic[EntryT]):
    """Name ↦ entry, in the order of the table.

    Parameters
    ----------
    what
        What one entry is, for messages: ``"kind"``, ``"space"``.
    entries
        Those that the package has.
    announce
        Called with each entry: adds the names that options then accept.
    """

    def __init__(
        self, what: str, entries: Iterable[EntryT], announce: Callable[[EntryT], None] = lambda entry: None
    ) -> None:
        self.what = what
        self._announce = announce
        self._entries: list[EntryT] = []
        for entry in entries:
            self.register(entry)

    def register(self, entry: EntryT, before: str | None = None) -> None:
        """Add an entry, at the end or before the one that is named.

        Raises
        ------
        UsageError
            The name is taken, or there is none of the name ``before``.
        """
        if entry.name in self.names:
            raise UsageError(f"there is a {self.what} '{entry.name}' already; take another name")
        at = len(self._entries) if before is None else self._entries.index(self[before])
        self._entries.insert(at, entry)
        self._announce(entry)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(entry.name for entry in self._entries)

    def get(self, name: str) -> EntryT | None:
        """Return the entry of that name, or None."""
        return next((entry for entry in self._entries if entry.name == name), None)

    def __getitem__(self, name: str) -> EntryT:
        """Return the entry of that name; raises :class:`~symfind.errors.UsageError` with the nearest."""
        found = self.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"unknown {self.what} '{name}', expected one of {', '.join(self.names)}{hint}")
        return found

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of that name."""
        return name in self.names

    def __iter__(self) -> Iterator[EntryT]:
        """In the order of the table."""
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._entries)
