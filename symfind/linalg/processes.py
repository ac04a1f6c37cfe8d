"""Σ over the processes of torch.distributed: each reads its share of the rows, and what is summed up is joined.

Under ``torchrun`` every process runs the same command. Rows are shared out in order; triangular factors are joined two
by two, R of [R_a; R_b] (tree TSQR: p² numbers a step, log₂ of the number of processes steps), and sent to all, so
that every process has the same numbers and takes the same turns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from symfind.errors import NumericalError
from symfind.linalg.tsqr import triangular_factor

# Longer than any pass over a share of the rows beside the slowest other share is late.
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Processes:
    """Which of the processes this is, and how many there are.

    Attributes
    ----------
    rank, count
        0 … count − 1.
    """

    rank: int = 0
    count: int = 1

    def share(self, total: int, align: int = 1, rank: int | None = None) -> tuple[int, int]:
        """First row and end of what a process (this one) reads of ``total`` rows, in multiples of ``align``."""
        at = self.rank if rank is None else rank
        units = -(-total // align)
        return tuple(min(total, align * (units * i // self.count)) for i in (at, at + 1))  # type: ignore[return-value]

    def gathered(self, own: Tensor, rows: Sequence[int]) -> list[Tensor]:
        """Return the tensors of all processes, of which the first axis has so many ``rows``.

        Raises
        ------
        NumericalError
            Another process has ended.
        """
        if self.count == 1:
            return [own]
        out = []
        with _all_there():
            for rank, size in enumerate(rows):
                part = own.contiguous() if rank == self.rank else own.new_empty(size, *own.shape[1:])
                distributed.broadcast(part, rank)
                out.append(part)
        return out

    def total(self, number: int) -> int:
        """Σ of a whole number over all."""
        each = self.gathered(torch.tensor([number]), [1] * self.count)
        return int(torch.cat(each).sum())

    def joined_factor(self, factor: Tensor) -> Tensor:
        """R ``(p, p)`` with RᵀR = Σ RᵢᵀRᵢ, the same numbers in every process; that of the one where there is one."""
        if self.count == 1:
            return factor
        p = factor.shape[1]
        whole = torch.cat([factor, factor.new_zeros(max(0, p - factor.shape[0]), p)]).contiguous()
        other, step = torch.empty_like(whole), 1
        with _all_there():
            while step < self.count:
                if self.rank % (2 * step) == step:
                    distributed.send(whole, self.rank - step)
                elif self.rank % (2 * step) == 0 and self.rank + step < self.count:
                    distributed.recv(other, self.rank + step)
                    whole = triangular_factor(torch.cat([whole, other])).contiguous()
                step *= 2
            distributed.broadcast(whole, 0)
        return whole


def this_process() -> Processes:
    """What torch.distributed says, if it was set up; else one process."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Processes()
    return Processes(distributed.get_rank(), distributed.get_world_size())


def asked_processes() -> int:
    """How many processes a launcher (``torchrun``, or a script of SLURM) started."""
    try:
        return int(os.environ.get("WORLD_SIZE", "1"))
    except ValueError:
        return 1


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Set up torch.distributed as the launcher says, over TCP (gloo); one process where none says anything.

    Raises
    ------
    NumericalError
        The others cannot be reached.
    """
    if asked_processes() == 1 or distributed.is_initialized():
        yield this_process()
        return
    with _all_there():
        distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield this_process()
    finally:
        with suppress(RuntimeError):  # others have ended
            distributed.destroy_process_group()


@contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:  # closed connections, and what the launcher did not say
        count = asked_processes()
        raise NumericalError(
            f"one of {count} processes has ended or cannot be reached, and nothing was written; see the line of that "
            "process, then start all again"
        ) from error
