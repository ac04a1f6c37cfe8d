"""The metrics of the relative defect: G on inputs, H on outputs, and the support of the data (DESIGN §2).

Axis letters: n points, k objects, d dimension of one object, D = rank of the support of the whole input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.cost import check_memory
from symfind.errors import InputError
from symfind.linalg.processes import Processes
from symfind.linalg.subspaces import oriented_basis

# Directions in which the data spread by less than this share of the widest one (coordinates standardised) are
# off the support: float64 covariances of exactly dependent coordinates come out near 1e-16 in variance.
SUPPORT_CUT = 1e-7
# Sums of up to 10⁷ equal numbers give their mean to better than this share of it.
_ROUNDING = 1e-13


# Squares of quadratic invariants are held from 1e-70 to 1e70: double precision ends at 1e±308.
_SMALLEST = 1e-70


def check_units(rows: Tensor, what: str) -> None:
    """Refuse columns of rows ``(n, width)`` that are not zero but so small that their squares are.

    Raises
    ------
    InputError
        With the first such column; its spread would be taken for none.
    """
    size = rows.abs().amax(0) if rows.numel() else rows.new_zeros(0)
    small = ((size > 0) & (size < _SMALLEST)).nonzero().flatten().tolist()
    if small:
        raise InputError(
            f"column {small[0]} of {what} has numbers of size {float(size[small[0]]):.3g}, whose squares double "
            "precision does not hold; store it in units in which it is of size 1"
        )


class Moments:
    """Mean and covariance of rows seen block by block, by merging centred blocks (Chan, Golub, LeVeque 1983)."""

    def __init__(self, width: int) -> None:
        # The covariance, its scaled copy, its eigenvectors and their products stand side by side; beyond 5,000 columns
        # the eigenvectors take minutes before memory does not suffice.
        check_memory(
            24 * width**2, f"the covariance of {width:,} columns", "give fewer columns (--mapping)", InputError
        )
        self._size = torch.zeros(width, dtype=torch.float64)
        self.count = 0
        self.mean = torch.zeros(width, dtype=torch.float64)
        self._scatter = torch.zeros(width, width, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Merge rows ``(n, width)``."""
        rows = rows.double().cpu()
        n = rows.shape[0]
        self._size = torch.maximum(self._size, rows.abs().amax(0)) if n else self._size
        mean = rows.mean(0)
        centred, gap = rows - mean, mean - self.mean
        total = self.count + n
        self._scatter += centred.T @ centred + torch.outer(gap, gap) * (self.count * n / total)
        self.mean = self.mean + gap * (n / total)
        self.count = total

    def joined(self, processes: Processes) -> Moments:
        """Those of the rows of all processes."""
        own = torch.cat([self.mean[None], self._size[None], self._scatter, self.mean[None] * 0 + self.count])
        whole = Moments(len(self.mean))
        for mean, size, *scatter, count in processes.gathered(own, [len(own)] * processes.count):
            n, gap = int(count[0]), mean - whole.mean
            total = max(whole.count + n, 1)
            whole._size = torch.maximum(whole._size, size)
            whole._scatter += torch.stack(scatter) + torch.outer(gap, gap) * (whole.count * n / total)
            whole.mean = whole.mean + gap * (n / total)
            whole.count += n
        return whole

    @property
    def covariance(self) -> Tensor:
        """Population covariance ``(width, width)``, zero where a coordinate varies by rounding alone."""
        check_units(self._size[None], "the data")
        covariance = self._scatter / max(self.count, 1)
        varies = covariance.diagonal().sqrt() > _ROUNDING * self.mean.abs()
        return covariance * varies[:, None] * varies


@dataclass(frozen=True)
class SymmetricRoot:
    """G^{-1/2} and G^{1/2} of a covariance on its support.

    Attributes
    ----------
    whiten
        T ``(r, d)`` with TᵀT = G⁺.
    colour
        C ``(d, r)`` with CCᵀ = G and TC = 1.
    """

    whiten: Tensor
    colour: Tensor

    @property
    def rank(self) -> int:
        """Rank r of the support."""
        return self.whiten.shape[0]


def covariance_root(covariance: Tensor) -> SymmetricRoot:
    """Square roots of G, decided in standardised coordinates so that units do not matter."""
    scale = covariance.diagonal().clamp(min=0).sqrt()
    alive = scale > 0
    unit = torch.where(alive, scale, torch.ones_like(scale))
    correlation = covariance / unit[:, None] / unit[None, :]
    values, vectors = torch.linalg.eigh(correlation)
    keep = values > SUPPORT_CUT**2 * values.max().clamp(min=1e-300)
    root = values[keep].sqrt()
    basis = vectors[:, keep]
    # Eigenvectors have signs of rounding's choice, and of the plane of two equal eigenvalues rounding chooses the axes.
    turn = oriented_basis(basis.T) @ basis  # (r, r)
    return SymmetricRoot(
        (turn @ (basis / root).T / unit[None, :]).contiguous(), unit[:, None] * (basis * root) @ turn.T
    )


@dataclass(frozen=True)
class Geometry:
    """What the defect is measured with.

    Attributes
    ----------
    mean, scale
        ``(d,)`` of x, pooled over the objects; the scale of a constant coordinate is one.
    inputs
        Roots of G, the pooled covariance of x.
    support
        ``(k·r, D)`` orthonormal columns that span the support of the whitened whole input; None when it is full.
    outputs
        H^{1/2} as ``(m, h)``, applied to the last axis of y; h = 0 for constant outputs.
    """

    mean: Tensor
    scale: Tensor
    inputs: SymmetricRoot
    support: Tensor | None
    outputs: Tensor
    rank: int

    def to(self, device: torch.device) -> Geometry:
        """The same on another device."""
        return Geometry(
            self.mean.to(device),
            self.scale.to(device),
            SymmetricRoot(self.inputs.whiten.to(device), self.inputs.colour.to(device)),
            None if self.support is None else self.support.to(device),
            self.outputs.to(device),
            self.rank,
        )


def pooled(mean: Tensor, covariance: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Mean ``(d,)`` and covariance ``(d, d)`` of one object, all objects counted alike."""
    d = mean.shape[0] // objects
    means = mean.reshape(objects, d)
    centre = means.mean(0)
    blocks = covariance.reshape(objects, d, objects, d)
    within = torch.stack([blocks[i, :, i, :] for i in range(objects)]).mean(0)
    gaps = means - centre
    return centre, within + gaps.T @ gaps / objects


def input_geometry(moments: Moments, objects: int) -> Geometry:
    """G and the support from the moments of the flattened x ``(k·d,)``; the output part is left empty."""
    mean, covariance = pooled(moments.mean, moments.covariance, objects)
    root = covariance_root(covariance)
    r = root.rank
    lift = torch.kron(torch.eye(objects, dtype=torch.float64), root.whiten)  # (k·r, k·d)
    values, vectors = torch.linalg.eigh(lift @ moments.covariance @ lift.T)
    keep = values > SUPPORT_CUT**2 * values.max().clamp(min=1e-300) if values.numel() else values > 0
    rank = int(keep.sum())
    support = None if rank == objects * r and r == mean.shape[0] else oriented_basis(vectors[:, keep].T).T
    scale = covariance.diagonal().sqrt()
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return Geometry(mean, scale, root, support, mean.new_zeros(0, 0), rank)


def output_root(values: Iterable[Tensor]) -> Tensor:
    """H^{1/2} ``(m, h)`` for blocks of F(x) ``(n, k′, m)``: H is the inverse covariance on its support."""
    moments: Moments | None = None
    size = 0.0
    for block in values:
        rows = block.reshape(-1, block.shape[-1])
        moments = moments or Moments(rows.shape[1])
        moments.add(rows)
        size = max(size, float(rows.abs().max()))
    assert moments is not None
    covariance = moments.covariance
    # A constant output in floating point: its spread is rounding of its size.
    flat = covariance.diagonal().sqrt() <= 1e-13 * size
    covariance[flat, :] = 0.0
    covariance[:, flat] = 0.0
    if bool(flat.all()):
        return torch.zeros(covariance.shape[0], 0, dtype=torch.float64)
    return covariance_root(covariance).whiten.T
