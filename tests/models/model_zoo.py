"""Networks to save and load: written here so that TorchScript finds their source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as fn
from torch import Tensor, nn


class OutOfOrder(nn.Module):
    """Layers declared last to first, one activation a module and one a function; 3 → 5."""

    def __init__(self, outputs: int = 5) -> None:
        super().__init__()
        self.last = nn.Linear(8, outputs)
        self.body = nn.Sequential(nn.Linear(3, 8), nn.SiLU())
        self.middle = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.middle(self.body(x))))


class Convolutional(nn.Module):
    """(2, 5, 4) → 3."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3, padding=(1, 0), stride=(2, 1))
        self.linear = nn.Linear(4 * 3 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.flatten(fn.softplus(self.convolution(x)), 1))


class Branching(nn.Module):
    """Control flow that depends on x, without mixing rows in effect; 3 → 4."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 6)
        self.b = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        if bool(x.abs().max() > 1e6):
            h = h * 2
        for _ in range(3):
            h = torch.sin(h) + 0.1 * h
        return self.b(h)


class Skipping(nn.Module):
    """A skip connection; 3 → 3."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.a(x))


class Radius(nn.Module):
    """|x|², no parameters at all."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * x).sum(-1)


class BatchCentred(nn.Module):
    """Mixes rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Noisy(nn.Module):
    """Dropout that eval mode does not switch off."""

    def forward(self, x: Tensor) -> Tensor:
        return fn.dropout(x, 0.5, True)


class Pair(nn.Module):
    """Two outputs."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Named(nn.Module):
    """A dictionary."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": x}


class Label(nn.Module):
    """A class index."""

    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(-1)


class Total(nn.Module):
    """One number for all rows."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum()


class Detached(nn.Module):
    """sin x with its derivative cut off."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x.detach()) + 0 * x


class Staircase(nn.Module):
    """Piecewise constant."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.round(4 * x)


class Logarithm(nn.Module):
    """Finite for positive x only."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x)


class SquareRoot(nn.Module):
    """Finite at 0, its derivative not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x)


class TwoInputs(nn.Module):
    """x and t."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x * t


class Saving(nn.Module):
    """Writes a file when it is called."""

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "stolen.pt")
        return x


class Printing(nn.Module):
    """Writes to standard output."""

    def forward(self, x: Tensor) -> Tensor:
        print("x")
        return x


class Waking(nn.Module):
    """Runs code while it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return (1, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """Return a module with random weights that are the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


def script(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def trace(module: nn.Module, path: Path, *shape: int) -> Path:
    torch.jit.trace(module, torch.ones(4, *shape)).save(str(path))
    return path


def freeze(module: nn.Module, path: Path) -> Path:
    torch.jit.freeze(torch.jit.script(module)).save(str(path))
    return path


def export(module: nn.Module, path: Path, *shape: int, rows: tuple[int, int | None] | None = None) -> Path:
    """Export with a free number of rows, or one within ``rows``, or exactly ``rows[0]`` if both are equal."""
    dynamic = None
    if rows is None or rows[0] != rows[1]:
        batch = torch.export.Dim("batch", min=rows[0], max=rows[1]) if rows else torch.export.Dim("batch")
        dynamic = ({0: batch},)
    example = torch.ones(rows[0] if rows else 4, *shape)
    torch.export.save(torch.export.export(module, (example,), dynamic_shapes=dynamic), path)
    return path
