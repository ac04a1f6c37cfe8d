"""Signals that ask a process to end, while there may be files that must not stay."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

# The end of a batch job or of a container, and of a terminal; Windows has no second one.
_NAMES = ("SIGTERM", "SIGHUP")


@contextmanager
def stopping_signals() -> Iterator[list[int]]:
    """Make them interrupt like Ctrl-C, so that every block is left and cleans up; the numbers that came are given.

    One that is ignored (``nohup``) stays ignored.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> NoReturn:
        received.append(number)
        raise KeyboardInterrupt

    before = {}
    # Python lets only its main thread say what happens upon a signal.
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        before = {n: signal.signal(n, interrupt) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
