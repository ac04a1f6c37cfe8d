"""How far a computation is, as lines: for files, for programs (JSON), and as a log of the phases."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from symfind.progress import Advance, Progress

# What is over sooner needs no line.
PATIENCE = 2.0
# Seconds after the begin of a phase at which it is told of, and every so many afterwards: a log stays short.
_TOLD_AT = (PATIENCE, 10.0, 30.0, 60.0)
_TOLD_EVERY = 60.0

# Phase ↦ what it is, for somebody who has not read the code.
PHASES = {
    "read": "reading the file",
    "fit": "fitting a model to the rows",
    "derivatives": "differentiating the fields",
    "moments": "summing over the rows",
    "nullspace": "looking for directions without change",
    "witness": "fitting symmetric models and judging them on unseen rows",
    "learn": "learning generators",
    "validity": "moving the data along each direction",
    "bounds": "measuring how sure that is",
    "algebra": "naming the algebra",
    "discrete": "trying reflections and swaps",
    "local": "looking for symmetries of a part of the domain",
    "dependence": "finding which functions follow from others",
    "refit": "fitting again with exact symmetries",
    "certify": "judging what survived",
    "move": "moving solutions",
    "check": "checking what was written",
    "score": "moving rows by the group",
}


@dataclass
class Phase:
    """A phase under way.

    Attributes
    ----------
    name, total
        What is done, and in how many steps; None where that is not known.
    began
        In seconds of a clock that never goes back.
    done
        Steps so far.
    told
        How often it was told of.
    """

    name: str
    total: int | None
    began: float = field(default_factory=time.monotonic)
    done: int = 0
    told: int = 0

    def state(self, *, over: bool = False) -> dict[str, object]:
        """Phase, seconds, and where the total is known steps, rate and seconds left."""
        seconds = time.monotonic() - self.began
        out: dict[str, object] = {
            "phase": self.name,
            "state": "done" if over else "running",
            "seconds": round(seconds, 1),
        }
        if self.total:
            rate = self.done / seconds if seconds > 0 else 0.0
            left = 0.0 if over else (self.total - self.done) / rate if rate > 0 else None
            out |= {"done": self.done, "total": self.total, "rate": round(rate, 3)}
            out["left"] = None if left is None else round(left, 1)
        return out

    def due(self) -> bool:
        """Whether it is time for a line."""
        later = _TOLD_AT[-1] + _TOLD_EVERY * (self.told - len(_TOLD_AT) + 1)
        at = _TOLD_AT[self.told] if self.told < len(_TOLD_AT) else later
        return time.monotonic() - self.began >= at


def told(state: dict[str, object]) -> str:
    """A state in words: ``fitting a model to the rows: 12 of 40, 3.1 a second, 9 s left``."""
    name = PHASES.get(str(state["phase"]), str(state["phase"]))
    if state["state"] == "done":
        return f"{name}: done in {state['seconds']} s"
    if "total" not in state:
        return f"{name}: {state['seconds']} s so far"
    left = "" if state["left"] is None else f", {state['left']} s left"
    return f"{name}: {state['done']} of {state['total']}, {state['rate']} a second{left}"


class LineProgress:
    """Lines on a stream for phases that take longer than two seconds."""

    def __init__(self, write: Callable[[str], None], *, as_json: bool) -> None:
        self._write, self._as_json = write, as_json
        self._open: list[Phase] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> LineProgress:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End watching."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Tell of a phase after two seconds, now and then, and at its end."""
        phase = Phase(name, total)
        self._open.append(phase)

        def advance(steps: int) -> None:
            phase.done += steps

        try:
            yield advance
        finally:
            self._open.remove(phase)
            if phase.told or time.monotonic() - phase.began >= PATIENCE:
                self._tell(phase, over=True)

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for phase in list(self._open):
                if phase.due():
                    phase.told += 1
                    self._tell(phase, over=False)

    def _tell(self, phase: Phase, *, over: bool) -> None:
        state = phase.state(over=over)
        self._write(json.dumps(state, ensure_ascii=False) if self._as_json else told(state))


@dataclass(frozen=True)
class PhaseLog:
    """Every phase with its seconds, as it ends."""

    write: Callable[[str], None]

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Write a line when the phase is over, whatever ended it."""
        began = time.monotonic()
        try:
            yield lambda _steps: None
        finally:
            self.write(f"{PHASES.get(name, name)}: {time.monotonic() - began:.2f} s")


@dataclass(frozen=True)
class Together:
    """Several that watch the same work."""

    watchers: tuple[Progress, ...]

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Open the phase with each of them."""
        with ExitStack() as stack:
            advances = [stack.enter_context(watcher.phase(name, total)) for watcher in self.watchers]

            def advance(steps: int) -> None:
                for one in advances:
                    one(steps)

            yield advance


@contextmanager
def together(*watchers: AbstractContextManager[Progress] | Progress) -> Iterator[Progress]:
    """Enter those that have to be entered, and hand on all of them as one."""
    with ExitStack() as stack:
        entered = tuple(stack.enter_context(w) if isinstance(w, AbstractContextManager) else w for w in watchers)
        yield Together(entered)
