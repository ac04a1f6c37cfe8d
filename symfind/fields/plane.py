"""(L_ξu)(p) = −ξ(p)·∇u(p): vector fields on the plane, and on the space of colours, acting on images.

The plane has its origin at the centre of the image, x to the right and y upwards, in units of half the longer side, so
that the image lies in [−1, 1]². Axis letters: n images, c channels, H × W pixels, p fields, d = H·W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.fields.polynomial import PolynomialFields, matrix_fields, monomial_exponents, polynomial_fields

STENCILS = ("sinc", "central", "smoothed")
# Pixels: wide enough that the corners of a rotated grid do not alias, small against the strokes of a digit.
_SMOOTHING = 1.0
# Runge–Kutta steps no longer than this fraction of a radian (or e-folding) keep paths true to 1e-6.
_STEP = 0.1


def derivative_stencil(n: int, stencil: str = "sinc") -> Tensor:
    """∂/∂s at n points of distance one, as a matrix ``(n, n)``; what lies beyond the border counts as zero.

    ``sinc``
        (−1)^{i−j}/(i−j): exact for band-limited signals.
    ``central``
        (u_{i+1} − u_{i−1})/2.
    ``smoothed``
        The derivative of a Gaussian one pixel wide, normalised to be exact for straight lines.

    Raises
    ------
    UsageError
        For another stencil.
    """
    if stencil not in STENCILS:
        raise UsageError(f"the stencil is {stencil!r}, expected one of {', '.join(STENCILS)}")
    offset = torch.arange(n, dtype=torch.float64)[:, None] - torch.arange(n, dtype=torch.float64)
    if stencil == "sinc":
        sign = 1.0 - 2.0 * (offset.abs() % 2)
        return torch.where(offset == 0, torch.zeros_like(offset), sign / torch.where(offset == 0, 1.0, offset))
    if stencil == "central":
        return 0.5 * ((offset == -1).double() - (offset == 1).double())
    reach = torch.arange(-8, 9, dtype=torch.float64)
    moment = (reach.square() * torch.exp(-0.5 * (reach / _SMOOTHING).square())).sum()
    return -offset * torch.exp(-0.5 * (offset / _SMOOTHING).square()) / moment


@dataclass(frozen=True)
class Grid:
    """Pixel centres of H × W images in the plane.

    Attributes
    ----------
    height, width
        In pixels.
    """

    height: int
    width: int

    @property
    def half(self) -> float:
        """Half the longer side, in pixels: the unit of length."""
        return max(self.height, self.width) / 2

    @cached_property
    def points(self) -> Tensor:
        """(x, y) of each pixel ``(H·W, 2)``, row by row."""
        y = -(torch.arange(self.height, dtype=torch.float64) - (self.height - 1) / 2) / self.half
        x = (torch.arange(self.width, dtype=torch.float64) - (self.width - 1) / 2) / self.half
        return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 2)

    def disc(self) -> Tensor:
        """Pixels within the largest circle, whose content no rotation carries out of the image, ``(H, W)``."""
        radius = min(self.height, self.width) / 2 / self.half
        inside: Tensor = self.points.norm(dim=1).reshape(self.height, self.width) <= radius
        return inside

    def gradient_stencils(self, stencil: str = "sinc") -> tuple[Tensor, Tensor]:
        """∂_x ``(W, W)``, applied to rows as u ∂_xᵀ, and ∂_y ``(H, H)``, applied to columns, per unit of length."""
        return self.half * derivative_stencil(self.width, stencil), -self.half * derivative_stencil(
            self.height, stencil
        )

    def gradient(self, images: Tensor, stencil: str = "sinc") -> Tensor:
        """∇u ``(…, 2, H, W)`` of images ``(…, H, W)``."""
        along_x, along_y = (m.to(images) for m in self.gradient_stencils(stencil))
        return torch.stack([images @ along_x.T, along_y @ images], -3)

    def sampled(self, images: Tensor, points: Tensor, beyond: str = "zeros") -> Tensor:
        """At points ``(H·W, 2)`` or ``(n, H·W, 2)`` by bilinear interpolation, ``(n, c, H, W)``.

        ``beyond`` the border there are ``zeros``, or the edge is repeated (``border``).
        """
        scale = torch.tensor([self.half / (self.width / 2), -self.half / (self.height / 2)]).to(points)
        at = (points * scale).to(images).reshape(-1, self.height, self.width, 2)
        at = at.expand(images.shape[0], -1, -1, -1)
        return torch.nn.functional.grid_sample(images, at, "bilinear", beyond, align_corners=False)


@dataclass(frozen=True)
class ImageFields:
    """Fields on the plane, on colours, or on both side by side.

    Attributes
    ----------
    name
        As given to ``--space``.
    fields
        On R², R^c or R^{2+c}: what the report prints and takes brackets of.
    plane, colour
        The parts; None where the space has none.
    """

    name: str
    fields: PolynomialFields
    plane: PolynomialFields | None
    colour: PolynomialFields | None

    @property
    def dim(self) -> int:
        """Number p of fields, those of the plane first."""
        return self.fields.dim

    def names(self) -> tuple[str, ...]:
        """Coordinates: x, y of the plane; r, g, b, or u of one channel, or u1 … uc."""
        out = () if self.plane is None else ("x", "y")
        if self.colour is None:
            return out
        c = self.colour.d
        own = {1: ("u",), 3: ("r", "g", "b")}.get(c, tuple(f"u{i + 1}" for i in range(c)))
        return (*out, *own)

    def split(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients ``(p, …)`` of the plane's fields and of the colours'."""
        count = 0 if self.plane is None else self.plane.dim
        return coefficients[:count], coefficients[count:]

    def derivative(self, images: Tensor, grid: Grid, stencil: str = "smoothed") -> Tensor:
        """The change of images ``(n, c, H, W)`` along each field, −ξ·∇u or η(u), ``(n, p, c, H, W)``."""
        parts = []
        if self.plane is not None:
            xi = self.plane.evaluate(grid.points).reshape(grid.height, grid.width, self.plane.dim, 2).to(images)
            slope = grid.gradient(images, stencil)  # (n, c, 2, H, W)
            parts.append(-torch.einsum("hwpa,ncahw->npchw", xi, slope))
        if self.colour is not None:
            n, c, h, w = images.shape
            values = images.permute(0, 2, 3, 1).reshape(-1, c)
            moved = self.colour.evaluate(values.double()).to(images)
            parts.append(moved.reshape(n, h, w, self.colour.dim, c).permute(0, 3, 4, 1, 2))
        return torch.cat(parts, 1)

    def moved(self, images: Tensor, grid: Grid, vector: Tensor, amount: float, beyond: str = "zeros") -> Tensor:
        """Images u ∘ exp(−tξ) with the colours moved by exp(tη), for one generator ``(p,)``, ``(n, c, H, W)``."""
        plane, colour = self.split(vector.double().cpu())
        out = images
        if self.plane is not None and bool((plane != 0).any()):
            out = grid.sampled(out, flowed(self.plane, plane, grid.points, -amount), beyond)
        if self.colour is not None and bool((colour != 0).any()):
            n, c, h, w = out.shape
            values = flowed(self.colour, colour, out.permute(0, 2, 3, 1).reshape(-1, c), amount).to(images)
            out = values.reshape(n, h, w, c).permute(0, 3, 1, 2)
        return out


def flowed(space: PolynomialFields, vector: Tensor, points: Tensor, amount: float) -> Tensor:
    """exp(tξ)(p) for points ``(n, d)``: a matrix exponential for affine fields, Runge–Kutta for others."""
    if space.degree <= 1:
        affine = torch.zeros(space.d + 1, space.d + 1, dtype=torch.float64)
        affine[:-1, :-1] = torch.einsum("pab,p->ab", space.jacobian(points[:1].double())[0], vector)
        affine[:-1, -1] = vector @ space.evaluate(torch.zeros(1, space.d, dtype=torch.float64))[0]
        moved = torch.linalg.matrix_exp(amount * affine).to(points)
        target: Tensor = points @ moved[:-1, :-1].T + moved[:-1, -1]
        return target
    slope = space.jacobian(points.double())
    rate = float(torch.einsum("npab,p->nab", slope, vector).flatten(1).norm(dim=1).max())
    steps = max(1, math.ceil(abs(amount) * rate / _STEP))
    h = amount / steps

    def velocity(at: Tensor) -> Tensor:
        return torch.einsum("npd,p->nd", space.evaluate(at), vector.to(at))

    at = points
    for _ in range(steps):
        k1 = velocity(at)
        k2 = velocity(at + h / 2 * k1)
        k3 = velocity(at + h / 2 * k2)
        k4 = velocity(at + h * k3)
        at = at + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return at


def image_space(name: str, channels: int) -> ImageFields:
    """The space called ``name``: ``image-affine``, ``image-polynomial:k``, ``colour``, or a plane space ``+colour``.

    Raises
    ------
    UsageError
        For another name, or a sum of two spaces of one kind.
    """
    plane: PolynomialFields | None = None
    colour: PolynomialFields | None = None
    for part in (text.strip() for text in name.split("+")):
        head, _, tail = part.partition(":")
        if part == "colour" and colour is None:
            colour = replace(polynomial_fields(channels, 1), name="colour")
        elif part == "image-affine" and plane is None:
            plane = replace(polynomial_fields(2, 1), name=part)
        elif part == "image-rotation" and plane is None:
            turn = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
            plane = replace(matrix_fields("so", turn), name=part)
        elif head == "image-polynomial" and plane is None and tail.isdigit() and 0 <= int(tail) <= 8:
            plane = replace(polynomial_fields(2, int(tail)), name=part)
        else:
            raise UsageError(
                f"the space of images is {name!r}; expected image-affine, image-polynomial:k (k from 0 to 8), "
                "image-rotation, colour, or one of these and colour joined by +"
            )
    parts = [p for p in (plane, colour) if p is not None]
    return ImageFields(name, side_by_side(name, parts), plane, colour)


def side_by_side(name: str, parts: Sequence[PolynomialFields]) -> PolynomialFields:
    """Fields of each part on its own factor of R^{d₁ + d₂}."""
    if len(parts) == 1:
        return replace(parts[0], name=name)
    d = sum(p.d for p in parts)
    degree = max(p.degree for p in parts)
    exponents = monomial_exponents(d, 0, degree)
    place = {tuple(alpha): i for i, alpha in enumerate(exponents.tolist())}
    table = torch.zeros(sum(p.dim for p in parts), len(place), d, dtype=torch.float64)
    row = column = 0
    for part in parts:
        for q, alpha in enumerate(part.exponents.tolist()):
            padded = (*[0] * column, *alpha, *[0] * (d - column - part.d))
            table[row : row + part.dim, place[padded], column : column + part.d] = part.table_of_fields[:, q]
        row, column = row + part.dim, column + part.d
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    return PolynomialFields(name, d, True, exponents, table, zero, one)
