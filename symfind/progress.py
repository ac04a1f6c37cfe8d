"""How far a long computation is: a protocol for those who compute, and an implementation that is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """A sequence of named phases, each of a known or unknown number of steps."""

    def phase(self, name: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Open a phase; the context yields ``advance(n)``, to be called after every n further steps.

        Parameters
        ----------
        name
            What is being done, a few words: ``"fit"``, ``"bootstrap"``.
        total
            The number of steps, or None where it is not known beforehand.
        """
        ...


class SilentProgress:
    """Progress that nobody watches: the default of every function that takes a ``Progress``."""

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Yield an ``advance`` that does nothing."""
        yield lambda _steps: None
