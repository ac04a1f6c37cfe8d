"""From pairs (x, x′) to generators: x′ = exp(Σ t_a L_a)x with L a matrix, or −ξ·∇ of a field on the image plane.

The generators are those of a Lie algebra convolution (Dehmamy et al. 2021, arXiv 2109.07103) fitted in closed form:
regression and the matrix logarithm for finite transformations, registration for fields on the plane. The defect of a
pair is measured on rows that the fit has not seen, ρ² = E‖x′ − exp(tL)x‖² / E‖x′ − x‖². Axis letters: n pairs,
d coordinates, p candidates, k generators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.decision.evidence import Examined
from symfind.decision.halves import rows_with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.plane import Grid, ImageFields, derivative_stencil, image_space
from symfind.fields.polynomial import PolynomialFields, matrix_fields
from symfind.fields.typeset import sum_text
from symfind.kinds.pairs.carried import Carried, Parametrisation, evidence_of_carried
from symfind.kinds.pairs.registration import differences, interpolation_floor, register_apart, register_together
from symfind.kinds.pairs.settings import SETTINGS
from symfind.kinds.pairs.transport import (
    Candidates,
    amounts_along,
    carried,
    transport_known,
    transport_unknown,
    units_of,
)
from symfind.kinds.question import objects_of

if TYPE_CHECKING:
    from symfind.data.dataset import Dataset
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

_ROWS = 20_000
# Fields on the plane have few numbers: these images say what more would; those fitted one by one are fewer still.
_IMAGES = 400
_APART = 60
# Sides shorter than this have no disc of pixels to compare.
_SMALLEST_SIDE = 5
# Up to here a matrix is written out, its entries recognised, its preserved forms looked for.
_WRITTEN_OUT = 12
# Images on which the loss by interpolation is measured, and points of the plane for brackets.
_FLOOR_IMAGES, _POINTS = 64, 400
# Matrices up to this many pixels have their spectrum computed.
_MOST_PIXELS = 1024


def evidence_of_pairs(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Generators from pairs, judged on rows that the fit has not seen.

    Raises
    ------
    InputError
        Nothing moves, or there are too few rows.
    UsageError
        The space does not go with pairs.
    """
    row = dataset.shapes["x"][1:]
    spatial = _is_spatial(row, request.space)
    count = min(stop, _IMAGES if spatial else _ROWS)
    with clock.phase("read"):
        held = (
            dataset.sample(count, generator)
            if stop == dataset.n_rows
            else dataset.take(torch.randperm(stop, generator=generator)[:count].sort().values)
        )
        held = rows_with_duplicates_grouped(held, "x", "x_moved")
    x, moved = held["x"].reshape(-1, *row), held["x_moved"].reshape(-1, *row)
    if float((moved - x).abs().max()) == 0.0:
        raise InputError(f"{request.source}: x_moved equals x in every row; give pairs of which something moved")
    amounts = _amounts(held, request.source)
    group = held.get("group")
    with clock.phase("fit"):
        made = _plane(request, x, moved, amounts) if spatial else _matrices(request, dataset, x, moved, amounts)
        evidence = evidence_of_carried(made, len(x), group, request.tolerance, generator)
    return Examined(evidence, made.names)


def _is_spatial(row: tuple[int, ...], space: str | None) -> bool:
    """Whether rows are images whose plane the fields live on: (C, H, W), or (H, W) if an image space is asked for."""
    asked = space is not None and "image" in space
    if asked and not (len(row) in (2, 3) and min(row[-2:]) >= _SMALLEST_SIDE):
        raise UsageError(
            f"--space {space} takes images of at least {_SMALLEST_SIDE} × {_SMALLEST_SIDE} pixels, x has rows {row}"
        )
    return asked or (space is None and len(row) == 3 and min(row[-2:]) >= _SMALLEST_SIDE)


def _amounts(held: dict[str, Tensor], source: str) -> Tensor | None:
    if "t" not in held:
        return None
    t = held["t"]
    if t.dim() != 1:
        raise InputError(f"{source}: t has rows of shape {tuple(t.shape[1:])}; for pairs give one amount a row")
    if bool((t == 0).any()):
        raise InputError(f"{source}: {int((t == 0).sum())} amounts t are zero; leave out pairs that do not move")
    return t


# ------------------------------------------------------------------ fields on the image plane


def _plane(request: DiscoverOptions, x: Tensor, moved: Tensor, amounts: Tensor | None) -> Parametrisation:
    channels = x.shape[1] if x.dim() == 4 else 1
    images, partners = (u.reshape(len(u), channels, *u.shape[-2:]) for u in (x, moved))
    space = image_space(request.space or "image-affine", channels)
    if space.plane is None or space.colour is not None:
        raise UsageError(f"--space {space.name}: pairs of images are carried by fields on the plane, image-affine say")
    grid = Grid(*images.shape[-2:])
    t = torch.ones(len(x), dtype=torch.float64) if amounts is None else amounts
    seen = (
        f"images are compared at a resolution of {SETTINGS.resolution:g} pixels, "
        "inside the disc that no turn carries away"
    )

    def judged(vectors: Tensor, own: Tensor, rows: Tensor) -> Carried:
        along = own @ vectors.T
        left, whole = differences(images[rows], partners[rows], along, space, grid)
        some = slice(0, _FLOOR_IMAGES)
        floor = interpolation_floor(images[rows][some], along[some], space, grid)
        found = Carried(vectors, left, whole, own, floor=floor, lost="interpolation", messages=(seen,))
        return replace(found, bias=SETTINGS.shared * found.defect)

    def common(fitted: Tensor, rows: Tensor) -> Carried:
        vector = register_together(images[fitted], partners[fitted], t[fitted], space, grid).coefficients
        return judged(vector[:, None], t[rows][:, None], rows)

    def own(fitted: Tensor, rows: Tensor) -> Carried:
        fitted = fitted[:_APART]
        each = register_apart(images[fitted], partners[fitted], space, grid)
        vectors = principal_fields(each.coefficients, each.information, request.tolerance)
        apart = register_apart(images[rows], partners[rows], space, grid)
        weighted = torch.einsum("npq,qk->npk", apart.information, vectors)
        size = torch.einsum("pk,npl->nkl", vectors, weighted)
        pull = torch.einsum("npk,np->nk", weighted, apart.coefficients)
        return judged(vectors, torch.linalg.lstsq(size, pull[:, :, None]).solution[:, :, 0], rows)

    return Parametrisation(space.fields, space.names(), grid.points, common, None if amounts is not None else own)


def principal_fields(vectors: Tensor, information: Tensor, tolerance: float) -> Tensor:
    """Generators ``(p, k)`` whose span holds the logarithms ``(n, p)`` but for a share δ² of what they displace.

    Lengths are such that the amounts have a mean square of one.
    """
    weight = information.mean(0)
    values, axes = torch.linalg.eigh(weight)
    root = (axes * values.clamp(min=1e-12 * float(values[-1])).sqrt()) @ axes.T
    _, sigma, vh = torch.linalg.svd(vectors @ root, full_matrices=False)
    energy = sigma.square()
    missing = 1.0 - torch.cumsum(energy, 0) / energy.sum().clamp(min=1e-300)
    k = int((missing > tolerance**2).sum()) + 1
    span = torch.linalg.solve(root, vh[:k].T)
    scaled: Tensor = span * (sigma[:k] / len(vectors) ** 0.5)
    return scaled


# ------------------------------------------------------------------ matrices


@dataclass(frozen=True)
class LearnedFields(PolynomialFields):
    """The span of matrices too large to be written out."""

    def jacobian(self, x: Tensor) -> Tensor:
        """L₁ … L_k at every point ``(n, k, d, d)``."""
        return self.matrices().to(x).expand(x.shape[0], -1, -1, -1)

    def names(self, coordinates: object) -> list[str]:
        """L₁ … L_k with their size."""
        return [f"L{i + 1} ({self.d} × {self.d})" for i in range(self.dim)]

    def expression(self, coefficients: Tensor, coordinates: object, *, latex: bool = False) -> str:
        """Σ cᵢLᵢ."""
        return sum_text(list(zip(coefficients.tolist(), self.names(coordinates), strict=True)), latex=latex)

    def table(self, coefficients: Tensor) -> Tensor:
        """The coefficients themselves ``(k, p)``."""
        return coefficients.T


def _candidates(name: str, d: int, names: tuple[str, ...]) -> tuple[Candidates, PolynomialFields | None]:
    """What L may be, and the space it is reported in; None where L is too large to be written out."""
    if d > _WRITTEN_OUT:
        if name not in ("linear", "gl", "so"):
            raise UsageError(f"--space {name} for {d} coordinates: pairs take linear or so above {_WRITTEN_OUT}")
        return Candidates(name, None, orthogonal=name == "so"), None
    space = make_space(name, d, names)
    if not isinstance(space, PolynomialFields) or space.degree > 1:
        raise UsageError(f"--space {name}: pairs are carried by linear or affine fields; take linear, affine or so")
    shift = space.evaluate(torch.zeros(1, d, dtype=torch.float64))[0]
    basis = space.matrices()
    if space.has_constants:
        homogeneous = torch.zeros(space.dim, d + 1, d + 1, dtype=torch.float64)
        homogeneous[:, :d, :d], homogeneous[:, :d, d] = basis, shift
        basis = homogeneous
    full = name in ("linear", "gl")
    return Candidates(name, None if full else basis, name == "so", space.has_constants), space


def _matrices(
    request: DiscoverOptions, dataset: Dataset, x: Tensor, moved: Tensor, amounts: Tensor | None
) -> Parametrisation:
    row = tuple(x.shape[1:])
    grid = Grid(*row[-2:]) if len(row) == 3 and min(row[-2:]) >= _SMALLEST_SIDE else None
    k, d = (row[0], row[1] * row[2]) if grid is not None else objects_of(row, request.acts_on)
    given = dataset.names
    names = given if given is not None and len(given) == d else tuple(f"x{i + 1}" for i in range(d))
    if given is None and d <= 3:
        names = ("x", "y", "z")[:d]
    candidates, known = _candidates(request.space or "linear", d, names)
    a, b = x.reshape(-1, k, d), moved.reshape(-1, k, d)
    t = torch.ones(len(x), dtype=torch.float64) if amounts is None else amounts
    scale = torch.cat([a, b]).flatten(0, 1).std(0).clamp(min=1e-300)
    units = units_of(scale, candidates)
    reported: list[PolynomialFields] = [known] if known is not None else []
    beyond = _wraps(x, moved, t, grid) if grid is not None else ""

    def outcome(
        matrix: Tensor, own: Tensor, rows: Tensor, ambiguous: int, freedom: float, linear: Tensor | None = None
    ) -> Carried:
        gap = (carried(matrix, own, candidates.rows(a[rows])) - candidates.rows(b[rows])) / units
        whole = ((b[rows] - a[rows]) / scale).flatten(1).square().sum(1)
        doubts = () if not ambiguous else (
            f"the logarithm is not identifiable: {ambiguous} of {d} phases of exp(L) lie within 10 % of half a turn, "
            "where a turn beyond π would look the same",
        )  # fmt: skip
        doubts = (*doubts, *((beyond,) if beyond else ()))
        left = gap.flatten(1).square().sum(1) * freedom
        free = None
        if linear is not None:
            free = ((candidates.rows(a[rows]) @ linear.T - candidates.rows(b[rows])) / units).flatten(1).square().sum(1)
        # What a linear map that need not be orthogonal would reach: the rest is lost, by interpolation say.
        floor = math.sqrt(float((left - free).clamp(min=0).sum() / whole.sum())) if free is not None else 0.0
        lost = "the norm that x_moved lacks"
        return Carried(_coefficients(matrix, reported, d), left, whole, own[:, None], doubts, floor, lost)

    def common(fitted: Tensor, rows: Tensor) -> Carried:
        found = transport_known(a[fitted], b[fitted], t[fitted], candidates, scale)
        return outcome(found.matrix, t[rows], rows, found.ambiguous, 1.0, found.linear)

    def own(fitted: Tensor, rows: Tensor) -> Carried:
        found = transport_unknown(a[fitted], b[fitted], candidates, scale)
        amount = amounts_along(found.matrix, candidates.rows(a[rows]), candidates.rows(b[rows]), units)
        # One number of each row went into its amount.
        return outcome(found.matrix, amount, rows, 0, k * d / max(k * d - 1, 1))

    if known is None:
        reported.append(_learned(candidates.name, common(torch.arange(len(x)), torch.arange(len(x)))))
        names = tuple(f"x{i + 1}" for i in range(d))
    can_vary = amounts is None and k * d > 1 and known is not None
    points = a.reshape(-1, d)[:_POINTS]
    return Parametrisation(reported[0], names, points, common, own if can_vary else None)


def _learned(name: str, found: Carried) -> LearnedFields:
    """The space that one large matrix spans."""
    d = math.isqrt(found.vectors.shape[0])
    fields = matrix_fields(f"{name}, learned", found.vectors.T.reshape(-1, d, d))
    return LearnedFields(**{name: getattr(fields, name) for name in fields.__dataclass_fields__})


def _coefficients(matrix: Tensor, reported: list[PolynomialFields], d: int) -> Tensor:
    """L as a column of coefficients; its own entries where there is no basis yet."""
    if not reported or isinstance(reported[0], LearnedFields):
        return matrix.reshape(-1, 1)
    space = reported[0]
    shift = space.evaluate(torch.zeros(1, d, dtype=torch.float64))[0]
    columns = torch.cat([space.matrices().flatten(1), shift], 1).T
    wanted = torch.cat([matrix[:d, :d].flatten(), matrix[:d, d] if matrix.shape[0] > d else matrix.new_zeros(d)])
    solution: Tensor = torch.linalg.lstsq(columns, wanted[:, None], driver="gelsd").solution
    return solution


def _wraps(x: Tensor, moved: Tensor, amounts: Tensor, grid: Grid) -> str:
    """Whether the finest detail of an image turns by more than π, by the field that carries the images; else empty."""
    space = image_space("image-affine", x.shape[1])
    some = slice(0, _IMAGES)
    vector = register_together(x[some], moved[some], amounts[some], space, grid).coefficients
    left, whole = differences(x[some], moved[some], amounts[some, None] * vector, space, grid)
    if float(left.sum()) > float(whole.sum()) / 2:
        return ""  # no field on the plane carries them, and nothing follows about their phases
    phase = float(amounts.abs().max()) * spectral_radius(space, vector, grid)
    if phase <= math.pi:
        return ""
    return (
        f"the logarithm is not identifiable: the finest detail of {grid.height} × {grid.width} images moves through "
        f"phases of up to {phase / math.pi:.2g} π, and those beyond π come out wrapped; take --space image-affine"
    )


def spectral_radius(space: ImageFields, vector: Tensor, grid: Grid) -> float:
    """Largest |eigenvalue| of −ξ·∇ with a sinc stencil on the grid; π max|ξ| in pixels where that is too large."""
    assert space.plane is not None
    d = grid.height * grid.width
    if d > _MOST_PIXELS:
        xi = torch.einsum("npa,p->na", space.plane.evaluate(grid.points), vector)
        return math.pi * grid.half * float(xi.norm(dim=1).max())
    return float(torch.linalg.eigvals(plane_matrix(space, vector, grid)).abs().max())


def plane_matrix(space: ImageFields, vector: Tensor, grid: Grid) -> Tensor:
    """−ξ·∇ as a matrix ``(d, d)`` on images of one channel."""
    assert space.plane is not None
    xi = torch.einsum("npa,p->na", space.plane.evaluate(grid.points), vector)
    along = torch.kron(torch.eye(grid.height, dtype=torch.float64), grid.half * derivative_stencil(grid.width, "sinc"))
    down = torch.kron(-grid.half * derivative_stencil(grid.height, "sinc"), torch.eye(grid.width, dtype=torch.float64))
    matrix: Tensor = -(xi[:, :1] * along + xi[:, 1:] * down)
    return matrix
