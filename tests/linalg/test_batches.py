"""Batches that a device's memory holds, with a double that is full beyond so many rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.linalg.batches import Batches

CPU = torch.device("cpu")


class SmallMemory:
    """x ↦ x² on a device whose memory holds so many rows."""

    def __init__(self, most: int) -> None:
        self.most, self.sizes = most, list[int]()

    def __call__(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return x.square()


@pytest.mark.parametrize("most", [1, 7, 100, 5000])
def test_half_as_many_rows_go_on_where_the_memory_is_full(most: int) -> None:
    x = torch.arange(1000, dtype=torch.float64)[:, None]
    action, batches = SmallMemory(most), Batches("f.pt", CPU)
    found = torch.cat(batches.done(action, (x,), 1, 1, torch.float64))
    torch.testing.assert_close(found, x.square())
    tried = [size for size in action.sizes if size > most]
    assert tried == sorted(tried, reverse=True) and all(b == a // 2 for a, b in zip(tried, tried[1:], strict=False))
    again = SmallMemory(most)
    batches.done(again, (x,), 1, 1, torch.float64)
    assert max(again.sizes) <= most  # the size that fitted is kept


def test_a_memory_that_holds_no_row_is_told_in_a_line() -> None:
    with pytest.raises(InputError, match="does not hold 1 rows; take --device cpu"):
        Batches("f.pt", CPU).done(SmallMemory(0), (torch.ones(64, 2),), 2, 1, torch.float64)


def test_two_tensors_are_cut_alike() -> None:
    a, b = torch.arange(10.0)[:, None], torch.arange(10.0, 20.0)[:, None]
    found = Batches("f.pt", CPU).done(torch.mul, (a, b), 2**22, 1, torch.float64)
    assert [len(part) for part in found] == [2] * 5
    torch.testing.assert_close(torch.cat(found), (a * b).double())
