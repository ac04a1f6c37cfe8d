"""From evidence to an answer: certified, undecided or refuted, direction by direction, and a canonical basis."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.bounds import DirectionBounds, direction_bounds, exchanged_bounds, exponential_weights
from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.settings import SETTINGS
from symfind.errors import NumericalError
from symfind.fields.readable import affine_entries, readable
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.linalg.subspaces import DEPENDENT, span_basis

# Directions beyond this many are not candidates for a certificate: bounding them would cost as much as all the rest.
_MOST_DIRECTIONS = 64
# The largest denominator that is cleared: ratios of scalings in use have smaller ones.
_SMALL = 12
# A bound beyond this is none: the denominator of ρ was itself noise.
NO_BOUND = 100.0
# A few directions past the last candidate, so that the report shows what comes next with its interval.
_SPARE = 3


def candidates(spectrum: GeneralisedSpectrum, tolerance: float) -> int:
    """How many of the ascending directions are worth bounding."""
    near = int((spectrum.values < SETTINGS.far * tolerance).sum())
    return min(near + _SPARE, _MOST_DIRECTIONS, spectrum.values.shape[0])


def decide(evidence: Evidence, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
    """Verdicts at tolerance δ and level α, by the judge that the evidence names, or else by bounds of ρ."""
    found = (evidence.judge or BoundsJudge(evidence))(tolerance, alpha, refits, seed)
    # What was told after the judge was made belongs to the finding too.
    return replace(found, evidence=replace(found.evidence, messages=evidence.messages))


@dataclass(frozen=True)
class BoundsJudge:
    """Bounds L ≤ ρ ≤ U of each direction from two halves of the rows.

    Attributes
    ----------
    evidence
        With its halves; without them nothing has an upper bound.
    """

    evidence: Evidence

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """The certified dimension is the largest k with U[1 … k] < δ, cut where coverage or reach fails.

        Directions are refuted when their lower bound exceeds δ, and undecided between. Of a given F, what is below δ
        and surely above rounding is approximate.
        """
        evidence, generator = self.evidence, torch.Generator().manual_seed(seed + 31)
        spectrum = evidence.spectrum
        k = candidates(spectrum, tolerance)
        vectors = spectrum.vectors[:, :k]
        doubts = list(evidence.doubts)
        if evidence.sides is None or k == 0:
            upper = torch.full((k,), torch.inf, dtype=torch.float64)
            plain = spectrum.values[:k]
            bounds = DirectionBounds(plain, torch.zeros_like(plain), upper)
        else:
            weights = [exponential_weights(refits, side.blocks, generator) for side in evidence.sides]
            upper = exchanged_bounds(evidence.sides, k, alpha, weights, pooled=evidence.pooled)
            bounds = direction_bounds(vectors, evidence.sides, alpha, weights)
        if evidence.given:
            bounds = DirectionBounds(spectrum.values[:k], bounds.lower, bounds.upper)
        small = int((torch.cummax(upper, 0).values < tolerance).sum()) if k else 0
        # Only directions that could be certified are asked for: ω costs as much as a bound.
        omega = evidence.extent.coverage(vectors[:, : max(small, 1)]) if k else torch.zeros(0, dtype=torch.float64)
        covered = int((omega < SETTINGS.covered).sum())
        certified = 0 if doubts else before_gap(min(small, covered), upper, bounds, evidence.exactness)
        if not doubts and covered < small:
            doubts.append(
                f"functions that vanish on the data change along {small - covered} of {small} small directions "
                f"(extrapolation factor {float(omega[covered]):.2g}): the data cannot speak about them"
            )
        if not evidence.doubts and certified < min(small, covered):
            doubts.append(
                f"of {min(small, covered)} small directions the last {min(small, covered) - certified} belong to a "
                "cluster that has no gap to what follows: which of them are symmetries cannot be told"
            )
        # Without bounds nothing is refuted; what is listed then is small at least.
        open_to = bounds.lower if evidence.sides is not None else bounds.estimate
        listed = max(certified, _leading(open_to <= tolerance))
        exact = _leading(bounds.lower[:certified] <= evidence.rounding)
        split = evidence.extent.parting(vectors[:, :exact], tolerance)
        near = evidence.extent.parting(vectors[:, exact:certified], tolerance)
        generators = [
            *_canonical(evidence, 0, split.kept, bounds, upper, tolerance, "certified"),
            *_canonical(evidence, exact, near.kept, bounds, upper, tolerance, "approximate"),
            *_canonical(evidence, certified, _eye(listed - certified), bounds, upper, tolerance, "undecided"),
        ]
        apart = [
            (generator.vector, parted.reason)
            for first, parted in ((0, split), (exact, near))
            for generator in _canonical(evidence, first, parted.apart, bounds, upper, tolerance, "certified")
        ]
        notes = dict.fromkeys(note for note in (split.note, near.note) if note)
        least = SETTINGS.least_reach
        short = [g for g in generators if g.verdict == "undecided" and g.reach is not None and g.reach < least]
        if short and certified:
            doubts.append(
                f"not certified as symmetries because they hold only for |t| below {least:g}: {len(short)} of "
                "the small directions"
            )
        factor = float(omega[max(certified, min(small, k), 1) - 1]) if k else 0.0
        return Finding(
            evidence,
            _entries(spectrum, bounds, upper),
            tuple(generators),
            factor,
            tuple(doubts),
            tuple(apart),
            tuple(notes),
        )


def before_gap(count: int, upper: Tensor, bounds: DirectionBounds, exactness: float = math.inf) -> int:
    """The largest dimension up to ``count`` that is followed by a gap.

    Within a cluster of equal defects the directions are arbitrary: a cut there would certify a plane of so(3) that
    depends on the noise. What follows must lie above the bound, or have an estimate of twice the bound. Where
    the bound exceeds ``exactness`` it must be ``SETTINGS.stands_out`` times smaller than what follows.
    """
    while 0 < count < upper.shape[0]:
        if float(upper[count - 1]) > exactness:
            if float(bounds.lower[count]) > SETTINGS.stands_out * float(upper[count - 1]):
                break
            count -= 1
            continue
        above = float(bounds.lower[count]) > float(upper[count - 1])
        if above or float(bounds.estimate[count]) > 2 * float(upper[count - 1]):
            break
        count -= 1
    return count


def _eye(count: int) -> Tensor:
    return torch.eye(count, dtype=torch.float64)


def _leading(flags: Tensor) -> int:
    """Number of leading True entries."""
    return int(torch.cumprod(flags.long(), 0).sum())


def _entries(
    spectrum: GeneralisedSpectrum, bounds: DirectionBounds, upper: Tensor
) -> tuple[tuple[float, float | None, float | None], ...]:
    k = upper.shape[0]
    order = torch.argsort(bounds.estimate, stable=True)
    rows: list[tuple[float, float | None, float | None]] = [
        (float(bounds.estimate[i]), min(float(bounds.lower[i]), float(bounds.estimate[i])), _finite(upper[i]))
        for i in order.tolist()
    ]
    # The upper bound of the i-th direction is that of the span of the first i: it does not fall along the list.
    rows = [(d, lo, _finite(upper[i])) for i, (d, lo, _) in enumerate(rows)]
    return (*rows, *((float(v), None, None) for v in spectrum.values[k:]))


def _finite(value: Tensor) -> float | None:
    """A bound; None where it says nothing: ρ of any direction is of order one."""
    return float(value) if float(value) < NO_BOUND else None


def _canonical(
    evidence: Evidence, first: int, mix: Tensor, bounds: DirectionBounds, upper: Tensor, tolerance: float, word: str
) -> list[Generator]:
    """The canonical basis of combinations ``(count, k)`` of directions from ``first`` on, with defects and reach."""
    count = mix.shape[0]
    if mix.shape[1] == 0:
        return []
    worst = float(upper[first + count - 1])
    following = spectrum_after(evidence.spectrum, first + count)
    # An error of the span is at most its defect over the gap to what follows (Davis, Kahan 1970).
    noise = max(1e-10, min(1.0, (worst if worst < 1 else tolerance) / max(following, 1e-3)))
    allowed = worst if worst < 1 else tolerance
    sure = word != "undecided"
    if sure:  # recognised entries may not cost the certificate of the span they are to describe
        allowed = min(allowed, 0.99 * max(tolerance**2 - worst**2, 0.0) ** 0.5)
    vectors, strayed = canonical_in_span(evidence, first, mix, noise, allowed)
    own = _defects(evidence, vectors, bounds, first, count)
    lowest = float(bounds.lower[first : first + count].min())
    out = []
    for vector, defect, away in zip(vectors.unbind(1), own, strayed, strict=True):
        # Of a given F nothing hangs on the reach, which costs calls of F: it is told of what is a symmetry.
        t = evidence.extent.reach(vector, tolerance) if sure or not evidence.given else None
        far = t is None or evidence.given or t.far_enough
        # What recognised entries moved out of the span is added to the span's bound.
        bound = max(math.hypot(worst, away), defect)
        verdict = word if sure and far and bound < tolerance else "undecided"
        distance = None if t is None else t.distance
        out.append(Generator(vector, defect, min(lowest, defect), bound, verdict, distance, noise))
    return out


def canonical_in_span(
    evidence: Evidence, first: int, combinations: Tensor, noise: float, allowed: float
) -> tuple[Tensor, list[float]]:
    """Canonical vectors ``(P, k)`` of combinations ``(count, k)`` of directions first … first + count − 1.

    With them, how far in ρ each lies out of the span of these directions.

    Errors of equal size in the user's coordinates are not equal in the metric of the data: in oblique coordinates an
    entry that looks like noise can carry a large defect. So every recognised basis is measured by the whole spectrum,
    whose vectors are orthonormal in S; one that strays further than ``allowed`` is tried again with less noise taken
    for granted, and projected back onto the span in the end. What the directions before ``first`` add is no symmetry
    less and no straying, but the vectors may not lie among them.
    """
    spectrum = evidence.spectrum
    count = combinations.shape[0]
    directions = spectrum.vectors[:, first : first + count]
    span = directions @ combinations
    whole = torch.cat([spectrum.vectors, spectrum.trivial], 1)
    scale = torch.linalg.vector_norm(whole, dim=0).clamp(min=1e-300)
    r = spectrum.values.shape[0]
    outside = torch.ones(r, dtype=torch.bool)
    outside[first : first + count] = False
    for share in (1.0, 0.1, 0.01, 0.0):
        vectors = canonical_vectors(evidence, span, max(noise * share, 1e-10))
        mix = (torch.linalg.lstsq(whole / scale, vectors, driver="gelsd").solution / scale[:, None])[:r]
        inside = mix[first : first + count]
        own = torch.linalg.vector_norm(inside, dim=0) / torch.linalg.vector_norm(mix, dim=0)
        if float(own.min()) <= SETTINGS.own and share > 0:
            continue
        stray = mix[outside] * spectrum.values[outside, None]
        size = torch.linalg.vector_norm(mix[first:], dim=0).clamp(min=1e-300)
        strayed = torch.linalg.vector_norm(stray, dim=0) / size
        if float(strayed.max()) <= allowed:
            return vectors, strayed.tolist()
        if share <= 0.01:
            break
    # Without what the directions before them added, little may be left of vectors of a readable size.
    left = directions @ inside
    return left if first == 0 else _to_largest_one(evidence, left), [0.0] * combinations.shape[1]


def _rows(evidence: Evidence, vectors: Tensor) -> Tensor:
    """The entries of vectors ``(P, k)`` in the user's coordinates, ``(k, Q)``."""
    p = evidence.space.dim
    return torch.cat([evidence.space.table(vectors[:p]), vectors[p:].T], 1)


def _to_largest_one(evidence: Evidence, vectors: Tensor) -> Tensor:
    """Vectors whose largest entry in the user's coordinates is ±1."""
    return vectors / _rows(evidence, vectors).abs().amax(1).clamp(min=1e-300)


def spectrum_after(spectrum: GeneralisedSpectrum, index: int) -> float:
    """The generalised singular value that follows, or one at the end of the list."""
    return float(spectrum.values[index]) if index < spectrum.values.shape[0] else 1.0


def _defects(evidence: Evidence, vectors: Tensor, bounds: DirectionBounds, first: int, count: int) -> list[float]:
    """ρ of each canonical generator from the estimates of the orthogonal directions it is made of."""
    basis = evidence.spectrum.vectors[:, first : first + count]
    mix = torch.linalg.lstsq(basis, vectors, driver="gelsd").solution
    mix = mix / torch.linalg.vector_norm(mix, dim=0)
    estimate = bounds.estimate[first : first + count]
    defects: list[float] = torch.linalg.vector_norm(mix * estimate[:, None], dim=0).tolist()
    return defects


def canonical_vectors(evidence: Evidence, vectors: Tensor, noise: float) -> Tensor:
    """The sparsest basis of a span of directions ``(P, k)``, judged in the user's coordinates, as ``(P, k)``.

    Affine fields are judged about their fixed point or the data's place, in units of powers of ten, where these are far
    from the user's: an entry counts by what it moves. Recognised entries are made exact where the recognised rows still
    lie in the space.
    """
    p = evidence.space.dim
    unit = _to_largest_one(evidence, vectors)
    identity = torch.eye(p, dtype=torch.float64)
    rows, units = _rows(evidence, vectors), evidence.space.table(identity).T  # (k, Q), (Q, p)
    entries = affine_entries(evidence.space, vectors[:p])
    whole = affine_entries(evidence.space, identity)
    moved = False
    if entries is not None and whole is not None and evidence.bracket_points.numel():
        points = evidence.bracket_points.double().cpu()
        where = readable(points, *entries, noise, affine=evidence.space.has_constants)
        moved = not where.own
        if moved:
            rows = torch.cat([where.rows(*entries), vectors[p:].T], 1)
            units = where.rows(*whole).T
    if span_basis(rows, DEPENDENT).shape[0] < rows.shape[0]:  # entries that differ in their last digits alone
        return unit
    scale = torch.linalg.matrix_norm(rows, 2) / rows.shape[0] ** 0.5
    errors = torch.full_like(rows, noise * float(scale) / rows.shape[1] ** 0.5)
    try:
        basis = canonical_basis(rows, errors)
    except NumericalError:  # a span that the noise leaves without a sparse basis is shown as it is
        return unit
    exact = torch.linalg.lstsq(units, basis.coefficients[:, : len(units)].T, driver="gelsd").solution
    out = torch.cat([exact, basis.coefficients[:, len(units) :].T])
    return _to_linear_one(evidence, out) if moved else out


def _to_linear_one(evidence: Evidence, vectors: Tensor) -> Tensor:
    """Vectors whose largest linear entry in the user's coordinates is ±1, the largest constant where there is none.

    Where few times that makes all entries whole numbers, these: 3t∂t + x∂x rather than t∂t + x∂x/3.
    """
    entries = affine_entries(evidence.space, vectors[: evidence.space.dim])
    assert entries is not None
    linear, constant = (part.flatten(1).abs().amax(1) for part in entries)
    scaled = vectors / torch.where(linear > 1e-9 * constant, linear, constant).clamp(min=1e-300)
    for row, vector in zip(_rows(evidence, scaled), scaled.T, strict=True):
        times = (n for n in range(1, _SMALL + 1) if float((n * row - (n * row).round()).abs().max()) < n * 1e-9)
        vector *= next(times, 1)
    return scaled
