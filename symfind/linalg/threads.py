"""One thread for many small operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
