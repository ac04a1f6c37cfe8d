"""What was written, loaded by torch alone, against what the method means: computed apart, from the model as given."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Function, spread
from symfind.errors import InputError
from symfind.models.model import Model
from symfind.models.torchscript import one_line

# A part that is left out, or a size that was frozen into a file, shows at order one; ten times √ε of the file's type
# is far above what other orders of summation do.
_ROUNDING = 10.0

# Sizes of batches: one row, an odd number, and what is left after them.
_BATCHES = (1, 3)


class Evaluated(nn.Module):
    """F by the values of a loaded model, as a module: what a wrapper is compared with."""

    def __init__(self, model: Model, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.input_shape = model, input_shape

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.model(x.reshape(len(x), *self.input_shape))


def alone(path: Path, form: str) -> Callable[[Tensor], Tensor]:
    """The function of a file of kind ``torchscript`` or ``torch.export``, with torch and nothing of symfind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of the loaders on their own formats
        if form == "torchscript":
            return torch.jit.load(str(path)).eval()  # type: ignore[no-any-return, no-untyped-call]
        return torch.export.load(path).module()


def check_written(
    path: Path,
    form: str,
    wanted: Function,
    x: Tensor,
    dtype: torch.dtype,
    fed_shape: tuple[int, ...],
    batch: int | None = None,
    inputs: Callable[[Tensor], tuple[Tensor, ...]] | None = None,
) -> None:
    """Compare a file with the function it is to hold, on rows x, in batches of several sizes.

    Parameters
    ----------
    path, form
        The file, and how it is loaded.
    wanted
        The function by another way, in float64.
    x
        Rows ``(n, …)`` that the file was not made with.
    dtype
        Of the file.
    fed_shape
        Shape of a row as the file takes it.
    batch
        The only number of rows that the file takes; None for any.
    inputs
        Cuts a row into the inputs that the file takes; None where it takes the row.

    Raises
    ------
    InputError
        The file gives something else, or fails; nothing should be written then.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = wanted(x).reshape(len(x), -1)
        try:
            loaded = alone(path, form)
            function = loaded if inputs is None else lambda part: loaded(*inputs(part))
            rows = x.to(dtype).reshape(len(x), *fed_shape)
            if batch is None:
                sizes = [*_BATCHES, len(x) - sum(_BATCHES)] if len(x) > sum(_BATCHES) else [len(x)]
                parts = [function(part.clone()).reshape(len(part), -1) for part in torch.split(rows, sizes)]
            else:
                rows, right = rows[torch.arange(batch) % len(x)], right[torch.arange(batch) % len(x)]
                parts = [function(rows.clone()).reshape(batch, -1)]
        # Whatever a graph raises: it would meet the user in the same way.
        except Exception as error:
            raise InputError(
                f"the file that was made fails when torch loads it ({one_line(error)}), so it is not written; save the "
                "model as TorchScript (torch.jit.script) or for any number of rows, or use another --method"
            ) from None
        found = torch.cat(parts).double()
        known = right.isfinite().all(1)
        gap = float((found - right)[known].square().sum(1).mean().sqrt()) if bool(known.any()) else 0.0
    bound = _ROUNDING * torch.finfo(dtype).eps ** 0.5 * max(spread(right[known]), float(right[known].abs().max()))
    if not gap <= bound:
        raise InputError(
            f"the file that was made gives other values than the method (root mean square {gap:.2g}, rounding is below "
            f"{bound:.2g}), so it is not written; save the model as TorchScript yourself, or use another --method"
        )
