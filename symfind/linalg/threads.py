"""Threads by size: one for many small operations, all that are allowed for large ones; tasks side by side.

How many does not depend on what else the machine does: the last digits of a sum are those of how it was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

_T = TypeVar("_T")
# More workers would share the memory's bandwidth; two are what a small machine has.
_WORKERS = 2
# Floating-point operations of one call that are worth a thread: some 10 ms of one core. What is cut in two ends when
# the later half does, and where another program has a core that is a scheduler's slice (3 to 4 ms) later.
WORTH_A_THREAD = 3e8
# What the caller had before a verb went on to one thread: the most that a large operation takes.
_ALLOWED: ContextVar[int] = ContextVar("allowed threads")


def allowed_threads() -> int:
    """The most threads that an operation may take: what torch has, or had before :func:`one_thread`."""
    return _ALLOWED.get(torch.get_num_threads())


@contextmanager
def one_thread() -> Iterator[None]:
    """Run thousands of small operations on one thread.

    Threads bring nothing on matrices of a few hundred rows, and where other programs want the cores, waiting for the
    second thread at the end of every operation takes ten times as long as the work (measured on the dimuon data:
    33 s of processor time where 3 s are needed). Every verb runs inside; :func:`threads_for` lets large operations out.
    """
    token = _ALLOWED.set(allowed_threads())
    with _threads(1):
        try:
            yield
        finally:
            _ALLOWED.reset(token)


@contextmanager
def threads_for(operations: float) -> Iterator[None]:
    """Run operations of so many floating-point operations each on one thread for :data:`WORTH_A_THREAD` of them.

    At most on :func:`allowed_threads`.
    """
    with _threads(max(1, int(min(allowed_threads(), operations // WORTH_A_THREAD)))):
        yield


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(tasks: Sequence[Callable[[], _T]]) -> list[_T]:
    """Results of independent tasks in their order, each computed on one thread of its own.

    Two tasks on a core each need no word between them; one operation cut in two waits for its other half
    wherever another program has the core (a classifier took 130 s in place of 12 s so).
    """

    def alone(task: Callable[[], _T]) -> _T:
        torch.set_num_threads(1)  # of this worker: the setting belongs to the calling thread
        return task()

    with one_thread(), ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(alone, tasks))
