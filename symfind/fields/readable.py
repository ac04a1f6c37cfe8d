"""ξ = A(x − c) + b in coordinates that suit the data: about a centre, in units by which its entries can be compared.

An entry counts by what it moves on the data, not by its size: with axes in units of 1e-2 and 1e2 a rotation has the
entries 1 and 1e-8, and far from the origin it is a translation but for the tenth digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fields.polynomial import PolynomialFields
from symfind.fields.space import VectorFieldSpace
from symfind.fields.typeset import DROPPED, latex_name, number_text, sum_text

# A mean this many spreads off hides what a field does about it in the digits of its constants.
_FAR = 20.0
# A direction of A in units of the spread below this share of the largest is none: it fixes no centre.
_RANK = 1e-2
# Spreads within this power of ten of one leave entries comparable as they are.
_COMPARABLE = 1.0
# Errors within which a centre is rounded: none of its few entries should miss by chance.
_WIDTH = 4.0


@dataclass(frozen=True)
class Readable:
    """x = c + s·u.

    Attributes
    ----------
    origin, unit
        c and s ``(d,)``; zero and one where the user's own coordinates do.
    fixed
        Whether c is the one point that the fields leave where it is.
    """

    origin: Tensor
    unit: Tensor
    fixed: bool

    @property
    def own(self) -> bool:
        """Whether these are the user's coordinates."""
        return bool((self.origin == 0).all() and (self.unit == 1).all())

    def rows(self, linear: Tensor, constant: Tensor) -> Tensor:
        """A ``(k, d, d)`` and b ``(k, d)`` as entries ``(k, d + d²)`` of the fields in u, ordered as their text."""
        a = linear * self.unit / self.unit[:, None]
        b = (constant + linear @ self.origin) / self.unit
        return torch.cat([b, a.transpose(1, 2).flatten(1)], 1)


def affine_entries(space: VectorFieldSpace, coefficients: Tensor) -> tuple[Tensor, Tensor] | None:
    """A ``(k, d, d)`` and b ``(k, d)`` of fields ``(p, k)``; None if the space is not affine."""
    if not isinstance(space, PolynomialFields) or space.degree > 1:
        return None
    exponents, tables = space.plain(coefficients)
    linear = tables.new_zeros(tables.shape[0], space.d, space.d)
    constant = tables.new_zeros(tables.shape[0], space.d)
    for alpha, row in zip(exponents.tolist(), tables.unbind(1), strict=True):
        if sum(alpha):
            linear[:, :, alpha.index(1)] = row
        else:
            constant = row
    return linear, constant


def readable(points: Tensor, linear: Tensor, constant: Tensor, noise: float, *, affine: bool) -> Readable:
    """Where fields ``(k, d, d)``, ``(k, d)`` are written down, for points ``(n, d)`` of the data.

    Parameters
    ----------
    noise
        Relative error of an entry in units of the spread.
    affine
        Whether the space has constants: otherwise the origin is where it is.
    """
    d = points.shape[1]
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    if points.shape[0] < 2:
        return Readable(zero, one, False)
    mean, spread = points.mean(0), points.std(0, correction=0)
    spread = torch.where(spread > 0, spread, one)
    origin, fixed = zero, False
    if affine:
        centre = _fixed_point(linear, constant, mean, spread, noise)
        fixed = centre is not None
        far = torch.where(mean.abs() > _FAR * spread, mean, zero)
        origin = _rounded(far, spread) if centre is None else _rounded(centre, _WIDTH * noise * spread)
    size = ((points - origin).square().mean(0)).sqrt().clamp(min=1e-300)
    size = torch.where(size > 1e-290, size, one)
    powers = size.log10()
    unit = 10.0 ** powers.round() if bool((powers.abs() > _COMPARABLE).any()) else one
    return Readable(origin, unit, fixed)


def _fixed_point(linear: Tensor, constant: Tensor, mean: Tensor, spread: Tensor, noise: float) -> Tensor | None:
    """C with A c + b = 0 for all fields, if there is one and no other; 0 along axes that no field depends on."""
    a = (linear * spread / spread[:, None]).flatten(0, 1)
    b = ((constant + linear @ mean) / spread).flatten()
    size = float(torch.cat([a.flatten(), b]).norm())
    columns = a.norm(dim=0) > _RANK * a.norm(dim=0).max()
    if size == 0 or not bool(columns.any()) or float(a.norm()) < _RANK * size / 100:
        return None
    u, sigma, vh = torch.linalg.svd(a[:, columns], full_matrices=False)
    if float(sigma.min()) < _RANK * float(sigma.max()):
        return None
    away = -(vh.T @ ((u.T @ b) / sigma))
    if float((a[:, columns] @ away + b).norm()) > max(10 * noise, 1e-6) * size:
        return None
    out = torch.where(mean.abs() > _FAR * spread, mean, torch.zeros_like(mean))
    out[columns] = mean[columns] + spread[columns] * away
    return out


def _rounded(value: Tensor, error: Tensor) -> Tensor:
    """The shortest decimal number within ± error of each entry."""
    out = []
    for v, e in zip(value.tolist(), error.tolist(), strict=True):
        digits = next((n for n in range(-12, 17) if abs(round(v, n) - v) <= max(e, 1e-9 * abs(v))), 17)
        out.append(round(v, digits))
    return torch.tensor(out, dtype=torch.float64) + 0.0  # −0 is 0


def centre_text(value: float, spread: float) -> str:
    """A coordinate to a thousandth of the spread of the data."""
    short = number_text(value)
    if abs(float(short) - value) <= 1e-3 * spread:
        return short
    digits = max(4, math.ceil(math.log10(abs(value) / spread)) + 4)
    return f"{value:.{min(digits, 17)}g}"


def affine_text(
    linear: Tensor, constant: Tensor, points: Tensor, coordinates: Sequence[str], *, affine: bool, latex: bool = False
) -> str:
    """One field A ``(d, d)``, b ``(d,)`` as ``y ∂x − (x − 5) ∂y``; what moves nothing on the data is left out."""
    where = readable(points, linear[None], constant[None], 1e-9, affine=affine)
    c = where.origin
    spread = points.std(0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    size = (points - c).square().mean(0).sqrt()
    moved = linear * size / spread[:, None]
    rest = constant + linear @ c
    largest = max(float(moved.abs().max()), float((rest / spread).abs().max()))
    minus = "-" if latex else "−"
    terms: list[tuple[float, str]] = []

    def direction(i: int) -> str:
        name = coordinates[i]
        return rf"\partial_{{{latex_name(name)}}}" if latex else f"∂{name}"

    for i in range(len(coordinates)):
        if abs(float(rest[i] / spread[i])) > DROPPED * largest:
            terms.append((float(rest[i]), direction(i)))
    for j, name in enumerate(coordinates):
        symbol = latex_name(name) if latex else name
        at = float(c[j])
        if at:
            symbol = f"({symbol} {minus if at > 0 else '+'} {centre_text(abs(at), float(spread[j]))})"
        for i in range(len(coordinates)):
            if abs(float(moved[i, j])) > DROPPED * largest:
                terms.append((float(linear[i, j]), f"{symbol} {direction(i)}"))
    return sum_text(terms, latex=latex, dropped=0.0)
