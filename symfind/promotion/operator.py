"""w ↦ the matrix of L_ξF at points (rows) for candidates ξ (columns), F = φᵀW linear in w.

Axis letters: n points, D = kd inputs, m outputs (all objects), f features, P candidates (ξ with its output action).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.space import VectorFieldSpace, finite_fields
from symfind.fits.geometry import Geometry
from symfind.lie_derivative import Invariant, OutputAction
from symfind.linalg.thresholding import DenseMap

# Candidates whose size is below this share of the largest are zero on the data (see linalg.nullspace).
_TRIVIAL = 1e-9
# Numbers held at once while the Gram matrix is summed: 2²³ doubles are 64 MB.
_AT_ONCE = 2**23


class Library(Protocol):
    """Features φ, as far as promotion needs them.

    Attributes
    ----------
    size
        f.
    """

    @property
    def size(self) -> int: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x): ``(n, D)`` → ``(n, f)``."""
        ...

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f/∂x: ``(n, D)`` and ``(f, m)`` → ``(n, m, D)``."""
        ...


@dataclass(frozen=True)
class Candidates:
    """Candidates at points: ξ and the matrices by which they act on y.

    Attributes
    ----------
    fields
        ξ ``(n, D, P)``.
    action
        J with ξ_Y·y = Jy, ``(n, m, m, P)`` as [c, a]; None for an invariant output.
    basis
        ``(P₀, P)``: the candidates in the basis of the space and of the action.
    """

    fields: Tensor
    action: Tensor | None
    basis: Tensor

    def turned(self, change: Tensor) -> Candidates:
        """Other candidates, in the span of these: ``change`` is ``(P, P′)``."""
        action = None if self.action is None else self.action @ change
        return Candidates(self.fields @ change, action, self.basis @ change)


def candidates_at(
    space: VectorFieldSpace, action: OutputAction, points: Tensor, outputs: tuple[int, int]
) -> Candidates:
    """The basis of the space at points ``(n, k, d)``, every field on all k objects at once.

    Raises
    ------
    UsageError
        The output action is not linear in y: a commuting map with candidates that are not linear.
    """
    n, k, d = points.shape
    k_out, m = outputs
    size = space.dim + action.extra
    fields = finite_fields(space, points.reshape(n * k, d)).reshape(n, k, space.dim, d)
    fields = fields.transpose(2, 3).reshape(n, k * d, space.dim)
    fields = torch.cat([fields, fields.new_zeros(n, k * d, action.extra)], 2)
    basis = torch.eye(size, dtype=fields.dtype)
    if isinstance(action, Invariant):
        return Candidates(fields, None, basis)

    def acted(y: Tensor) -> Tensor:
        out = action.columns(space, points, y.reshape(1, k_out, m).expand(n, k_out, m))
        assert out is not None
        return torch.cat([out, out.new_zeros(*out.shape[:3], size - out.shape[3])], 3).reshape(n, k_out * m, size)

    units = torch.eye(k_out * m, dtype=points.dtype)
    matrices = torch.stack([acted(unit) for unit in units], 2)  # (n, c, a, P)
    probe = torch.linspace(1.0, 2.0, k_out * m, dtype=points.dtype)
    gap = float((acted(probe) - torch.einsum("ncaP,a->ncP", matrices, probe)).abs().max())
    if gap > 1e-9 * max(1.0, float(matrices.abs().max())):
        raise UsageError(
            f"candidates of the space '{space.name}' act on F(x) by a nonlinear map here; take --space linear, or a "
            "part of it"
        )
    return Candidates(fields, matrices, basis)


def whitened(candidates: Candidates, geometry: Geometry, outputs: Tensor, y: Tensor, objects: int) -> Tensor:
    """T ``(P, P′)``: combinations of the candidates of which E‖ξ_X‖²_{G⁻¹}/D + E‖ξ_Y·y‖²_H is the identity.

    This is the denominator of the relative defect (DESIGN §2) with the slope of standardised outputs, ‖dF‖ = 1, and
    the measured y in place of F: it does not depend on the fit, so the problem stays convex. Candidates that are zero
    on the data are dropped.

    Parameters
    ----------
    outputs
        H^{1/2} of all objects ``(m, h)``.
    y
        ``(n, m)``.
    """
    n, d, p = candidates.fields.shape
    root = torch.kron(torch.eye(objects, dtype=y.dtype), geometry.inputs.whiten)
    rows = torch.einsum("rD,nDP->nrP", root, candidates.fields).flatten(0, 1) / max(1, geometry.rank) ** 0.5
    if candidates.action is not None:
        fibre = torch.einsum("ncaP,na,ch->nhP", candidates.action, y, outputs).flatten(0, 1)
        rows = torch.cat([rows, fibre])
    norms = torch.linalg.vector_norm(rows, dim=0) / n**0.5
    unit = torch.where(norms > 0, norms, torch.ones_like(norms))
    values, vectors = torch.linalg.eigh((rows / unit).T @ (rows / unit) / n)
    keep = values > _TRIVIAL * values.max()
    if not bool(keep.any()) or float(norms.max()) == 0:
        raise InputError("every candidate is zero on the data: the space does not fit them; take another --space")
    change: Tensor = vectors[:, keep] / values[keep].sqrt() / unit[:, None]
    return change


@dataclass(frozen=True)
class LieOperator:
    """L, never held as a table: its parts are the slopes of the features and the candidates, point by point.

    A row is a point and a (whitened) output, divided by √n, so that the entries of L*L are means.

    Attributes
    ----------
    values, slopes
        φ ``(n, f)`` and dφ ``(n, D, f)``.
    candidates
        ξ and J.
    outputs
        H^{1/2} ``(m, h)``.
    """

    values: Tensor
    slopes: Tensor
    candidates: Candidates
    outputs: Tensor

    @staticmethod
    def of(features: Library, x: Tensor, candidates: Candidates, outputs: Tensor) -> LieOperator:
        """L for features at points ``(n, D)``."""
        slopes = features.derivative(x, torch.eye(features.size, dtype=x.dtype)).transpose(1, 2)
        return LieOperator(features(x), slopes.contiguous(), candidates, outputs)

    @property
    def size(self) -> int:
        """F = f·m, w flattened with the outputs last."""
        return self.values.shape[1] * self.outputs.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """(n·h, P)."""
        return self.values.shape[0] * self.outputs.shape[1], self.candidates.fields.shape[2]

    @property
    def _scale(self) -> float:
        return float(self.values.shape[0] ** -0.5)

    def turned(self, change: Tensor) -> LieOperator:
        """L on other candidates in the span, ``change`` is ``(P, P′)``."""
        return LieOperator(self.values, self.slopes, self.candidates.turned(change), self.outputs)

    def __call__(self, w: Tensor) -> Tensor:
        """L(w) ``(n·h, P)``."""
        n, d, f = self.slopes.shape
        table = w.reshape(f, -1)
        slope = (self.slopes.reshape(n * d, f) @ table).reshape(n, d, -1).transpose(1, 2)  # (n, m, D)
        out = torch.bmm(slope, self.candidates.fields)
        if self.candidates.action is not None:
            out = out - torch.einsum("ncaP,na->ncP", self.candidates.action, self.values @ table)
        return (self.outputs.T @ out * self._scale).reshape(self.shape)

    def adjoint(self, v: Tensor) -> Tensor:
        """L*(V) ``(F,)``."""
        n, d, f = self.slopes.shape
        back = self.outputs @ v.reshape(n, -1, v.shape[1]) * self._scale  # (n, m, P)
        slope = torch.bmm(self.candidates.fields, back.transpose(1, 2))  # (n, D, m)
        out = self.slopes.reshape(n * d, f).T @ slope.reshape(n * d, -1)
        if self.candidates.action is not None:
            out = out - self.values.T @ torch.einsum("ncaP,ncP->na", self.candidates.action, back)
        return out.flatten()

    def dense(self) -> DenseMap:
        """L as numbers ``(n·h, P, F)``: faster where they are few."""
        n, _, f = self.slopes.shape
        m, h = self.outputs.shape
        along = torch.bmm(self.slopes.transpose(1, 2), self.candidates.fields)  # (n, f, P)
        out = torch.einsum("nfP,ah->nhPfa", along, self.outputs)
        if self.candidates.action is not None:
            acting = torch.einsum("ncaP,ch->nhPa", self.candidates.action, self.outputs)
            out = out - self.values[:, None, None, :, None] * acting[:, :, :, None, :]
        return DenseMap((out * self._scale).reshape(n * h, -1, f * m))

    def gram(self) -> Tensor:
        """L*L ``(F, F)``."""
        n, d, f = self.slopes.shape
        m = self.outputs.shape[0]
        metric = self.outputs @ self.outputs.T
        total = self.values.new_zeros(f * m, f * m)
        width = d * f if self.candidates.action is None else (d * m + m) * f * m
        for part in torch.split(torch.arange(n), max(1, _AT_ONCE // max(1, width))):
            slopes, fields = self.slopes[part], self.candidates.fields[part]
            if self.candidates.action is None:
                factor = _square_root(fields @ fields.transpose(1, 2))  # (n, D, D)
                rows = (factor @ slopes).reshape(-1, f)
                total += torch.kron(rows.T @ rows, metric)
                continue
            rows = self._rows(slopes, self.values[part], fields, self.candidates.action[part], metric)
            total += rows.T @ rows
        return total / n

    def _rows(self, slopes: Tensor, values: Tensor, fields: Tensor, action: Tensor, metric: Tensor) -> Tensor:
        """Rows ``(·, F)`` whose Gram matrix is that of L at these points."""
        n, d, f = slopes.shape
        m = metric.shape[0]
        # What L is linear in at a point: the m·D slopes of F and its m values.
        one = torch.eye(m, dtype=slopes.dtype)
        along = torch.einsum("ndP,ce->ncPed", fields, one).reshape(n, m, -1, m * d)
        acting = torch.cat([along, -action.permute(0, 1, 3, 2)], 3)  # (n, c, P, mD + m)
        squares = torch.einsum("ncPu,cb,nbPv->nuv", acting, metric, acting)
        parts = torch.cat(
            [
                torch.einsum("ndf,ce->ncdfe", slopes, one).reshape(n, m * d, f * m),
                torch.einsum("nf,ce->ncfe", values, one).reshape(n, m, f * m),
            ],
            1,
        )
        return (_square_root(squares) @ parts).reshape(-1, f * m)


def _square_root(squares: Tensor) -> Tensor:
    """R with RᵀR = A for positive semidefinite A ``(n, u, u)``."""
    values, vectors = torch.linalg.eigh(squares)
    root: Tensor = values.clamp(min=0).sqrt()[:, :, None] * vectors.transpose(1, 2)
    return root
