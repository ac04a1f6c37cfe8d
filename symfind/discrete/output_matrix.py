"""B with F(gx) = B F(x), solved for where the action on y is free, and in words where it is simple.

Axis letters: n rows, m outputs, k the order of g.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import scipy.linalg
import torch
from torch import Tensor

from symfind.linalg.threads import one_thread

# Directions of F whose mean square is below this share of the largest are rounding, and B is one there.
_RANK = 1e-12
BY_MATRIX = "y by a matrix"


@one_thread()
def solved_output(value: Tensor, at: Tensor, order: int | None) -> Tensor:
    """B ``(m, m)`` of least ‖F(gx) − B F(x)‖² with B^k = 1, from F(x) and F(gx) ``(n, m)``.

    B is an isometry of the metric C = Σ_j B^j E[FFᵀ] B^jᵀ, in which it is normal: there its nearest isometry is taken,
    and the eigenvalues of that are rounded to k-th roots of unity. Along outputs that depend on the others B is one.

    Parameters
    ----------
    value, at
        F at rows and at the moved rows.
    order
        k of g; None where no power of g is one, and B is then the least squares alone.
    """
    second = value.T @ value / max(len(value), 1)
    size, axes = torch.linalg.eigh(second)
    keep = size > _RANK * size[-1].clamp(min=1e-300)
    basis, rest = axes[:, keep], axes[:, ~keep]
    plain = torch.linalg.lstsq(value @ basis, at @ basis, driver="gelsd").solution.T
    inner = plain if order is None else _of_order(plain, torch.diag(size[keep]), order)
    return torch.as_tensor(basis @ inner @ basis.T + rest @ rest.T)


def _of_order(plain: Tensor, second: Tensor, order: int) -> Tensor:
    metric, power = second.clone(), plain
    for _ in range(order - 1):
        metric = metric + power @ second @ power.T
        power = power @ plain
    if not bool(torch.isfinite(metric).all()):
        return plain
    size, axes = torch.linalg.eigh(metric)
    root = axes * size.clamp(min=1e-300).sqrt() @ axes.T
    undone = axes / size.clamp(min=1e-300).sqrt() @ axes.T
    u, _, vh = torch.linalg.svd(undone @ plain @ root)
    triangle, turn = scipy.linalg.schur((u @ vh).numpy(), output="complex")
    step = 2 * math.pi / order
    phase = torch.round(torch.angle(torch.from_numpy(triangle).diagonal()) / step) * step
    vectors = torch.from_numpy(turn)
    isometry = (vectors * torch.exp(1j * phase)) @ vectors.conj().T
    return torch.as_tensor(root @ isometry.real @ undone)


def signed_permutation_near(matrix: Tensor) -> Tensor | None:
    """The signed permutation that B rounds to entry by entry; None where that is none."""
    rounded = torch.round(matrix)
    once = (rounded.abs().sum(0) == 1) & (rounded.abs().sum(1) == 1)
    return rounded if bool(once.all()) else None


def output_words(matrix: Tensor, likewise: Tensor | None) -> str:
    """What a signed permutation B does to y, in words; empty for the identity."""
    m = len(matrix)
    eye = torch.eye(m, dtype=matrix.dtype)
    known: Sequence[tuple[Tensor | None, str]] = [
        (eye, ""),
        (-eye, "y → −y"),
        (likewise, "y likewise"),
        (None if likewise is None else -likewise, "y likewise, with the other sign"),
    ]
    for other, text in known:
        if other is not None and torch.equal(matrix, other.to(matrix)):
            return text
    shown = []
    for row in matrix:
        j = int(row.abs().argmax())
        shown.append(f"{'−' if float(row[j]) < 0 else ''}y{j + 1}")
    return f"y → ({', '.join(shown)})"
