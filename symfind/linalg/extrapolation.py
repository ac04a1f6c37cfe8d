"""x with g(x) = 0 for a step x ↦ x + g(x), from the last few steps (Anderson 1965; Walker, Ni 2011, type II)."""

from __future__ import annotations

import torch
from torch import Tensor

# 5 to 20 steps remembered took as many iterations of the nuclear-norm solver, within a tenth.
_MEMORY = 10
# Of the normal equations, relative: differences of steps become nearly parallel.
_RIDGE = 1e-10
# A point is taken back if the residual has grown by so much; a nonsmooth map grows it a little now and then.
_GROWN = 2.0


class Extrapolation:
    """The next point from this one and its step, called once an iteration."""

    def __init__(self) -> None:
        self._points: Tensor | None = None
        self._steps: Tensor | None = None
        self._count = 0
        self._last: tuple[Tensor, Tensor, float] | None = None

    def forget(self) -> None:
        """Begin anew: the map has changed."""
        self._count, self._last = 0, None

    def __call__(self, x: Tensor, step: Tensor) -> Tensor:
        """The x at which the steps, were they affine in x, would vanish; x + step while little is known."""
        size = float(torch.linalg.vector_norm(step))
        if self._last is not None and size > _GROWN * self._last[2]:
            plain = self._last[0]
            self.forget()
            return plain
        plain = x + step
        if self._points is None or self._steps is None:
            self._points, self._steps = (x.new_empty(_MEMORY, len(x)) for _ in range(2))
        if self._last is not None:
            place = self._count % _MEMORY
            torch.sub(plain, self._last[0], out=self._points[place])
            torch.sub(step, self._last[1], out=self._steps[place])
            self._count += 1
        self._last = plain, step, size
        held = min(self._count, _MEMORY)
        if held < 2:
            return plain
        steps = self._steps[:held]
        squares = steps @ steps.T
        squares.diagonal().add_(_RIDGE * float(squares.trace()) + 1e-300)
        factor, fault = torch.linalg.cholesky_ex(squares)
        if int(fault):
            return plain
        weights = torch.cholesky_solve((steps @ step)[:, None], factor)[:, 0]
        return torch.addmv(plain, self._points[:held].T, weights, alpha=-1)
