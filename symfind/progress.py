"""How far a long computation is: a protocol for those who compute, an implementation that is silent, and a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

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


@dataclass
class Clock:
    """Seconds spent in each phase."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Any]:
        """Time a phase, and show it."""
        start = time.perf_counter()
        with self.progress.phase(name, total) as advance:
            yield advance
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 4)
