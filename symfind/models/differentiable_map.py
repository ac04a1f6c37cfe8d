"""F: X → Y with its derivative dF: what every verb of symfind asks of a model or a fit."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class DifferentiableMap(Protocol):
    """F: X → Y with dF, rows independent of one another.

    Axis letters: n points, D = product of ``input_shape``, m = product of ``output_shape``.

    Attributes
    ----------
    input_shape, output_shape
        Shapes of one row of x and of y, without the batch axis; ``(k, d)`` is k objects in one d-dimensional
        space, ``()`` a scalar.
    """

    @property
    def input_shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def output_shape(self) -> tuple[int, ...]: ...  # noqa: D102

    def __call__(self, x: Tensor, /) -> Tensor:
        """F(x): ``(n, *input_shape)`` → ``(n, *output_shape)``, no gradient recorded."""
        ...

    def value_and_jacobian(self, x: Tensor, /) -> tuple[Tensor, Tensor]:
        """F(x) as ``(n, m)`` and dF(x) as ``(n, m, D)``, both flattened; no gradient recorded."""
        ...
