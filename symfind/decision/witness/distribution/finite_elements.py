"""exp(Σ t_a ξ_a)·x for affine fields: finite elements of the group that an algebra generates, and their orbits.

A field x ↦ Ax + b with eigenvalues iω turns the complex coordinates z = v·(x − c), v a left eigenvector and c a point
that it fixes: its orbit is known by |z| and by what it does not move, the place on it by arg z. Axis letters: n rows,
D coordinates of a row, K fields, m planes that turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fields.space import VectorFieldSpace, finite_fields

# Values of a field that is affine differ from Ax + b by rounding times the size of what was evaluated.
_AFFINE = 1e-7
# A plane that turns this much slower than the fastest is at rest: errors of a field make every plane turn a little
# (0.02 at 5,000 rows), and no small group has charges of 1 and 20.
AT_REST = 0.05
# Real parts above this share of the largest eigenvalue are no error of a field: what turns once would change its size
# by a factor of two.
_SPIRAL = 0.1
# Elements are products of this many one-parameter elements, each all around its torus: by the third a class of so(3)
# is spread as Haar's measure to 2 %.
_FACTORS = 3
# Covectors of a turn in oblique coordinates have a condition of a hundred; those of a nearly nilpotent field far more.
_SHEAR = 1e5
# Runge–Kutta steps of a flow as long as the data are wide, and where what blows up is put, in spreads.
_STEPS, _AWAY = 24, 1e3
_TURNS = 1


@dataclass(frozen=True)
class AffineRows:
    """Fields ξ_a(x) = A_a x + b_a on rows.

    Attributes
    ----------
    a
        ``(K, D, D)``.
    b
        ``(K, D)``.
    """

    a: Tensor
    b: Tensor

    @staticmethod
    def of(space: VectorFieldSpace, vectors: Tensor, x: Tensor, objects: tuple[int, int]) -> AffineRows | None:
        """The fields with coefficients ``(p, K)`` on rows ``(n, k·d)`` of k objects; None if they are not affine."""
        k, d = objects
        points = x[:200].reshape(-1, d)
        mean, spread = points.mean(0), points.std(0).clamp(min=1e-300)
        corners = torch.cat([mean[None], mean + torch.diag(spread)])
        at = torch.einsum("npd,pK->nKd", finite_fields(space, corners), vectors)
        a = ((at[1:] - at[0]) / spread[:, None, None]).permute(1, 2, 0)  # (K, d, d)
        b = at[0] - a @ mean
        found = torch.einsum("npd,pK->nKd", finite_fields(space, points), vectors)
        away = found - torch.einsum("Kab,nb->nKa", a, points) - b
        if float(away.abs().max()) > _AFFINE * float(found.abs().max()):
            return None
        eye = torch.eye(k, dtype=a.dtype)
        return AffineRows(torch.stack([torch.kron(eye, m.contiguous()) for m in a]), b.repeat(1, k))

    def in_coordinates(self, mean: Tensor, whiten: Tensor, colour: Tensor) -> AffineRows:
        """The same fields for u = T(x − mean), with T ``(r, D)`` and its inverse on the support ``(D, r)``."""
        return AffineRows(whiten @ self.a @ colour, (self.a @ mean + self.b) @ whiten.T)

    def combination(self, t: Tensor) -> AffineRows:
        """Σ_a t_a ξ_a for coefficients ``(s, K)``."""
        return AffineRows(torch.einsum("sk,kab->sab", t, self.a), t @ self.b)

    @property
    def count(self) -> int:
        """Number K of fields."""
        return self.a.shape[0]


@dataclass(frozen=True)
class Torus:
    """The closure of one flow exp(tξ), as coordinates of a row.

    Attributes
    ----------
    centre
        A point ``(D,)`` that ξ fixes.
    planes
        Left eigenvectors ``(m, D)``, complex: z_j = v_j·(x − c) turns by e^{iω_j t}.
    speeds
        ω ``(m,)``, of which the largest is one.
    rest
        Real coordinates that do not move ``(D − 2m, D)``.
    back
        ``(D, m)``, complex: x − c = 2 Re(back·z) + what does not move.
    """

    centre: Tensor
    planes: Tensor
    speeds: Tensor
    rest: Tensor
    back: Tensor


def torus_of(a: Tensor, b: Tensor) -> Torus | None:
    """The torus of the flow of x ↦ Ax + b; None if the flow is not bounded."""
    values, vectors = torch.linalg.eig(a.T)
    size = float(values.abs().max())
    if size == 0 or float(values.real.abs().max()) > _SPIRAL * size:
        return None
    turning = values.imag > AT_REST * size
    resting = values.imag.abs() <= AT_REST * size
    planes = vectors[:, turning].T
    # What does not move is the left null space of what does: real, and of full rank also where a slow pair is complex.
    slow = torch.cat([vectors[:, resting].real, vectors[:, resting].imag], 1)
    u, sigma, _ = torch.linalg.svd(slow, full_matrices=False)
    rest = u[:, : int(resting.sum())].T
    # Planes, their conjugates and what rests are a basis of the covectors; a shear has none.
    covectors = torch.cat([planes, planes.conj(), rest.to(planes)])
    if covectors.shape[0] != covectors.shape[1] or float(torch.linalg.cond(covectors)) > _SHEAR:
        return None
    back = torch.linalg.inv(covectors)[:, : planes.shape[0]]
    # z moves as (λ)(z − z₀) with z₀ = −v·b/λ: the centre solves v·c = z₀ in every plane that turns.
    target = -(planes @ b.to(planes)) / values[turning]
    rows = torch.cat([planes.real, planes.imag])
    centre = torch.linalg.lstsq(rows, torch.cat([target.real, target.imag])[:, None], driver="gelsd").solution[:, 0]
    if float((a @ centre + b).norm()) > _SPIRAL * size * max(1.0, float(centre.norm())):
        return None  # it drifts along what it does not turn
    return Torus(centre, planes, values.imag[turning] / size, rest, back)


def turned(torus: Torus, amount: Tensor, x: Tensor) -> Tensor:
    """Rows ``(n, D)`` turned by ``amount`` ``(n,)`` in units of 1/ω_max."""
    z = (x - torus.centre).to(torus.planes) @ torus.planes.T
    step = torch.exp(1j * amount[:, None] * torus.speeds) - 1
    shift: Tensor = ((z * step) @ torus.back.T).real
    return x + 2 * shift


def flow_images(
    velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, coefficients: Tensor, amount: Tensor
) -> Tensor:
    """Rows ``(n, D)`` moved by exp(tξ), ξ of coefficients ``(n, K)`` and t ``(n,)``, in Runge–Kutta steps.

    What runs away is held at a distance at which nothing else is.
    """
    step = (amount / _STEPS)[:, None]
    for _ in range(_STEPS):
        k1 = velocity(x, coefficients)
        k2 = velocity(x + step / 2 * k1, coefficients)
        k3 = velocity(x + step / 2 * k2, coefficients)
        k4 = velocity(x + step * k3, coefficients)
        x = torch.nan_to_num(x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4), nan=_AWAY).clamp(-_AWAY, _AWAY)
    return x


def random_tori(fields: AffineRows, count: int, generator: torch.Generator) -> list[Torus]:
    """Tori of random combinations of the fields, which are taken to be of equal size; those that are bounded."""
    t = torch.randn(count, fields.count, generator=generator, dtype=fields.a.dtype)
    mixed = fields.combination(t)
    found = (torus_of(a, b) for a, b in zip(mixed.a, mixed.b, strict=True))
    return [torus for torus in found if torus is not None]


def rows_moved(x: Tensor, tori: list[Torus], elements: int, generator: torch.Generator) -> Tensor:
    """Each row ``(n, D)`` moved by a random element: one of ``elements`` products of turns of the tori, or its inverse.

    An element is as likely as its inverse, so that where the distribution is kept a row and its image are exchangeable.
    """
    n = x.shape[0]
    out = torch.empty_like(x)
    which = torch.randint(elements, (n,), generator=generator)
    for e in range(elements):
        rows = (which == e).nonzero()[:, 0]
        if rows.numel() == 0:
            continue
        chosen = torch.randint(len(tori), (_FACTORS,), generator=generator).tolist()
        turns = torch.rand(_FACTORS, generator=generator, dtype=x.dtype) * (2 * math.pi * _TURNS)
        back = torch.rand(rows.shape[0], generator=generator) < 0.5
        for part, order, sign in ((rows[~back], range(_FACTORS), 1.0), (rows[back], reversed(range(_FACTORS)), -1.0)):
            at = x[part]
            for f in order:
                at = turned(tori[chosen[f]], sign * turns[f].expand(at.shape[0]), at)
            out[part] = at
    return out
