"""x′ = x ∘ exp(−tξ): the plane field ξ that carries images to their partners, from coarse to fine.

Both images are blurred by a Gaussian that narrows from stage to stage; at each the field is improved by Gauss–Newton
steps on the squared difference. Axis letters: n images, c channels, P = H·W pixels, p fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fields.plane import Grid, ImageFields, flowed
from symfind.fields.polynomial import PolynomialFields
from symfind.kinds.pairs.settings import SETTINGS

# Widths of the Gaussians as a share of the shorter side; ``SETTINGS.finest`` comes after them.
_WIDTHS = (0.2, 0.125, 0.08)
_STEPS = 8
# Images that are turned to start from, and those that are moved at once.
_COARSE = 64
_CHUNK = 128


@dataclass(frozen=True)
class Registration:
    """Fields that were fitted, and what they leave.

    Attributes
    ----------
    coefficients
        ``(p,)`` of one field for all, or ``(n, p)``, one for each image.
    information
        Σ JᵀJ ``(p, p)`` or ``(n, p, p)``: the inverse covariance of the coefficients, but for the noise.
    """

    coefficients: Tensor
    information: Tensor


def blurred(images: Tensor, width: float) -> Tensor:
    """Images ``(…, H, W)`` after a Gaussian of ``width`` pixels; zero beyond the border."""
    along, down = (_kernel(n, width).to(images) for n in (images.shape[-1], images.shape[-2]))
    return down @ images @ along.T


def _kernel(n: int, width: float) -> Tensor:
    offset = torch.arange(n, dtype=torch.float64)[:, None] - torch.arange(n, dtype=torch.float64)
    return torch.exp(-0.5 * (offset / width).square()) / (width * math.sqrt(2 * math.pi))


class PlaneFlow:
    """Points exp(−ξ)(p) of the pixels for fields ξ = Σ vᵢξᵢ, and the derivative by v; g fields at once."""

    def __init__(self, fields: PolynomialFields, grid: Grid) -> None:
        self.fields, self.grid = fields, grid
        origin = torch.zeros(1, 2, dtype=torch.float64)
        self._matrices = torch.zeros(fields.dim, 3, 3, dtype=torch.float64)
        self._matrices[:, :2, :2] = fields.jacobian(origin)[0]
        self._matrices[:, :2, 2] = fields.evaluate(origin)[0]
        self._pixels = torch.cat([grid.points, torch.ones_like(grid.points[:, :1])], 1)

    def points(self, vectors: Tensor) -> Tensor:
        """Where the pixels come from, ``(g, P, 2)``, for fields ``(g, p)``."""
        if self.fields.degree > 1:
            return torch.stack([flowed(self.fields, v, self.grid.points, -1.0) for v in vectors])
        moved = torch.linalg.matrix_exp(-torch.einsum("gp,pab->gab", vectors, self._matrices))
        points: Tensor = torch.einsum("Pb,gab->gPa", self._pixels, moved[:, :2])
        return points

    def slope(self, vectors: Tensor) -> Tensor:
        """∂/∂v ``(g, P, 2, p)``."""
        if self.fields.degree > 1:
            # Central differences are exact to 1e-8 here: the flow is smooth in v.
            h = 1e-4
            units = h * torch.eye(self.fields.dim, dtype=torch.float64)
            return torch.stack([(self.points(vectors + u) - self.points(vectors - u)) / (2 * h) for u in units], -1)
        # exp of ((C, E), (0, C)) holds the derivative of exp at C along E in its corner.
        g, p = vectors.shape
        c = -torch.einsum("gp,pab->gab", vectors, self._matrices)
        block = torch.zeros(g, p, 6, 6, dtype=torch.float64)
        block[..., :3, :3] = block[..., 3:, 3:] = c[:, None]
        block[..., :3, 3:] = -self._matrices
        corner = torch.linalg.matrix_exp(block)[..., :2, 3:]  # (g, p, 2, 3)
        return torch.einsum("Pb,gpab->gPap", self._pixels, corner)


def measured(grid: Grid, points: Tensor, margin: float) -> Tensor:
    """Pixels ``(…, P)`` of the disc whose points of origin ``(…, P, 2)`` lie inside the image by ``margin`` pixels."""
    limits = torch.tensor([grid.width / 2, grid.height / 2], dtype=points.dtype) - margin
    radius = min(grid.height, grid.width) / 2 - margin
    inside = (points.abs() * grid.half <= limits).all(-1)
    keep: Tensor = inside & (grid.points.norm(dim=1) * grid.half <= max(radius, 1.0))
    return keep


def register_together(x: Tensor, moved: Tensor, amounts: Tensor, space: ImageFields, grid: Grid) -> Registration:
    """One field for all images ``(n, c, H, W)``, the i-th moved by the known amount t_i."""
    assert space.plane is not None
    flow = PlaneFlow(space.plane, grid)
    state = _start(x, moved, amounts, flow)
    information = torch.zeros(1, space.dim, space.dim, dtype=torch.float64)
    widths = _stages(grid)
    for width in widths:
        # Coarse images have few details: a few of them say as much.
        some = slice(0, _COARSE if width > widths[-1] else None)
        state, information = _improved(x[some], moved[some], amounts[some], flow, state, width)
    return Registration(state[0], information[0])


def register_apart(x: Tensor, moved: Tensor, space: ImageFields, grid: Grid) -> Registration:
    """A field of its own for each image, for amounts that are not known: the logarithms of n transformations."""
    assert space.plane is not None
    flow = PlaneFlow(space.plane, grid)
    one = torch.ones(len(x), dtype=torch.float64)
    state = _start(x, moved, one, flow, apart=True)
    information = torch.zeros(len(x), space.dim, space.dim, dtype=torch.float64)
    for width in _stages(grid):
        state, information = _improved(x, moved, one, flow, state, width)
    return Registration(state, information)


def differences(x: Tensor, moved: Tensor, vectors: Tensor, space: ImageFields, grid: Grid) -> tuple[Tensor, Tensor]:
    """‖x′ − x ∘ exp(−ξ)‖² and ‖x′ − x‖² of each image ``(n,)``, for its own field ``(n, p)``, where it is measured."""
    assert space.plane is not None
    flow = PlaneFlow(space.plane, grid)
    left, whole, width = [], [], SETTINGS.resolution
    unique, which = torch.unique(vectors, dim=0, return_inverse=True)
    for rows in torch.split(torch.arange(len(x)), _CHUNK):
        a, b = blurred(x[rows], width), blurred(moved[rows], width)
        points = flow.points(unique)[which[rows]] if len(unique) == 1 else flow.points(unique[which[rows]])
        keep = measured(grid, points, _margin(grid, width)).to(x)[:, None]
        left.append((((b - grid.sampled(a, points)).flatten(2) * keep).square()).sum((1, 2)))
        whole.append((((b - a).flatten(2) * keep).square()).sum((1, 2)))
    return torch.cat(left), torch.cat(whole)


def interpolation_floor(x: Tensor, vectors: Tensor, space: ImageFields, grid: Grid) -> float:
    """What interpolation alone leaves: ‖x − (x moved forth by ξ/2 and back)‖ over ‖x moved by ξ − x‖, both blurred."""
    assert space.plane is not None
    flow = PlaneFlow(space.plane, grid)
    ahead, behind = flow.points(vectors / 2), flow.points(-vectors / 2)
    half = grid.sampled(x, ahead)
    width = SETTINGS.resolution
    a = blurred(x, width)
    keep = measured(grid, ahead, _margin(grid, width)).to(x)[:, None]
    lost = (blurred(grid.sampled(half, behind), width) - a).flatten(2) * keep
    size = (blurred(grid.sampled(half, ahead), width) - a).flatten(2) * keep
    return float(lost.norm() / size.norm().clamp(min=1e-300))


def turning(fields: PolynomialFields) -> Tensor | None:
    """Coefficients ``(p,)`` of x ∂y − y ∂x, if the span holds it."""
    probe = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, -0.7], [-0.5, 0.2]], dtype=torch.float64)
    wanted = torch.stack([-probe[:, 1], probe[:, 0]], -1).flatten()
    columns = fields.evaluate(probe).transpose(1, 2).reshape(-1, fields.dim)
    solution: Tensor = torch.linalg.lstsq(columns, wanted[:, None], driver="gelsd").solution[:, 0]
    return solution if float((columns @ solution - wanted).norm()) < 1e-9 else None


def _margin(grid: Grid, width: float) -> float:
    """Pixels at the border that a blur fills from beyond it; in small images no more than leaves a disc."""
    return min(2 * width, min(grid.height, grid.width) / 5)


def _stages(grid: Grid) -> list[float]:
    side = min(grid.height, grid.width)
    return [*dict.fromkeys([*(max(share * side, SETTINGS.finest) for share in _WIDTHS), SETTINGS.finest])]


def _start(x: Tensor, moved: Tensor, amounts: Tensor, flow: PlaneFlow, *, apart: bool = False) -> Tensor:
    """No motion, or the turn that brings coarse images closest: ``(1, p)`` for all, ``(n, p)`` for each."""
    turn = turning(flow.fields)
    if turn is None:
        return torch.zeros(len(x) if apart else 1, flow.fields.dim, dtype=torch.float64)
    typical = float(amounts.abs().median().clamp(min=1e-12))
    some = slice(0, None if apart else _COARSE)
    width = _stages(flow.grid)[0]
    a, b, t = blurred(x[some], width), blurred(moved[some], width), amounts[some]
    # No motion comes first: of equal differences the first is taken.
    angles = [2 * math.pi * i / SETTINGS.turns * sign for i in range(SETTINGS.turns // 2 + 1) for sign in (1, -1)]
    vectors = torch.stack([angle / typical * turn for angle in angles])
    left = []
    for vector in vectors:
        points, which = _points(flow, vector[None], t)
        left.append((b - flow.grid.sampled(a, points[which])).square().sum((1, 2, 3)))
    each = torch.stack(left)  # (angles, n)
    return vectors[each.argmin(0)] if apart else vectors[each.sum(1).argmin()][None]


def _points(flow: PlaneFlow, state: Tensor, amounts: Tensor) -> tuple[Tensor, Tensor]:
    """Points for each distinct field t_i c_i, and which one each image takes."""
    if len(state) > 1:
        return flow.points(state * amounts[:, None]), torch.arange(len(state))
    distinct, which = torch.unique(amounts, return_inverse=True)
    return flow.points(distinct[:, None] * state), which


def _improved(
    x: Tensor, moved: Tensor, amounts: Tensor, flow: PlaneFlow, state: Tensor, width: float
) -> tuple[Tensor, Tensor]:
    """Gauss–Newton at one width of the blur; state ``(1, p)`` for all images or ``(n, p)``, one for each."""
    grid, p, shared = flow.grid, state.shape[1], len(state) == 1
    n = len(x)
    a, b = blurred(x, width), blurred(moved, width)
    gradients = grid.gradient(a, "central").flatten(1, 2)  # (n, c·2, H, W)
    information = torch.zeros(len(state), p, p, dtype=torch.float64)
    for _ in range(_STEPS):
        information.zero_()
        pull = torch.zeros(len(state), p, dtype=torch.float64)
        for rows in torch.split(torch.arange(n), _CHUNK):
            t = amounts[rows]
            own = state if shared else state[rows]
            points, which = _points(flow, own, t)
            vectors = torch.unique(t)[:, None] * own if shared else own * t[:, None]
            slope = flow.slope(vectors)[which]  # (n, P, 2, p)
            keep = measured(grid, points, 0.5).to(x)[which][:, None]
            points = points[which]
            gap = (b[rows] - grid.sampled(a[rows], points)).flatten(2) * keep
            g = (grid.sampled(gradients[rows], points).flatten(2) * keep).reshape(len(rows), -1, 2, gap.shape[2])
            j = torch.einsum("ncaP,nPai->ncPi", g, slope).reshape(len(rows), -1, p) * t[:, None, None]
            h, r = j.mT @ j, (j.mT @ gap.reshape(len(rows), -1, 1))[:, :, 0]
            if shared:
                information[0] += h.sum(0)
                pull[0] += r.sum(0)
            else:
                information[rows], pull[rows] = h, r
        # Fields that the images do not show (a turn of rings) must not run off.
        damping = SETTINGS.damping * information.diagonal(dim1=1, dim2=2).amax(1).clamp(min=1e-300)
        step = torch.linalg.solve(information + damping[:, None, None] * torch.eye(p, dtype=torch.float64), pull)
        # No single step turns or stretches by more than half a radian: beyond, the linearisation says nothing.
        length = step.norm(dim=1, keepdim=True) * (float(amounts.abs().max()) if shared else 1.0)
        state = state + step * (0.5 / length.clamp(min=1e-300)).clamp(max=1.0)
        if bool((step.norm(dim=1) < SETTINGS.small_step * state.norm(dim=1).clamp(min=1e-12)).all()):
            break
    return state, information
