"""Progress bars on standard error, for what takes longer than two seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from symfind.cli.line_progress import PATIENCE, PHASES
from symfind.progress import Advance

# What is over sooner needs no bar: it would only flicker.
_PATIENCE = PATIENCE


class _Steps(ProgressColumn):
    """``12/40 at 3.1/s``; empty where the total is not known."""

    def render(self, task: Task) -> Text:
        """Steps and rate."""
        if not task.total:
            return Text()
        rate = f" at {task.speed:.3g}/s" if task.speed else ""
        return Text(f"{task.completed:g}/{task.total:g}{rate}")


class _Left(ProgressColumn):
    """``9 s left``; empty where nobody knows."""

    def render(self, task: Task) -> Text:
        """Seconds left."""
        return Text("" if task.time_remaining is None else f"{task.time_remaining:.0f} s left")


class TerminalProgress:
    """A bar a phase, drawn after two seconds and wiped when the work is done."""

    def __init__(self) -> None:
        self._display = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _Steps(),
            TimeElapsedColumn(),
            _Left(),
            console=Console(stderr=True),
            transient=True,
        )
        self._timer = threading.Timer(_PATIENCE, self._display.start)
        self._timer.daemon = True

    def __enter__(self) -> TerminalProgress:
        """Start waiting."""
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bars, whether they were drawn or not."""
        self._timer.cancel()
        self._timer.join()
        self._display.stop()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """Show a bar, or a pulse where the total is not known, until the context is left."""
        task = self._display.add_task(PHASES.get(name, name), total=total)
        try:
            yield lambda steps: self._display.advance(task, steps)
        finally:
            self._display.remove_task(task)
