"""The largest algebra that loses nothing: candidates are chosen on one half, judged on the other, and exchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from symfind.decision.witness.fitting.regression import fitted
from symfind.decision.witness.learned import learned_forms, learned_index, learned_turns
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import NOTHING, catalogue, general
from symfind.decision.witness.scalings import proposed_scalings, scaling_of
from symfind.decision.witness.structure import Structure, SymmetricClass
from symfind.decision.witness.support import kept_share, slopes_of, visible
from symfind.decision.witness.symmetries import Symmetries
from symfind.decision.witness.trial import Rows, Trial, Verdict, features_of, joined, loses, rough_error, trial, verdict
from symfind.fields.space import lie_bracket

# A class, the share of variance that a rough fit of it leaves, and the relative error of what was learned in it.
Ranked: TypeAlias = tuple[SymmetricClass, float, float]


@dataclass(frozen=True)
class Candidate:
    """A class that predicts about as well as any on the half it was chosen on."""

    structure: SymmetricClass
    error: float
    algebra: Symmetries
    noise: float = 0.0

    @property
    def learned(self) -> bool:
        """Whether forms or exponents were learned."""
        return self.noise > 0


@dataclass(frozen=True)
class Found:
    """What was judged.

    Attributes
    ----------
    candidate
        The class.
    trial, exchanged
        Fitted on either half and judged on the other.
    verdict
        The weaker of both.
    kept
        Share of the rows that a finite step keeps among the data.
    """

    candidate: Candidate
    trial: Trial
    exchanged: Trial | None
    verdict: Verdict
    kept: float


@dataclass(frozen=True)
class Outcome:
    """The end of a search.

    Attributes
    ----------
    accepted
        What was certified: the largest first, then what it does not contain; last the largest that is approximate, if
        it has more.
    tried
        Every candidate that was judged.
    best
        Held-out share of variance that the best predictor leaves.
    ranked
        Name and held-out share of all candidates of the rough round.
    """

    accepted: tuple[Found, ...]
    tried: tuple[Found, ...]
    best: float
    ranked: tuple[tuple[str, float], ...]
    whole: Trial | None = None


def of_both(halves: tuple[Verdict, Verdict], whole: Verdict) -> Verdict:
    """The verdict on all rows, as they are judged by the fits of the other half.

    What either half finds for itself is broken is not certified by both; what one refutes and the other certifies is
    undecided.
    """
    words = {v.word for v in halves}
    if words == {"refuted", "certified"}:
        return replace(whole, word="undecided", lower=min(v.lower for v in halves))
    if whole.word == "certified" and "approximate" in words:
        worst = max(halves, key=lambda v: v.eta)
        return replace(
            whole, word="approximate", eta=worst.eta, lower=worst.lower, upper=max(v.upper for v in halves),
            left_over=worst.left_over, judge=worst.judge,
        )  # fmt: skip
    return whole


def searched(
    problem: Problem, rows: Rows, halves: tuple[Tensor, Tensor], tolerance: float, seed: int, settings: WitnessSettings
) -> Outcome:
    """The search over rows, given the row numbers of both halves."""
    p, q = rows.take(halves[0]), rows.take(halves[1])
    base = general(problem.shape)
    ranked: list[Ranked] = []
    for structure in [base, *catalogue(problem.shape, problem.fixed)]:
        error = rough_error(structure, p, seed, settings.rough)
        if error is not None:
            ranked.append((structure, error, 0.0))
    named = min((error for _, error, _ in ranked[1:]), default=math.inf)
    if problem.objects[0] == 1 or named > settings.clear * ranked[0][1]:
        ranked += learned_forms(problem, p, seed, settings)
    ranked += learned_index(problem, p, seed, settings)
    ranked += learned_turns(problem, p, seed, settings)
    least = min(error for _, error, _ in ranked)
    enough = min(settings.near * least, least + settings.worse * max(1 - least, 0.0)) + settings.slack
    near = [r for r in ranked if r[1] <= enough]
    near += [r for r in _with_scalings(problem, near, p, seed, settings) if r[1] <= enough]
    candidates = []
    for found, error, noise in near:
        if found is not base:
            algebra = problem.algebra(found, p.x)
            if algebra.dimension:
                candidates.append(Candidate(found, error, algebra, noise))
    # What is named in the user's coordinates comes before what was learned, unless that is clearly better.
    candidates.sort(key=lambda c: (-c.algebra.dimension, c.error * (settings.named if c.learned else 1.0)))
    whole = trial(base, p, q, seed, settings.regression)
    best = 1.0 if whole is None else whole.share
    accepted: list[Found] = []
    tried: list[Found] = []
    for candidate in candidates:
        if len(tried) >= settings.trials:
            break
        if accepted and not _adds(problem, candidate, accepted, p.x, settings):
            continue
        parts = _parts(candidate, candidates, settings)
        judged = _judged(problem, candidate, parts, p, q, best, tolerance, seed, settings)
        if judged is None:
            continue
        best = min(best, judged.trial.share)
        tried.append(judged)
        if judged.verdict.word == "certified" and _closes(problem, [*accepted, judged], p.x):
            accepted.append(_less(problem, judged, accepted, p.x, settings))
    # What is broken a little is told beside what is exact, and never hides a smaller algebra that is exact.
    accepted += [
        f
        for f in tried
        if f.verdict.word == "approximate" and (not accepted or _adds(problem, f.candidate, accepted, p.x, settings))
    ][:1]
    return Outcome(tuple(accepted), tuple(tried), best, tuple((c.name, e) for c, e, _ in ranked), whole)


def _adds(
    problem: Problem, candidate: Candidate, accepted: Sequence[Found], x: Tensor, settings: WitnessSettings
) -> bool:
    """Whether an algebra has a direction that those accepted have not, on rows ``(n, D)``."""
    span = torch.cat([f.candidate.algebra.vectors for f in accepted], 1)
    return bool(problem.new_beside(candidate.algebra.vectors, span, x, settings).shape[1])


def _less(problem: Problem, found: Found, accepted: Sequence[Found], x: Tensor, settings: WitnessSettings) -> Found:
    """The same with the directions alone that those accepted have not."""
    algebra = found.candidate.algebra
    span = torch.cat([algebra.vectors[:, :0], *(f.candidate.algebra.vectors for f in accepted)], 1)
    own = problem.new_beside(algebra.vectors, span, x, settings)
    return replace(found, candidate=replace(found.candidate, algebra=Symmetries(own, algebra.blind)))


def _parts(candidate: Candidate, candidates: Sequence[Candidate], settings: WitnessSettings) -> list[SymmetricClass]:
    """The classes of a smaller algebra inside this one's that a rough fit holds better, the best of them."""
    basis = torch.linalg.qr(candidate.algebra.vectors).Q
    inside = []
    for other in candidates:
        if other.algebra.dimension >= candidate.algebra.dimension or other.error >= settings.better * candidate.error:
            continue
        vectors = other.algebra.vectors / other.algebra.vectors.norm(dim=0)
        if float((vectors - basis @ (basis.T @ vectors)).norm(dim=0).max()) < 0.05:
            inside.append(other)
    return [other.structure for other in sorted(inside, key=lambda c: c.error)[:1]]


def _closes(problem: Problem, found: Sequence[Found], x: Tensor) -> bool:
    """Whether the joint span is an algebra: two that generate a third would ask for what was not judged."""
    if len(found) == 1:
        return True
    span = torch.cat([f.candidate.algebra.vectors for f in found], 1)
    u, sigma, _ = torch.linalg.svd(span, full_matrices=False)
    basis = u[:, sigma > 1e-3 * sigma.max()]
    values, brackets = lie_bracket(problem.space, basis[: problem.space.dim], x.reshape(-1, problem.objects[1])[:200])
    q = torch.linalg.qr(values.T).Q
    flat = brackets.reshape(-1, brackets.shape[2])
    rest = flat - (flat @ q) @ q.T
    return float(rest.norm()) <= 0.02 * float(flat.norm()) + 1e-9 * float(values.norm())


def _judged(
    problem: Problem,
    candidate: Candidate,
    parts: Sequence[SymmetricClass],
    p: Rows,
    q: Rows,
    best: float,
    tolerance: float,
    seed: int,
    settings: WitnessSettings,
) -> Found | None:
    first = trial(candidate.structure, p, q, seed, settings.regression, settings.judges)
    if first is None:
        return None
    seen = visible(problem, slopes_of(first, q), q, candidate.algebra.vectors, tolerance)
    if seen.shape[1] < candidate.algebra.dimension:
        candidate = replace(candidate, algebra=Symmetries(seen, candidate.algebra.blind))
        if candidate.algebra.dimension == 0:
            return None
    rivals = [t for c in parts if (t := trial(c, p, q, seed, settings.regression)) is not None]
    lost = any(loses(first, rival, q, settings.judges.significant) for rival in rivals)
    told = verdict(first, min(best, first.share), tolerance, settings.judges, lost)
    kept = kept_share(problem, candidate.algebra, q, settings)
    second = None
    if told.word in ("certified", "approximate") or told.upper < settings.exchanged * tolerance:
        second = trial(candidate.structure, q, p, seed + 1, settings.regression, settings.judges)
        if second is not None:
            other = verdict(second, min(best, second.share), tolerance, settings.judges, lost)
            both = joined(first, second)
            told = of_both((told, other), verdict(both, min(best, both.share), tolerance, settings.judges, lost))
        if kept < settings.kept:  # rows that cannot speak of it do not bound it from below
            told = replace(told, word="undecided", lower=0.0)
    return Found(candidate, first, second, told, kept)


def _with_scalings(
    problem: Problem, near: Sequence[Ranked], rows: Rows, seed: int, settings: WitnessSettings
) -> list[Ranked]:
    """Scalings on top of the classes that do best, the general one among them."""
    if not problem.shape.matrices:
        return []
    out: list[Ranked] = []
    tied = problem.shape.moved_with and not problem.free
    slots = [list(range(problem.shape.outputs))] if problem.free else []
    for structure, _, noise in sorted(near, key=lambda r: r[1])[: settings.scaled]:
        if not isinstance(structure, Structure):
            continue
        z, k = features_of(structure, rows)
        fit = fitted(z, k, rows.y, rows.group, seed, settings.regression, quick=True)
        for variants in proposed_scalings(structure, fit, rows, problem.objects[1], slots, tied, problem.flow):
            count = variants[0].inputs.shape[0]
            title = f"{count} scaling{'s' * (count > 1)}"
            title = title if structure.name == NOTHING else f"{structure.name}, {title}"
            tried = [structure.scaled(title, scaling) for scaling in variants]
            errors = [(each, rough_error(each, rows, seed, settings.rough)) for each in tried]
            kept = [(each, error) for each, error in errors if error is not None]
            if kept:  # of exponents that serve as well the simplest
                enough = settings.simple * min(error for _, error in kept)
                scaled, error = next(pair for pair in kept if pair[1] <= enough)
                if problem.free:
                    scaled, error = _followed(structure, kept, (scaled, error), rows, seed, settings)
                out.append((scaled, error, noise))
    return out


def _followed(
    structure: Structure,
    tried: Sequence[tuple[Structure, float]],
    best: tuple[Structure, float],
    rows: Rows,
    seed: int,
    settings: WitnessSettings,
) -> tuple[Structure, float]:
    """Exponents of y by prediction: from the best fractions in steps of one and a half, as long as each leaves less.

    Slopes of a fit that does not reach what is steep are too small, and exponents read off them as well: a model that
    has the scaling exactly reaches there.
    """
    here = min(tried, key=lambda pair: (not _in_fractions(pair[0]), pair[1]))
    if not _in_fractions(here[0]):
        return best
    for step in (1.0, 0.5):
        nearer: list[tuple[Structure, float]] = [here]
        while nearer:
            here = min(nearer, key=lambda pair: pair[1])
            scaling = here[0].scaling
            assert scaling is not None
            nearer = []
            for i in range(len(scaling.outputs)):
                for way in (step, -step):
                    outputs = scaling.outputs.clone()
                    outputs[i] += way
                    moved = scaling_of(structure, scaling.inputs, outputs, rows.x)
                    if moved is None:
                        continue
                    each = structure.scaled(here[0].name, moved)
                    error = rough_error(each, rows, seed, settings.rough)
                    if error is not None and error < settings.better * here[1]:
                        nearer.append((each, error))
    return here if here[1] < settings.better * best[1] else best


def _in_fractions(structure: Structure) -> bool:
    """Whether all exponents are sixths, and so of those that are rounded to."""
    scaling = structure.scaling
    assert scaling is not None
    sixths = 6 * torch.cat([scaling.inputs.flatten(), scaling.outputs.flatten()])
    return bool(((sixths - sixths.round()).abs() < 1e-9).all())
