"""Rows in batches that a device's memory holds: half as many from there on where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from symfind.errors import InputError

_T = TypeVar("_T")
# Numbers held at once while differentiating: 2^23 of float64 are 64 MiB; larger chunks are no faster on a processor.
_NUMBERS = 2**23
# Bytes of what is free on a GPU for each number of a batch: half of it, in float64.
_BYTES = 16


class Batches:
    """How many numbers a batch holds on a device: so many at first, half as many each time its memory is full.

    Parameters
    ----------
    name
        Of the model, for messages.
    device
        Where it is evaluated.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self._name, self._device, self._numbers = name, device, _NUMBERS
        if device.type == "cuda":
            self._numbers = max(_NUMBERS, torch.cuda.mem_get_info(device)[0] // _BYTES)

    def done(
        self,
        action: Callable[..., _T],
        given: tuple[Tensor, ...],
        numbers_per_row: int,
        fewest: int,
        dtype: torch.dtype,
    ) -> list[_T]:
        """Results of an action on batches of rows, in their order.

        Parameters
        ----------
        action
            Of as many batches as there are tensors.
        given
            Tensors of equally many rows.
        numbers_per_row, fewest
            What a row takes, and the least number of rows.
        dtype
            Of the batches.

        Raises
        ------
        InputError
            The memory does not hold the least number of rows.
        """
        out: list[_T] = []
        start = 0
        while start < len(given[0]):
            count = max(fewest, 1, self._numbers // numbers_per_row)
            part = [t[start : start + count].detach().to(self._device, dtype) for t in given]
            try:
                out.append(action(*part))
            except torch.OutOfMemoryError as full:
                count = len(part[0])
                if count // 2 < max(1, fewest):
                    raise InputError(
                        f"{self._name}: the memory of {self._device} does not hold {count} rows; take --device cpu"
                    ) from full
                self._numbers = count // 2 * numbers_per_row
                continue
            start += len(part[0])
        return out
