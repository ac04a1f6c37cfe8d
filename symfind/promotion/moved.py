"""exp(tξ) on rows, for a span of affine fields that was found with noise: what a symmetric F must not notice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import SymfindError
from symfind.lie.algebras.closure import MatrixBracket, nearest_subalgebra
from symfind.lie_derivative import Free, Invariant, Same, constant_slope
from symfind.promotion.setting import Setting
from symfind.promotion.settings import SETTINGS

# Generators whose powers fall below this are nilpotent: neither turns nor stretches.
_NILPOTENT = 1e-6


@dataclass(frozen=True)
class Movement:
    """Random elements exp(Σ tᵢξᵢ) near the identity of a group of affine maps, with what they do to y.

    Attributes
    ----------
    mean, scale
        ``(d,)`` of one object; matrices act on (z, 1), z = (x − mean)/scale.
    matrices
        ``(k, d+1, d+1)``.
    actions
        B ``(k, m, m)`` on one output object; None for an invariant.
    sizes
        ``(k,)`` standard deviations of t.
    vectors
        The same in the basis of the candidates ``(P₀, k)``.
    objects, output_objects
        (k, d) and (k′, m).
    """

    mean: Tensor
    scale: Tensor
    matrices: Tensor
    actions: Tensor | None
    sizes: Tensor
    vectors: Tensor
    objects: tuple[int, int]
    output_objects: tuple[int, int]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Move rows x ``(n, D)`` and y ``(n, m)``, each by an element of its own."""
        n, (objects, d) = x.shape[0], self.objects
        t = torch.randn(n, len(self.sizes), generator=generator, dtype=x.dtype) * self.sizes
        element = torch.linalg.matrix_exp(torch.einsum("nk,kab->nab", t, self.matrices))
        z = (x.reshape(n, objects, d) - self.mean) / self.scale
        z = torch.einsum("nab,nob->noa", element[:, :d, :d], z) + element[:, None, :d, d]
        moved = (z * self.scale + self.mean).reshape(n, -1)
        if self.actions is None:
            return moved, y
        turned = torch.linalg.matrix_exp(torch.einsum("nk,kab->nab", t, self.actions))
        return moved, torch.einsum("nab,nob->noa", turned, y.reshape(n, *self.output_objects)).reshape(n, -1)


def movement(setting: Setting, vectors: Tensor) -> Movement | None:
    """The movements of the Lie algebra nearest to a span of candidates ``(P₀, k)``.

    None where the fields are not affine, or act on y by more than a constant matrix.
    """
    space, action = setting.space, setting.action
    if not isinstance(action, Invariant | Same | Free):
        return None
    every = _matrices(setting)
    if every is None:
        return None
    rows = vectors[: space.dim].T @ every.flatten(1)
    if int(torch.linalg.matrix_rank(rows, rtol=1e-6)) < len(rows):
        return None  # some act on y alone
    try:
        closed = nearest_subalgebra(rows, MatrixBracket(space.d + 1)).basis
    except SymfindError:
        return None
    if closed.shape != rows.shape:
        return None
    fields = torch.linalg.lstsq(every.flatten(1).T, closed.T, driver="gelsd").solution  # (p, k)
    # The output action follows its field: ξ′ = Σ Tᵢⱼ ξⱼ as nearly as may be.
    change = torch.linalg.lstsq(rows.T, closed.T, driver="gelsd").solution  # (k, k)
    moved = torch.cat([fields, vectors[space.dim :] @ change])
    actions: Tensor | None = None
    if not isinstance(action, Invariant):
        constant = [action.matrix(space, v) for v in moved.T]
        actions = torch.stack([a for a in constant if a is not None])
        if len(actions) < len(constant):
            return None
    matrices = closed.reshape(-1, space.d + 1, space.d + 1)
    sizes = torch.tensor([_size(a) for a in matrices], dtype=vectors.dtype)
    geometry = setting.geometry
    return Movement(
        geometry.mean, geometry.scale, matrices, actions, sizes, moved, setting.objects, setting.output_objects
    )


def _matrices(setting: Setting) -> Tensor | None:
    """Every candidate field as a matrix on (z, 1) ``(p, d+1, d+1)``; None if one is not affine."""
    space, mean, scale = setting.space, setting.geometry.mean, setting.geometry.scale
    slopes = [constant_slope(space, unit) for unit in torch.eye(space.dim, dtype=torch.float64)]
    linear = [a for a in slopes if a is not None]
    if len(linear) < len(slopes):
        return None
    out = torch.zeros(space.dim, space.d + 1, space.d + 1, dtype=torch.float64)
    out[:, :-1, :-1] = torch.stack(linear) * scale / scale[:, None]
    out[:, :-1, -1] = space.evaluate(mean[None])[0] / scale
    return out


def _size(matrix: Tensor) -> float:
    """Standard deviation of t in exp(tA)."""
    values = torch.linalg.eigvals(matrix)
    rate = max(float(values.imag.abs().max()) / SETTINGS.turn, float(values.real.abs().max()) / SETTINGS.stretch)
    return 1.0 / rate if rate > _NILPOTENT else 1.0
