"""ξ = Σ cᵢ ξᵢ: finite-dimensional spaces of vector fields on the space of one object.

Axis letters: n points, d dimension of the object's space, p fields in the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.taylor import Series


@runtime_checkable
class VectorFieldSpace(Protocol):
    """A basis ξ₁ … ξ_p of vector fields on R^d.

    Attributes
    ----------
    name
        As given to ``--space``.
    d
        Dimension of the space the fields live on.
    dim
        Number p of basis fields.
    has_constants
        Whether all constant fields lie in the span; without them a field is measured about its mean (DESIGN §2).
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def d(self) -> int: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def has_constants(self) -> bool: ...  # noqa: D102

    def evaluate(self, x: Tensor) -> Tensor:
        """ξᵢ(x): ``(n, d)`` → ``(n, p, d)``."""
        ...

    def jacobian(self, x: Tensor) -> Tensor:
        """∂ξᵢ/∂x: ``(n, d)`` → ``(n, p, d, d)``, ``[..., a, b]`` = ∂(ξᵢ)_a/∂x_b."""
        ...

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξᵢ(x)·v: ``(n, d)`` and ``(n, d)`` → ``(n, p, d)``, without holding the jacobian."""
        ...

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩ for covectors w ``(n, m, d)``: ``(n, m, p)``, without holding ξ where that can be avoided."""
        ...

    def centred(self, mean: Tensor, scale: Tensor) -> VectorFieldSpace:
        """The same span, parametrised about ``mean`` ``(d,)`` in units of ``scale`` ``(d,)`` where it can be."""
        ...

    def table(self, coefficients: Tensor) -> Tensor:
        """Generators ``(p, k)`` as rows ``(k, Q)`` in coordinates of the user, where a sparse row reads well."""
        ...

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """One readable expression for each basis field."""
        ...

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢ ξᵢ as text, in the user's coordinates."""
        ...


def finite_fields(space: VectorFieldSpace, x: Tensor) -> Tensor:
    """ξᵢ(x) ``(n, p, d)`` at points of the data ``(n, d)``.

    Raises
    ------
    InputError
        If a field is not finite there: a formula of the user's that does not go with the data.
    """
    xi = space.evaluate(x)
    if not bool(torch.isfinite(xi).all()):
        raise InputError(f"a field of the space '{space.name}' is not finite on the data; check its formulas")
    return xi


@runtime_checkable
class HoldsConstants(Protocol):
    """Fields among whose combinations some constant ones can be, without all of them."""

    def constant_directions(self) -> Tensor:
        """The constant fields in the span as orthonormal columns ``(d, w)``."""
        ...


@runtime_checkable
class ProlongableSpace(Protocol):
    """Fields that can be put on the power series of a solution, which prolongs them to its derivatives."""

    def on_series(self, x: Series) -> Series:
        """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``."""
        ...


def on_series(space: VectorFieldSpace, x: Series) -> Series:
    """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``.

    Raises
    ------
    UsageError
        If fields of this kind cannot be prolonged.
    """
    if not isinstance(space, ProlongableSpace):
        raise UsageError(f"the space '{space.name}' cannot be prolonged to derivatives; take point:1 or point:2")
    return space.on_series(x)


def lie_bracket(space: VectorFieldSpace, coefficients: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """[ξ_a, ξ_b] = dξ_b·ξ_a − dξ_a·ξ_b at points x, for generators ξ_a = Σ c_{ia} ξᵢ.

    Parameters
    ----------
    space
        The space of fields.
    coefficients
        ``(p, k)``, a generator in each column.
    x
        Points ``(n, d)``.

    Returns
    -------
    Tensor, Tensor
        The generators ``(k, n·d)`` and their brackets ``(k, k, n·d)`` at the points.
    """
    k = coefficients.shape[1]
    field = torch.einsum("npd,pk->nkd", space.evaluate(x), coefficients)
    moved = [torch.einsum("npd,pk->knd", space.along(x, field[:, a]), coefficients) for a in range(k)]
    along = torch.stack(moved)  # (k, k, n, d): [a, b] = dξ_b · ξ_a
    bracket = along - along.transpose(0, 1)
    return field.transpose(0, 1).reshape(k, -1), bracket.reshape(k, k, -1)
