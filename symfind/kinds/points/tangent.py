"""P_normal(x)·ξ(x) = 0: fields tangent to the set on which the points lie, and those that move it.

The normals are gradients of functions that vanish on the set, typed or fitted; where no polynomial follows the set,
those of local planes. Axis letters: n points, d dimension, c codimension of the set, p fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, WithinData
from symfind.decision.given import GivenSide
from symfind.decision.halves import Half, halves
from symfind.errors import InputError, UsageError
from symfind.fields.space import VectorFieldSpace, finite_fields
from symfind.fields.typeset import number_text
from symfind.fits.surrogate import Samples
from symfind.kinds.frame import Frame, enough_rows
from symfind.kinds.points.level_sets import (
    LevelFunctions,
    check_levels,
    chosen_degree,
    degrees,
    exact_codimension,
    fitted_levels,
    onto,
    typed_levels,
)
from symfind.kinds.points.local_planes import SetShape, counted_dimension, fills_space, local_planes, set_shape
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import Pencil, generalised_spectrum
from symfind.options.of_verbs import DiscoverOptions

_REFERENCE = 8000
# A cloud that fills the space is taken for a flat set with noise where it is this much thinner than wide.
_FLAT = 0.05
# Functions that leave the points this much farther off than local planes do, or than this, do not describe the set.
_WORSE, _FAR = 3.0, 0.03
# More names would not be read.
_MOST_NAMED = 12

# x ``(n, d)`` → points on the set and its normals there as covectors of whitened coordinates ``(n, c, d)``.
Normals = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Metric:
    """The unit in which sizes are told.

    Attributes
    ----------
    whiten, colour
        T and T⁻¹ ``(d, d)``.
    """

    whiten: Tensor
    colour: Tensor


@dataclass(frozen=True)
class NormalPencil:
    """Rows M = P_normal Tξ and S = Tξ at points of the set."""

    space: VectorFieldSpace
    metric: Metric
    normals: Normals

    @property
    def unknowns(self) -> int:
        """Number of fields."""
        return self.space.dim

    @property
    def rows_at_once(self) -> int:
        """Points held at once."""
        return max(1, min(512, 2**22 // (self.unknowns * self.space.d)))

    def pencil(self, x: Tensor) -> Pencil:
        """Rows at points ``(n, d)``; none at a point where the set has no normal (a singular point)."""
        at, normal = self.normals(x.flatten(1))
        xi = torch.einsum("npd,rd->nrp", finite_fields(self.space, at), self.metric.whiten)
        regular = (normal.square().sum(2) > 0).all(1)
        return Pencil(torch.einsum("ncr,nrp->ncp", normal, xi) * regular[:, None, None], xi * regular[:, None, None])


def evidence_of_tangency(
    request: DiscoverOptions, frame: Frame, names: tuple[str, ...], samples: Samples, generator: torch.Generator
) -> Evidence:
    """Fields tangent to the set of the points, a curve or a surface of any codimension.

    Raises
    ------
    InputError
        For too few points, points that fill the space, or functions that do not vanish on them.
    UsageError
        For several objects in a row (the normals are of one space), or an option that is none.
    """
    if frame.objects[0] > 1:
        raise UsageError(
            f"--method tangent takes points of one space, each row holds {frame.objects[0]} objects; "
            "take --acts-on all or --method weak"
        )
    enough_rows(frame, len(samples))
    split = halves(samples, generator)
    if split is None:
        raise InputError("all points are of one group (one curve): give several to tell the set from the curve")
    order = torch.randperm(len(samples), generator=generator)[:_REFERENCE]
    reference = samples.x[order]
    metric, shape = _measured(reference)
    if request.level_set is not None:
        found = _typed(request.level_set, names, metric, reference)
    elif shape is None:
        shape = _at_most(_counted(_apart(reference, metric)), metric, split)
        found = _fitted(request.surrogate, metric, shape, samples, split, reference, names, generator, resolved=False)
    else:
        shape = _at_most(shape, metric, split)
        found = _fitted(request.surrogate, metric, shape, samples, split, reference, names, generator)
    pencils = [NormalPencil(frame.space, metric, normals) for normals in found.halves]
    row = (samples.x.shape[1],)
    sides = (GivenSide(split[0], pencils[0], row), GivenSide(split[1], pencils[1], row))
    spectrum = generalised_spectrum(
        torch.cat([side.m.factor() for side in sides]), torch.cat([side.s.factor() for side in sides])
    )
    return Evidence(
        frame.space,
        Invariant(),
        spectrum,
        sides,
        WithinData(),
        given=False,
        rank=spectrum.values.shape[0],
        messages=(*found.messages, *_movers(frame.space, names, reference[:500], metric, found.halves[0])),
        bracket_points=samples.x[:400],
    )


def _measured(x: Tensor) -> tuple[Metric, SetShape | None]:
    """Whitened coordinates; where points fill the space there, coordinates in which a thin direction stays thin."""
    values, axes = torch.linalg.eigh(torch.cov(x.T, correction=0).reshape(x.shape[1], x.shape[1]))
    spread = values.clamp(min=0).sqrt()
    thin = spread < _FLAT * spread[-1]
    whitened, kept = _metric(spread, axes), _metric(spread.clamp(min=_FLAT * float(spread[-1])), axes)
    if bool((spread <= 1e-7 * spread[-1]).any()):  # an exact flat: nothing to whiten
        return kept, set_shape(_apart(x, kept))
    shape = set_shape(_apart(x, whitened))
    if shape is not None or not bool(thin.any()):
        return whitened, shape
    dimension = int((~thin).sum())
    noise = float((spread[thin] / (_FLAT * spread[-1])).square().mean().sqrt())
    return kept, SetShape(dimension, noise, min(len(x) - 2, 50 * x.shape[1]))


def _counted(x: Tensor) -> SetShape:
    """The set of points ``(n, d)`` in whose neighbourhoods no plane was seen."""
    dimension = counted_dimension(x)
    if fills_space(dimension, x):
        raise InputError(
            f"as far as {len(x)} points tell they fill the space, where every field is tangent to their set; "
            "ask for the flows that preserve their distribution with --method weak, or give the set with --level-set"
        )
    return SetShape(max(1, min(round(dimension), x.shape[1] - 1)), 0.0, len(x) - 2)


def _at_most(shape: SetShape, metric: Metric, split: tuple[Half, Half]) -> SetShape:
    """The shape, with a smaller dimension where polynomials that vanish exactly on both halves leave the points less.

    Few points of a set in many dimensions are counted as more than it has: an orbit in a sphere is taken for the
    sphere, whose rotations are not those of the orbit.
    """
    x, other = split[0].samples.x, split[1].samples.x
    codimension = exact_codimension(x, other, metric.colour)
    dimension = max(1, min(shape.dimension, x.shape[1] - codimension))
    return shape if dimension == shape.dimension else replace(shape, dimension=dimension)


def _metric(spread: Tensor, axes: Tensor) -> Metric:
    return Metric((axes / spread).T, axes * spread)


def _apart(x: Tensor, metric: Metric) -> Tensor:
    return (x - x.mean(0)) @ metric.whiten.T


@dataclass(frozen=True)
class _Found:
    """Normals from each half of the points, and what is to be told."""

    halves: tuple[Normals, Normals]
    messages: tuple[str, ...]


def _typed(text: str, names: tuple[str, ...], metric: Metric, x: Tensor) -> _Found:
    levels = typed_levels(text, names)
    codimension = len(levels.formulas)
    if codimension >= x.shape[1]:
        raise UsageError(
            f"--level-set has {codimension} functions of {x.shape[1]} coordinates, which leave no set; give fewer"
        )
    check_levels(levels, x, metric.colour, codimension)
    normals = _of(levels, metric, codimension)
    dimension = x.shape[1] - codimension
    told = f"the set is that of --level-set, of dimension {dimension}; {_noise_told(levels, metric, codimension, x)}"
    return _Found((normals, normals), (told,))


def _fitted(
    surrogate: str,
    metric: Metric,
    shape: SetShape,
    samples: Samples,
    split: tuple[Half, Half],
    reference: Tensor,
    names: tuple[str, ...],
    generator: torch.Generator,
    *,
    resolved: bool = True,
) -> _Found:
    d = samples.x.shape[1]
    codimension = d - shape.dimension
    asked = re.fullmatch(r"auto|local|polynomial(:([1-8]))?", surrogate)
    if asked is None:
        raise UsageError(f"--surrogate is '{surrogate}'; for sets take auto, local, polynomial or polynomial:k")
    told = f"the points lie on a set of dimension {shape.dimension}"
    if surrogate != "local" and degrees(d, len(reference) // 2):
        degree = int(asked[2] or chosen_degree(reference, metric.colour, codimension, shape.noise, generator))
        both = [fitted_levels(h.samples.x, metric.colour, degree, codimension, shape.noise) for h in split]
        whole = fitted_levels(reference, metric.colour, degree, codimension, shape.noise)
        if whole is not None and both[0] is not None and both[1] is not None:
            away = _distance(whole, metric, codimension, reference)[0]
            if (surrogate != "auto" and resolved) or away <= max(_WORSE * shape.noise, _FAR):
                noise = _noise_told(whole, metric, codimension, reference)
                text = whole.text(names) if whole.weights.shape[1] == codimension else ""
                fit = f"fitted by polynomials of degree {degree}{': ' if text else ''}{text}"
                halves_of = (_of(both[0], metric, codimension), _of(both[1], metric, codimension))
                return _Found(halves_of, (f"{told}, {fit}; {noise}",))
    if not resolved:
        raise InputError(
            f"the distances of {len(reference)} points are those of a set of about {shape.dimension} dimensions in "
            f"{d}, but their neighbourhoods are too wide for planes and no polynomial follows them: what their set is "
            "cannot be told; give more points, or the set with --level-set"
        )
    neighbours = min(shape.neighbours, len(reference) - 2)
    planes = local_normals(_apart(reference, metric), reference.mean(0), metric, shape.dimension, neighbours)
    noise = f"the points lie {number_text(shape.noise)} of their spread off it (local planes of {neighbours} points)"
    return _Found((planes, planes), (f"{told}; {noise}",))


def _of(levels: LevelFunctions, metric: Metric, codimension: int) -> Normals:
    return lambda x: onto(levels, x, metric.colour, codimension)


def local_normals(whitened: Tensor, mean: Tensor, metric: Metric, dimension: int, neighbours: int) -> Normals:
    """Normals of the planes through the nearest of the reference points ``(r, d)``, given whitened about ``mean``."""

    def normals(x: Tensor) -> tuple[Tensor, Tensor]:
        _, frames = local_planes((x - mean) @ metric.whiten.T, whitened, neighbours)
        return x, frames[:, :, dimension:].mT

    return normals


def _distance(levels: LevelFunctions, metric: Metric, codimension: int, x: Tensor) -> tuple[float, float]:
    """Root mean square distance from the set in each normal direction, in units of the spread and in those of x."""
    step = x - onto(levels, x, metric.colour, codimension)[0]
    inside = (step @ metric.whiten.T).square().sum(1).mean() / codimension
    return float(inside.sqrt()), float((step.square().sum(1).mean() / codimension).sqrt())


def _noise_told(levels: LevelFunctions, metric: Metric, codimension: int, x: Tensor) -> str:
    share, length = _distance(levels, metric, codimension, x)
    if share < 1e-9:
        return "the points lie on it exactly"
    return f"the points lie {length:.2g} off it (root mean square), {share:.2g} of their spread"


def _movers(
    space: VectorFieldSpace, names: tuple[str, ...], x: Tensor, metric: Metric, normals: Normals
) -> tuple[str, ...]:
    """The fields of the space that move the set, each with the share of it that is normal."""
    zero = torch.zeros(space.d, dtype=torch.float64)
    plain = space.centred(zero, torch.ones_like(zero))
    if plain.dim > _MOST_NAMED:
        return ()
    pencil = NormalPencil(plain, metric, normals).pencil(x)
    size = pencil.s.square().sum((0, 1)).sqrt().clamp(min=1e-300)
    share = (pencil.m.square().sum((0, 1)).sqrt() / size).tolist()
    moved = [f"{n} {s:.2g}" for n, s in zip(plain.names(names), share, strict=True) if s >= 0.05]
    if not moved:
        return ("no field of the space moves the set",)
    return (f"fields that move the set, with the share of each that is normal to it: {', '.join(moved)}",)
