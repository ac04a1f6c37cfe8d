"""(L_ξF)(x) = dF(x)·ξ_X(x) − ξ_Y(x)·F(x): the bilinear map, as rows of the pair (M, S).

‖Mc‖² is E‖L_ξF‖²_H and ‖Sc‖² the denominator of the relative defect (DESIGN §2), both over the rows given, for
ξ = Σ cᵢξᵢ. Axis letters: n points, k objects of dimension d in x, k′ objects of dimension m in y, p fields,
q further unknowns of the output action, P = p + q.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.fields.polynomial import PolynomialFields
from symfind.fields.space import HoldsConstants, VectorFieldSpace, finite_fields
from symfind.fits.geometry import Geometry
from symfind.linalg.nullspace import Pencil
from symfind.models.differentiable_map import DifferentiableMap

# Numbers held at once while rows are made: 2²³ doubles are 64 MB, and a handful of such arrays is alive.
_BUDGET = 2**23
# A field minus its mean, relative to the mean: sums of up to 10⁷ equal numbers are that accurate.
_ROUNDING = 1e-13


class OutputAction(Protocol):
    """ξ_Y: how a generator acts on y.

    Attributes
    ----------
    name
        As in ``--output-action``, or the action that the kind of the data implies.
    extra
        Number q of unknowns beside the coefficients of ξ.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def extra(self) -> int: ...  # noqa: D102

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor | None:
        """ξ_Y·F for each unknown: x ``(n, k, d)``, y ``(n, k′, m)`` → ``(n, k′, m, P)``; None for zero."""
        ...

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor | None:
        """The constant matrix by which the generator acts on y, where there is one."""
        ...


@dataclass(frozen=True)
class Invariant:
    """ξ_Y = 0: the output does not change."""

    name: str = "invariant"
    extra: int = 0

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> None:
        """No action."""
        return None

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> None:
        """No action."""
        return None


@dataclass(frozen=True)
class Same:
    """ξ_Y·y = dξ_X(x)·y: the output is a vector that turns with the input."""

    name: str = "same"
    extra: int = 0

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """dξᵢ(x)·y; with several objects each y goes with its own x, or all with the first if there is one x."""
        return _derivative_along(space, x, y)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor | None:
        """A of ξ = A(x − μ) + b; None for a field of higher degree."""
        return constant_slope(space, coefficients)


@dataclass(frozen=True)
class Free:
    """ξ_Y·y = By with B ∈ gl(m) unknown."""

    m: int
    name: str = "free"

    @property
    def extra(self) -> int:
        """m² unknowns."""
        return self.m * self.m

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """E_ab y for a, b = 1 … m behind p zero columns."""
        n, objects, m = y.shape
        out = y.new_zeros(n, objects, m, m, m)
        for a in range(m):
            out[:, :, a, a, :] = y
        return torch.cat([y.new_zeros(n, objects, m, space.dim), out.reshape(n, objects, m, m * m)], -1)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor:
        """B ``(m, m)``."""
        return coefficients[space.dim :].reshape(self.m, self.m)


@dataclass(frozen=True)
class Bracket:
    """ξ_Y·F = dξ·F + cF: point symmetries of dx/dt = F(x), c a rescaling of time (reported as c t ∂t)."""

    name: str = "bracket"
    extra: int = 1

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """dξᵢ(x)·F and F itself."""
        return torch.cat([_derivative_along(space, x, y), y[..., None]], -1)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor:
        """The rescaling of time c as a 1 × 1 matrix."""
        return coefficients[space.dim :].reshape(1, 1)


@dataclass(frozen=True)
class Commuting:
    """ξ_Y·F = ξ(F(x)): maps whose flow commutes with one step of a dynamics."""

    name: str = "commuting"
    extra: int = 0

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """ξᵢ(F(x))."""
        n, objects, d = y.shape
        return space.evaluate(y.reshape(-1, d)).reshape(n, objects, -1, d).transpose(-1, -2)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> None:
        """The action is ξ itself."""
        return None


def _derivative_along(space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
    n, objects, d = y.shape
    at = x if x.shape[1] == objects else x[:, :1].expand(n, objects, d)
    return space.along(at.reshape(-1, d), y.reshape(-1, d)).reshape(n, objects, -1, d).transpose(-1, -2)


def constant_slope(space: VectorFieldSpace, coefficients: Tensor) -> Tensor | None:
    """∂ξ/∂x ``(d, d)`` where it is the same everywhere (linear and affine fields), else None."""
    probe = torch.stack([torch.zeros(space.d), torch.linspace(1.0, 2.0, space.d), -torch.ones(space.d)]).double()
    slopes = torch.einsum("npab,p->nab", space.jacobian(probe), coefficients[: space.dim].double().cpu())
    if not bool(torch.isfinite(slopes).all()):  # 1/x, log x
        return None
    if float((slopes - slopes[0]).abs().max()) > 1e-9 * float(slopes.abs().max()):
        return None
    return slopes[0]


@dataclass(frozen=True)
class LieDerivative:
    """L: (ξ, F) ↦ L_ξF for one F and a space of ξ, with the metrics it is measured in.

    Attributes
    ----------
    map
        F; its rows are flattened to ``(k, d)`` objects here.
    space, action
        The candidates for ξ_X and what they do to y.
    geometry
        G, H and the support.
    objects
        ``(k, d)`` of x.
    output_objects
        ``(k′, m)`` of y.
    field_mean
        E[G^{-1/2}ξᵢ] ``(p, r)``, taken off in S; None for a space with constant fields.
    live
        ``(d, d)``: takes off a displacement of an object what F does not depend on; None where F depends on all.
    against_value
        Whether fields are measured against F beside dF: a constant tensor has no slope, and symmetries all the same.
    """

    map: DifferentiableMap
    space: VectorFieldSpace
    action: OutputAction
    geometry: Geometry
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    field_mean: Tensor | None = None
    live: Tensor | None = None
    against_value: bool = False

    @property
    def unknowns(self) -> int:
        """P = p + q."""
        return self.space.dim + self.action.extra

    @property
    def rows_at_once(self) -> int:
        """How many points fit the memory budget."""
        k, d = self.objects
        k_out, m = self.output_objects
        width = max(k, 1) * self.unknowns * max(d, k_out * m) + k_out * m * k * d * 4
        return max(1, min(8192, _BUDGET // max(width, 1)))

    def pencil(self, x: Tensor) -> Pencil:
        """Rows of (M, S) at points x ``(n, *input_shape)``, point by point."""
        parts = [self._pencil(part) for part in torch.split(x, self.rows_at_once)]
        return parts[0] if len(parts) == 1 else Pencil(torch.cat([p.m for p in parts]), torch.cat([p.s for p in parts]))

    def _pencil(self, x: Tensor) -> Pencil:
        y, jacobian = self.map.value_and_jacobian(x)
        return self.rows(x, y, jacobian)

    def rows(self, x: Tensor, y: Tensor, jacobian: Tensor) -> Pencil:
        """Rows of (M, S) from values y ``(n, k′m)`` and dF ``(n, k′m, kd)`` at x."""
        numerator, weight, fibre = self._parts(x, y, jacobian)
        s = self._field_rows(x.reshape(-1, *self.objects), weight)
        s = torch.cat([s, s.new_zeros(*s.shape[:2], self.action.extra)], 2)
        return Pencil(numerator, s if fibre is None else torch.cat([s, fibre], 1))

    def _parts(self, x: Tensor, y: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows of M, the weight ‖dF‖/√D of the fields in S ``(n,)``, and the rows of S that belong to ξ_Y."""
        points = x.reshape(-1, *self.objects)
        n = points.shape[0]
        numerator, slope = self.transport(points, jacobian)
        h = self.geometry.outputs.shape[1]
        k_out, m = self.output_objects
        columns = self.action.columns(self.space, points, y.reshape(n, k_out, m))
        if self.against_value:
            slope = slope + self.measured(y).square().sum(1)
        weight = (slope / max(self.geometry.rank, 1)).sqrt()
        if columns is None:
            return numerator, weight, None
        fibre = torch.einsum("nkmP,mh->nkhP", columns, self.geometry.outputs)
        fibre = fibre.reshape(n, k_out * h, self.unknowns)
        return numerator - fibre, weight, fibre

    def measured(self, y: Tensor) -> Tensor:
        """H^{1/2}y ``(n, k′h)`` for values ``(n, k′m)``."""
        return (y.reshape(-1, *self.output_objects) @ self.geometry.outputs).flatten(1)

    @property
    def monomials(self) -> int | None:
        """Number q of monomials if S separates into (monomials) ⊗ (directions): all fields z^α ∂_a, full support."""
        if not isinstance(self.space, PolynomialFields) or self.geometry.support is not None:
            return None
        p, q, d = self.space.table_of_fields.shape
        return q if p == q * d else None

    def separated(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows of M ``(n, r_m, P)``, weighted monomials ``(n·k, q)``, and the rows of S that belong to ξ_Y.

        The rows of S that belong to ξ_X are w(x) z^α ⊗ G^{-1/2}, so that a factor of the q columns w z^α makes a factor
        of S (:meth:`lifted`) in a small share of the time.
        """
        assert isinstance(self.space, PolynomialFields)
        m, weight, fibre = self._parts(x, *self.map.value_and_jacobian(x))
        k, d = self.objects
        z = self.space.monomials(x.reshape(-1, d))
        if not bool(torch.isfinite(z).all()):
            finite_fields(self.space, x.reshape(-1, d))  # raises
        if self.field_mean is not None:
            z = about_mean(z, self._monomial_mean(self.space).to(z))
        return m, z * weight.repeat_interleave(k)[:, None], fibre

    def _monomial_mean(self, space: PolynomialFields) -> Tensor:
        """E z^α ``(q,)`` from the means of the fields."""
        assert self.field_mean is not None
        p, q, d = space.table_of_fields.shape
        units = self._unit_rows(space)  # (q, r, p)
        system = units.permute(2, 1, 0).reshape(-1, q)
        mean: Tensor = torch.linalg.lstsq(system, self.field_mean.to(system).reshape(-1, 1), driver="gelsd").solution
        return mean[:, 0]

    def _unit_rows(self, space: PolynomialFields) -> Tensor:
        """G^{-1/2}ξᵢ ``(q, r, p)`` for each monomial alone."""
        whiten = self.geometry.inputs.whiten.cpu()
        whiten = whiten if self.live is None else whiten @ self.live.cpu()
        return torch.einsum("pqd,rd->qrp", space.table_of_fields, whiten)

    def lifted(self, factor: Tensor) -> Tensor:
        """Rows ``(f·r, P)`` with the Gram matrix of ξ_X's rows of S, from a factor ``(f, q)`` of the monomials."""
        assert isinstance(self.space, PolynomialFields)
        rows = torch.einsum("fq,qrp->frp", factor, self._unit_rows(self.space).to(factor)).flatten(0, 1)
        return torch.cat([rows, rows.new_zeros(rows.shape[0], self.action.extra)], 1)

    def transport(self, points: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        """H^{1/2}dF·ξᵢ ``(n, k′h, P)``, zero for the q further unknowns, and ‖dF‖²_{G→H} ``(n,)``."""
        geometry = self.geometry
        n, k, d = points.shape
        k_out, m = self.output_objects
        measured = torch.einsum("nomj,mh->nohj", jacobian.reshape(n, k_out, m, k * d), geometry.outputs)
        measured = measured.reshape(n, -1, k, d)
        if self.live is not None:
            measured = measured @ self.live
        whitened = (measured @ geometry.inputs.colour).flatten(2)  # (n, k′h, k·r)
        if geometry.support is not None:
            whitened = whitened @ geometry.support
            slope = whitened.square().sum((1, 2))
            measured = (whitened @ geometry.support.T).reshape(*measured.shape[:3], -1) @ geometry.inputs.whiten
            if self.live is not None:
                measured = measured @ self.live
        else:
            slope = whitened.square().sum((1, 2))
        covectors = measured.transpose(1, 2).reshape(n * k, -1, d)
        pushed = self.space.push(points.reshape(n * k, d), covectors)
        pushed = pushed.reshape(n, k, -1, self.space.dim).sum(1)  # (n, k′h, p)
        return torch.cat([pushed, pushed.new_zeros(*pushed.shape[:2], self.action.extra)], -1), slope

    def _field_rows(self, points: Tensor, weight: Tensor) -> Tensor:
        """The rows w · G^{-1/2}(ξᵢ − Eξᵢ) on the support, ``(n, D, p)``."""
        n, k, d = points.shape
        xi = finite_fields(self.space, points.reshape(n * k, d))
        if self.live is not None:
            xi = xi @ self.live.T
        white = torch.einsum("npd,rd->npr", xi, self.geometry.inputs.whiten)
        if self.field_mean is not None:
            white = about_mean(white, self.field_mean)
        white = white.reshape(n, k, self.space.dim, -1).transpose(1, 2).reshape(n, self.space.dim, -1)
        if self.geometry.support is not None:
            white = white @ self.geometry.support
        return (white * weight[:, None, None]).transpose(1, 2)


def about_mean(white: Tensor, mean: Tensor) -> Tensor:
    """ξ − Eξ for whitened fields ``(…, r)``, zero where it is rounding: a constant coordinate times ∂ is constant."""
    centred = white - mean
    return torch.where(centred.abs() > _ROUNDING * mean.abs(), centred, torch.zeros_like(centred))


def field_mean(space: VectorFieldSpace, geometry: Geometry, points: Tensor, live: Tensor | None) -> Tensor | None:
    """E[G^{-1/2}ξᵢ] ``(p, r)`` over points ``(n, k, d)``; None for a space that holds the constant fields.

    Without constants in the space a scaling seen from far away is nearly a translation, and its defect would be
    judged against that translation's size (DESIGN §2).
    """
    if space.has_constants:
        return None
    total = torch.zeros(space.dim, geometry.inputs.rank, dtype=torch.float64, device=points.device)
    flat = points.reshape(-1, points.shape[-1])
    for part in torch.split(flat, max(1, _BUDGET // (space.dim * space.d))):
        xi = space.evaluate(part) if live is None else space.evaluate(part) @ live.T
        total += torch.einsum("npd,rd->pr", xi, geometry.inputs.whiten)
    mean = total / flat.shape[0]
    if isinstance(space, HoldsConstants):  # along constants in the span a field may move all points alike
        kept = torch.linalg.qr(geometry.inputs.whiten @ space.constant_directions().to(mean)).Q
        mean = mean - mean @ kept @ kept.T
    return mean
