"""One thread for many small operations, and independent tasks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

_T = TypeVar("_T")
# More workers would share the memory's bandwidth; two are what a small machine has.
_WORKERS = 2


@contextmanager
def one_thread() -> Iterator[None]:
    """Run thousands of small operations on one thread.

    Threads bring nothing on matrices of a few hundred rows, and where other programs want the cores, waiting for the
    second thread at the end of every operation takes ten times as long as the work (measured on the dimuon data:
    33 s of processor time where 3 s are needed).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
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
