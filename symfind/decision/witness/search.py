"""The largest algebra that loses nothing: candidates are chosen on one half, judged on the other, and exchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.witness.forms import (
    refined,
    start_from_gradient,
    start_from_moments,
    with_form,
)
from symfind.decision.witness.leftover import JudgeSettings
from symfind.decision.witness.proposals import Shape, catalogue, general
from symfind.decision.witness.regression import RegressionSettings, fitted
from symfind.decision.witness.scalings import proposed_scalings
from symfind.decision.witness.structure import Block, LogIndex, Structure, euclidean
from symfind.decision.witness.symmetries import Symmetries, symmetries
from symfind.decision.witness.trial import Rows, Trial, Verdict, features_of, trial, verdict
from symfind.errors import NumericalError
from symfind.fields.space import VectorFieldSpace, lie_bracket
from symfind.lie.algebras.canonical import canonical_basis
from symfind.lie_derivative import OutputAction


@dataclass(frozen=True)
class WitnessSettings:
    """What the search is allowed.

    Attributes
    ----------
    regression, rough, judges
        Of the fits, of the fits that only rank candidates, and of the judges.
    near
        A candidate is followed if its held-out share of variance is at most this multiple of the least one …
    slack
        … plus this: a rough fit of few rows. The functions of a larger algebra have fewer variables, so that an exact one
        is fitted better than by its parts.
    trials
        Most candidates that are judged on the other half.
    step
        Root mean square displacement of a finite step, in units of the spread of the data.
    kept
        Share of the rows that such a step must keep among the data: otherwise they cannot speak of it.
    """

    regression: RegressionSettings = RegressionSettings()
    rough: RegressionSettings = RegressionSettings(
        selection_rows=1000, lengths=(1.0, 3.0), ridges=(1e-9, 1e-4), degree_features=130, rich=False
    )
    judges: JudgeSettings = JudgeSettings()
    near: float = 2.0
    slack: float = 0.003
    trials: int = 6
    step: float = 0.35
    kept: float = 0.5


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes
    ----------
    shape
        Of the rows.
    space, action, objects, output_objects
        The fields and what they do to y.
    whiten
        ``(r, d)`` of one object.
    fixed
        Coordinates of an object that are categories.
    flow
        Whether y is dx/dt.
    free
        Whether the action on y is an unknown matrix.
    """

    shape: Shape
    space: VectorFieldSpace
    action: OutputAction
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    whiten: Tensor
    fixed: tuple[int, ...] = ()
    flow: bool = False
    free: bool = False

    def algebra(self, structure: Structure, x: Tensor) -> Symmetries:
        """The symmetries of a class of functions in the space."""
        return symmetries(
            structure,
            self.space,
            self.action,
            self.objects,
            self.output_objects,
            x,
            self.whiten,
            self.fixed,
            blind_counts=self.flow,
        )


@dataclass(frozen=True)
class Candidate:
    """A class that predicts about as well as any on the half it was chosen on."""

    structure: Structure
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
        What was certified or approximate: the largest first, then what it does not contain.
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


_ORDER = ("certified", "approximate", "undecided", "refuted")


def weaker(a: Verdict, b: Verdict) -> Verdict:
    """The weaker of two verdicts, with the wider interval."""
    first, second = sorted((a, b), key=lambda v: (_ORDER.index(v.word), v.upper))
    word = second.word
    if {a.word, b.word} == {"refuted", "certified"}:
        word = "undecided"
    return Verdict(
        max(a.eta, b.eta),
        min(a.lower, b.lower),
        max(a.upper, b.upper),
        word,
        max(a.left_over, b.left_over),
        second.judge,
    )


def searched(
    problem: Problem,
    rows: Rows,
    halves: tuple[Tensor, Tensor],
    tolerance: float,
    seed: int,
    settings: WitnessSettings = WitnessSettings(),
    log=lambda *a: None,
) -> Outcome:
    """The search over rows, given the row numbers of both halves."""
    p, q = rows.take(halves[0]), rows.take(halves[1])
    base = general(problem.shape)
    ranked: list[tuple[Structure | LogIndex, float, float]] = []
    for structure in [base, *catalogue(problem.shape, problem.fixed)]:
        error = _rough(structure, p, seed, settings)
        if error is not None:
            ranked.append((structure, error, 0.0))
    plain = ranked[0][1]
    ranked += _learned_forms(problem, p, seed, settings)
    ranked += _learned_index(problem, p, seed, settings)
    least = min(e for _, e, _ in ranked)
    near = [r for r in ranked if r[1] <= settings.near * least + settings.slack]
    log("rough", plain, least, [(s.name, f"{e:.1e}") for s, e, _ in sorted(near, key=lambda r: r[1])][:8])
    near += _with_scalings(problem, near, p, seed, settings, least, log)
    candidates = []
    for structure, error, noise in near:
        if structure is base:
            continue
        algebra = problem.algebra(structure, p.x)
        if algebra.dimension:
            candidates.append(Candidate(structure, error, algebra, noise))
    candidates.sort(key=lambda c: (-c.algebra.dimension, c.error))
    whole = trial(base, p, q, seed, settings.regression)
    best = min([whole.share] if whole is not None else [1.0])
    accepted: list[Found] = []
    tried: list[Found] = []
    for candidate in candidates:
        if len(tried) >= settings.trials:
            break
        if accepted and not _adds(candidate, accepted):
            continue
        found = _judged(problem, candidate, p, q, best, tolerance, seed, settings)
        if found is None:
            continue
        best = min(best, found.trial.share)
        tried.append(found)
        log(
            "tried",
            candidate.structure.name,
            candidate.algebra.dimension,
            f"R={found.trial.share:.2e}",
            found.verdict,
            f"kept={found.kept:.2f}",
            [(j.judge, f"{j.share:.3f}±{j.error:.3f}") for j in found.trial.left.significant(settings.judges)][:3],
        )
        if found.verdict.word in ("certified", "approximate") and _closes(problem, [*accepted, found], p.x):
            accepted.append(found)
    return Outcome(tuple(accepted), tuple(tried), best, tuple((s.name, e) for s, e, _ in ranked), whole)


def _rough(structure: Structure, rows: Rows, seed: int, settings: WitnessSettings) -> float | None:
    if not structure.usable(rows.x):
        return None
    z, k = features_of(structure, rows)
    return fitted(z, k, rows.y, rows.group, seed, settings.rough, quick=True).error


def _adds(candidate: Candidate, accepted: Sequence[Found]) -> bool:
    """Whether an algebra has a direction that those accepted have not."""
    span = torch.cat([f.candidate.algebra.vectors for f in accepted], 1)
    basis = torch.linalg.qr(span).Q
    vectors = candidate.algebra.vectors / candidate.algebra.vectors.norm(dim=0)
    rest = vectors - basis @ (basis.T @ vectors)
    return bool((rest.norm(dim=0) > 0.05).any())


def _closes(problem: Problem, found: Sequence[Found], x: Tensor) -> bool:
    """Whether the joint span is an algebra: two that generate a third would ask for what was not judged."""
    words = {f.verdict.word for f in found}
    if len(found) == 1:
        return True
    if len(words) > 1:  # what is approximate says nothing together with what is exact
        return False
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
    told = verdict(first, min(best, first.share), tolerance, settings.judges)
    kept = kept_share(problem, candidate.algebra, q, settings)
    second = None
    if told.word in ("certified", "approximate"):
        second = trial(candidate.structure, q, p, seed + 1, settings.regression, settings.judges)
        if second is not None:
            told = weaker(told, verdict(second, min(best, second.share), tolerance, settings.judges))
        if kept < settings.kept:
            told = replace(told, word="undecided")
    return Found(candidate, first, second, told, kept)


def kept_share(problem: Problem, algebra: Symmetries, rows: Rows, settings: WitnessSettings) -> float:
    """The least share, over generators and both ways, of rows that a finite step leaves among the data."""
    k, d = problem.objects
    n = min(len(rows), 2500)
    x, some = rows.x[:n], rows.x[:300]
    whole = _Support.of(x)
    # One object by itself has more rows in fewer dimensions: a mass shell shows there that is lost in the whole.
    alone = _Support.of(x.reshape(-1, d)[:4000]) if k > 1 else None
    least = 1.0
    for vector in algebra.vectors.T[:12]:
        c = vector[: problem.space.dim]
        field = torch.einsum("npd,p->nd", problem.space.evaluate(some.reshape(-1, d)), c).reshape(some.shape)
        size = whole.size(field)
        if size <= 0:
            continue
        for way in (1.0, -1.0):
            at = some.clone()
            steps = 4
            h = way * settings.step / size / steps
            for _ in range(steps):
                at = _runge_kutta(problem.space, c, at, h, d)
            least = min(least, whole.share(at))
            if alone is not None:
                least = min(least, alone.share(at.reshape(-1, d)))
    return least


@dataclass(frozen=True)
class _Support:
    """Where the data are: no further from them than nearly all of them are from one another, in units of their spread."""

    mean: Tensor
    to_white: Tensor
    white: Tensor
    radius: float

    @staticmethod
    def of(x: Tensor) -> _Support:
        mean, scale = x.mean(0), x.std(0, correction=0)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        unit = (x - mean) / scale
        _, sigma, vh = torch.linalg.svd(unit, full_matrices=False)
        keep = sigma > 1e-7 * sigma.max()
        to_white = (vh[keep].T / sigma[keep] * len(x) ** 0.5) / scale[:, None]
        white = (x - mean) @ to_white
        own = [torch.cdist(part, white).topk(2, largest=False).values[:, 1] for part in torch.split(white, 1024)]
        return _Support(mean, to_white, white, 1.5 * float(torch.quantile(torch.cat(own), 0.95)))

    def size(self, field: Tensor) -> float:
        """Root mean square of a field ``(n, D)`` in units of the spread."""
        return float((field @ self.to_white).square().mean().sqrt())

    def share(self, x: Tensor) -> float:
        """Share of points ``(n, D)`` that lie among the data."""
        moved = (x - self.mean) @ self.to_white
        near = torch.cat([torch.cdist(part, self.white).amin(1) for part in torch.split(moved, 1024)])
        return float((near <= self.radius).double().mean())


def finite_defect(problem: Problem, outcome: Outcome, rows: Rows, vector: Tensor, settings: WitnessSettings) -> float:
    """‖F̂(x_t) − y_t‖/(√2‖F̂‖) less twice the error of F̂ itself, at a step of the size of the data; at least zero.

    F̂ is the best predictor known, y_t the value at x carried along. What F̂ lacks cannot speak against a symmetry.
    """
    trials = [t for t in (outcome.whole, *(f.trial for f in outcome.tried)) if t is not None]
    if not trials:
        return 0.0
    best = min(trials, key=lambda t: t.share)
    x = rows.x[:400]
    d, p = problem.objects[1], problem.space.dim
    scale = rows.x.std(0).clamp(min=1e-300)
    field = torch.einsum("npd,p->nd", problem.space.evaluate(x.reshape(-1, d)), vector[:p]).reshape(x.shape)
    size = float((field / scale).square().mean().sqrt())
    if size <= 0:
        return 0.0
    weights = torch.where(rows.weights > 0, rows.weights, torch.ones_like(rows.weights))
    y = best(x, rows.weights) / weights
    h = 0.25 / size

    def slope(at: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        xi = torch.einsum("npd,p->nd", problem.space.evaluate(at.reshape(-1, d)), vector[:p]).reshape(at.shape)
        shaped = at.reshape(-1, *problem.objects)
        columns = problem.action.columns(problem.space, shaped, value.reshape(-1, *problem.output_objects))
        fibre = torch.zeros_like(value) if columns is None else (columns @ vector).reshape(value.shape)
        return xi, fibre

    at, value = x, y
    for _ in range(4):
        kx, ky = slope(at, value)
        mx, my = slope(at + 0.5 * h * kx, value + 0.5 * h * ky)
        at, value = at + h * mx, value + h * my
    low, high = rows.x.amin(0), rows.x.amax(0)
    inside = ((at >= low) & (at <= high)).all(1)
    if int(inside.sum()) < 30:
        return 0.0
    gap = ((best(at, rows.weights) - value * rows.weights)[inside]).square().sum(1).mean()
    spread = (y * rows.weights - (y * rows.weights).mean(0)).square().sum(1).mean()
    defect = float((gap / (2 * spread.clamp(min=1e-300))).sqrt())
    return max(0.0, defect - 2 * math.sqrt(max(best.share, 0.0)))


def _runge_kutta(space: VectorFieldSpace, c: Tensor, x: Tensor, h: float, d: int) -> Tensor:
    def slope(at: Tensor) -> Tensor:
        return torch.einsum("npd,p->nd", space.evaluate(at.reshape(-1, d)), c).reshape(at.shape)

    k1 = slope(x)
    k2 = slope(x + 0.5 * h * k1)
    k3 = slope(x + 0.5 * h * k2)
    k4 = slope(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _learned_index(
    problem: Problem, rows: Rows, seed: int, settings: WitnessSettings
) -> list[tuple[LogIndex, float, float]]:
    """Y ≈ f(W log|x|) with fewer indices than coordinates: dimensionless numbers that the data suggest."""
    shape = problem.shape
    k, d = shape.objects
    constant = torch.eye(shape.outputs, dtype=torch.float64)
    whole = LogIndex("logarithms", torch.eye(shape.width, dtype=torch.float64), constant)
    if k != 1 or shape.vectors or not shape.matrices or d < 2 or problem.fixed or not whole.usable(rows.x):
        return []
    z, kk = features_of(whole, rows)
    fit = fitted(z, kk, rows.y, rows.group, seed, settings.rough, quick=True)
    logs = z[:2000]
    step = 1e-3 * logs.std(0)
    slopes = []
    for j in range(d):
        move = torch.zeros_like(logs)
        move[:, j] = step[j]
        slopes.append((fit(logs + move, kk[:2000]) - fit(logs - move, kk[:2000])) / (2 * step[j]))
    gradient = torch.stack(slopes, -1).reshape(-1, d) * logs.std(0)  # in units of the spread
    _, _, vh = torch.linalg.svd(gradient, full_matrices=False)
    regression = torch.linalg.lstsq(torch.cat([torch.ones_like(z[:, :1]), z], 1), rows.y, driver="gelsd").solution[1:].T
    out = []
    for count in range(1, d):
        starts = [vh[:count] / logs.std(0)]
        if count == 1:
            starts.append(regression[:1])
        best: tuple[LogIndex, float, float] | None = None
        for start in starts:

            def make(theta: Tensor, count: int = count) -> LogIndex:
                return LogIndex(f"{count} product{'s' * (count > 1)} of powers", theta.reshape(count, d), constant)

            try:
                got = refined(make(start.reshape(-1)), make, start.reshape(-1), rows, seed, settings.regression)
            except RuntimeError:
                continue
            found = _rational(got.structure, got.errors.reshape(count, d))
            size = float(got.errors.max() / got.parameters.abs().max())
            for index, noise in ((found, 1e-10), (got.structure, size)):
                error = _rough(index, rows, seed, settings)
                if error is not None and (best is None or error < 0.9 * best[1]):
                    best = (index, error, noise)
        if best is not None:
            out.append(best)
    return out


def _rational(index: LogIndex, errors: Tensor) -> LogIndex:
    """The span of W by its sparsest basis with rational entries where they lie within the errors."""
    size = index.directions.norm(dim=1, keepdim=True)
    try:
        basis = canonical_basis(index.directions / size, (errors / size).clamp(max=0.05), largest_denominator=12)
    except NumericalError:
        return index
    return replace(index, directions=basis.coefficients)


def _learned_forms(
    problem: Problem, rows: Rows, seed: int, settings: WitnessSettings
) -> list[tuple[Structure, float, float]]:
    """Forms, and a centre where the space has shifts, that gradients and moments of the data suggest."""
    shape = problem.shape
    k, d = shape.objects
    if shape.outputs != 1 or shape.vectors or not shape.matrices or d < 2 or problem.fixed:
        return []
    out = []
    starts: list[tuple[Structure, Tensor, bool]] = []
    eye = torch.eye(shape.width, dtype=torch.float64)
    view = torch.stack([eye[a * d : (a + 1) * d] for a in range(k)])
    constant = torch.eye(1, dtype=torch.float64)
    none = torch.zeros(0, shape.width, dtype=torch.float64)
    y = rows.y[:, 0]
    if k == 1:
        centred = shape.shifts
        structure = Structure("a quadratic form", (Block(view, euclidean(d)),), none, constant)
        z, kk = features_of(general(shape), rows)
        fit = fitted(z, kk, rows.y, rows.group, seed, settings.rough, quick=True)
        gradient = _gradient(fit, rows.x[:2000], rows)
        starts.append((structure, start_from_gradient(rows.x[:2000], gradient, centred), centred))
        starts.append((structure, start_from_moments(rows.x[:, None, :], y, centred), centred))
    else:
        structure = Structure("one form for all objects", (Block(view, euclidean(d)),), none, constant)
        starts.append((structure, start_from_moments(structure.blocks[0].vectors(rows.x), y, False), False))
        if shape.shifts:
            pairs = torch.stack([view[a] - view[b] for a in range(k) for b in range(a + 1, k)])
            apart = Structure("one form for all differences", (Block(pairs, euclidean(d), None, True),), none, constant)
            independent = torch.einsum("qbd,nd->nqb", view[:-1] - view[-1:], rows.x)
            starts.append((apart, start_from_moments(independent, y, False), False))
    for structure, start, centred in starts:
        if not bool(torch.isfinite(start).all()) or float(start.norm()) == 0:
            continue

        def make(theta: Tensor, structure: Structure = structure, centred: bool = centred) -> Structure:
            return with_form(structure, theta, centred)

        try:
            got = refined(structure, make, start, rows, seed, settings.regression, d * (d + 1) // 2)
        except RuntimeError:
            continue
        error = _rough(got.structure, rows, seed, settings)
        if error is not None:
            form = d * (d + 1) // 2
            noise = float(got.errors[:form].max() / got.parameters[:form].abs().max())
            out.append((got.structure, error, max(noise, 1e-9)))
    return out


def _gradient(fit, x: Tensor, rows: Rows) -> Tensor:  # type: ignore[no-untyped-def]
    """∇F of a general fit by central differences ``(n, D)``."""
    step = 1e-3 * x.std(0)
    one = torch.ones(x.shape[0], 1, 1, dtype=x.dtype) * rows.weights
    out = []
    for j in range(x.shape[1]):
        move = torch.zeros_like(x)
        move[:, j] = step[j]
        out.append(((fit(x + move, one) - fit(x - move, one)) / (2 * step[j]))[:, 0])
    return torch.stack(out, 1)


def _with_scalings(problem: Problem, near, rows: Rows, seed: int, settings: WitnessSettings, least: float, log):  # type: ignore[no-untyped-def]
    """Scalings on top of the classes that do best, the general one among them."""
    if not problem.shape.matrices:
        return []
    out = []
    by_error = sorted(near, key=lambda r: r[1])[:5]
    for structure, _, noise in by_error:
        if not isinstance(structure, Structure):
            continue
        z, k = features_of(structure, rows)
        fit = fitted(z, k, rows.y, rows.group, seed, settings.regression, quick=True)
        found = Trial(structure, fit, 0.0, 0.0)
        tied = problem.shape.moved_with and not problem.free
        m = problem.shape.outputs
        slots = [list(range(m))] if problem.free else []
        for scaling, count in proposed_scalings(found, rows, slots, tied, problem.flow):
            scaled = structure.scaled(f"{structure.name}, {count} scaling{'s' * (count > 1)}", scaling)
            error = _rough(scaled, rows, seed, settings)
            log("scaling", scaled.name, scaling.parts.tolist(), scaling.outputs.tolist(), error)
            if error is not None and error <= settings.near * least + settings.slack:
                out.append((scaled, error, noise))
    return out
