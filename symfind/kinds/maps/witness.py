"""Functions, maps and flows judged by prediction: the search for a witness, and the finding it makes (DESIGN §9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.finding import canonical_vectors, decide
from symfind.decision.halves import half_labels
from symfind.decision.witness.fitting.labels import labels_of
from symfind.decision.witness.leftover import judged_alone
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import Shape
from symfind.decision.witness.search import Found, Outcome, searched
from symfind.decision.witness.support import finite_defect, kept_share, visible
from symfind.decision.witness.symmetries import Symmetries
from symfind.decision.witness.trial import Rows, along_axes, each_alike
from symfind.fits.surrogate import Choice, Samples, fit_weights
from symfind.kinds.frame import Frame
from symfind.kinds.maps.nullspace import MapExtent
from symfind.kinds.maps.symmetric_model import SymmetricModel, WitnessMap, record_of
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, LieDerivative, Same, constant_slope
from symfind.progress import Clock
from symfind.schema.witness import Witness

# Rows beyond these sharpen a verdict by less than the root of their number, and cost their square among neighbours.
_ROWS = 12_000
# A fit that leaves this share of the variance shows the defect of an exact symmetry to about the root of it, 0.01;
# five times that is none. An origin that moves by a tenth of the error, in units of what moves the data, stands still.
_HELD, _SMALL, _STILL = 1e-4, 0.05, 1e-3
# A column of at most so many different whole numbers is a category.
_CATEGORIES = 12


def categorical_columns(x: Tensor) -> tuple[int, ...]:
    """Coordinates of an object ``(n, d)`` that take few whole values: nothing flows along them."""
    out = []
    for j in range(x.shape[1]):
        column = x[:, j]
        if bool((column != column.round()).any()):
            continue
        if 1 < int(torch.unique(column).numel()) <= min(_CATEGORIES, max(2, int(math.sqrt(x.shape[0])))):
            out.append(j)
    return tuple(out)


def affine_space(frame: Frame) -> bool:
    """Whether all fields of the space are affine, and the action on y one that the witness knows."""
    space = frame.space
    if not isinstance(frame.action, Invariant | Same | Free | Bracket | Commuting):
        return False
    eye = torch.eye(space.dim, dtype=torch.float64)
    return all(constant_slope(space, eye[i]) is not None for i in range(space.dim))


@dataclass(frozen=True)
class WitnessJudge:
    """The decision for rows (x, y) of a function, a map or a flow.

    Attributes
    ----------
    frame, evidence
        The question, and what the slope of a general fit proposes.
    samples
        Rows in memory.
    choice
        The general fit's family.
    input_shape, output_shape
        Of one row.
    names
        Of the coordinates.
    clock
        For the time.
    """

    frame: Frame
    evidence: Evidence
    samples: Samples
    choice: Choice
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    names: tuple[str, ...]
    clock: Clock
    settings: WitnessSettings = field(default_factory=WitnessSettings)

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """Certified, approximate or undecided, by rows that were not fitted."""
        constant = not float(self.samples.y.std(0, correction=0).max()) > 1e-13 * float(self.samples.y.abs().max())
        if constant or (self.evidence.sides is None and self.samples.group is not None):
            return decide(self.evidence, tolerance, alpha, refits, seed)
        with self.clock.phase("witness"):
            problem, rows, fixed = self.problem(seed)
            generator = torch.Generator().manual_seed(seed + 5)
            label = half_labels(len(rows), rows.group, generator)
            if label is None:
                return decide(self.evidence, tolerance, alpha, refits, seed)
            halves = ((label == 0).nonzero()[:, 0], (label == 1).nonzero()[:, 0])
            outcome = searched(problem, rows, halves, tolerance, seed, self.settings)
            proposed = self._by_slope(problem, rows, halves, outcome, tolerance, alpha, refits, seed, fixed)
            return self._finding(problem, rows, outcome, proposed, tolerance, fixed, rows.take(halves[1]), seed)

    def _held(self, seed: int) -> Samples:
        """Rows that are judged."""
        if len(self.samples) <= _ROWS:
            return self.samples
        keep = torch.randperm(len(self.samples), generator=torch.Generator().manual_seed(seed + 3))[:_ROWS]
        return self.samples.rows(keep.sort().values)

    def problem(self, seed: int) -> tuple[Problem, Rows, tuple[int, ...]]:
        """What is asked of which rows, and the coordinates that are categories."""
        samples = self._held(seed)
        frame, action = self.frame, self.frame.action
        k, d = frame.objects
        x, y = samples.x.double(), samples.y.double()
        outputs = frame.output_objects
        known = action
        if isinstance(action, Commuting):  # x_next − x turns as a vector does
            y, known = y - x, Same()
        fixed = categorical_columns(x.reshape(-1, d))
        vectors = not isinstance(known, Invariant)
        shape = Shape(
            (k, d),
            prod(outputs),
            vectors,
            isinstance(known, Same | Bracket),
            frame.space.has_constants and self._moves_origin(),
            any(
                bool((constant_slope(frame.space, v) != 0).any())  # type: ignore[union-attr]
                for v in torch.eye(frame.space.dim, dtype=torch.float64)
            ),
        )
        offset = y.mean(0)
        if not vectors:
            y = y - offset
        weights = along_axes(x, y, d) if isinstance(known, Same | Bracket) and outputs[1] == d else each_alike(y)
        mean, scale = x.mean(0), x.std(0, correction=0)
        unit = (x - mean) / torch.where(scale > 0, scale, torch.ones_like(scale))
        _, sigma, vh = torch.linalg.svd(unit, full_matrices=False)
        keep_axes = sigma > 1e-7 * sigma.max()
        white = unit @ (vh[keep_axes].T / sigma[keep_axes]) * len(samples) ** 0.5
        labels = None if vectors else labels_of(samples.y.double(), offset, weights)
        rows = Rows(x, y * weights, samples.group, white, weights, labels)
        whiten = frame.geometry.inputs.whiten.double().cpu()
        problem = Problem(
            shape,
            frame.space,
            known,
            (k, d),
            outputs,
            whiten,
            fixed,
            isinstance(known, Bracket),
            isinstance(known, Free),
        )
        return problem, rows, fixed

    def _moves_origin(self) -> bool:
        """Whether centres are worth looking for: not where a fit without error shows no field that moves the origin.

        An exact symmetry of F has a small defect in a fit that holds F. Where every direction of small defect keeps the
        origin where it is, forms about other points would be sought in vain, at the cost of all forms again.
        """
        if 1 - self.choice.r2 > _HELD:
            return True
        space, spectrum = self.frame.space, self.evidence.spectrum
        small = spectrum.vectors[: space.dim, spectrum.values < _SMALL].double().cpu()
        x = self.samples.x[:400].double().cpu().reshape(-1, space.d)
        size = torch.einsum("npd,pk->nkd", space.evaluate(x), small).square().sum(2).mean(0).sqrt()
        at_origin = torch.einsum("pd,pk->kd", space.evaluate(torch.zeros_like(x[:1]))[0], small).norm(dim=1)
        return bool((at_origin > _STILL * size).any())

    def _by_slope(
        self,
        problem: Problem,
        rows: Rows,
        halves: tuple[Tensor, Tensor],
        outcome: Outcome,
        tolerance: float,
        alpha: float,
        refits: int,
        seed: int,
        fixed: tuple[int, ...],
    ) -> Finding | None:
        """What bounds on the slope certify, if the fit leaves nothing over and the data hold a finite step."""
        spectrum = self.evidence.spectrum
        taken = sum(f.candidate.algebra.dimension for f in outcome.accepted)
        small = int((spectrum.values < tolerance).sum())
        if fixed or small <= taken or self.evidence.doubts:
            return None
        p, q = (rows.take(half) for half in halves)
        features = self.choice.family.features
        for fit_rows, judge_rows in ((p, q), (q, p)):
            weights, _ = fit_weights(self.choice.family, [(fit_rows.x, fit_rows.y)], fit_rows.y.shape[1])
            residual = judge_rows.y - features(judge_rows.x) @ weights
            clean = judged_alone(judge_rows.white, judge_rows.y, residual, judge_rows.group, seed, self.settings.judges)
            if clean.eta_upper >= tolerance or clean.eta > tolerance / 5:
                return None
        # What is broken for sure by more than the resolution of a verdict is approximate, however well it is known.
        resolved = replace(self.evidence, rounding=tolerance / 5)
        found = decide(resolved, tolerance, alpha, refits, seed)
        small_ones = [g.vector for g in found.generators if g.verdict in ("certified", "approximate")]
        if not small_ones:
            return None
        vectors = torch.stack(small_ones, 1)
        extent = self.evidence.extent
        if isinstance(extent, MapExtent):
            x = rows.x[:400].reshape(-1, *self.input_shape)
            slopes = extent.derivative.map.value_and_jacobian(x)[1] * rows.weights[None, :, None]
            if visible(problem, slopes, rows, vectors, tolerance).shape[1] < vectors.shape[1]:
                return None
        kept = kept_share(problem, Symmetries(vectors, vectors[:, :0]), rows, self.settings)
        return found if kept >= self.settings.kept else None

    def _finding(
        self,
        problem: Problem,
        rows: Rows,
        outcome: Outcome,
        proposed: Finding | None,
        tolerance: float,
        fixed: tuple[int, ...],
        unseen: Rows,
        seed: int,
    ) -> Finding:
        evidence = self.evidence
        certified = [f for f in outcome.accepted if f.verdict.word == "certified"]
        approximate = [f for f in outcome.accepted if f.verdict.word == "approximate"]
        undecided = [f for f in outcome.tried if f.verdict.word == "undecided"]
        generators = self._generators(evidence, certified, "certified", rows, tolerance, [])
        if proposed is not None:
            for g in proposed.generators:  # each beside those before it: two that are new alone may be one together
                if g.verdict == "certified" and _is_new(g.vector, [before.vector for before in generators]):
                    generators.append(g)
        generators += self._generators(evidence, approximate, "approximate", rows, tolerance, generators)
        if proposed is not None and not approximate:
            listed = [g.vector for g in generators]
            generators += [g for g in proposed.generators if g.verdict == "approximate" and _is_new(g.vector, listed)]
        # Beside what is certified only what predicts as well, and leaves the data too soon to be sure of.
        unsure = [f for f in undecided if f.verdict.upper < tolerance] if generators else undecided
        generators += self._generators(evidence, unsure[:1], "undecided", rows, tolerance, generators)
        doubts = self._doubts(outcome, unsure if generators else undecided)
        entries = [(g.defect, g.lower, g.upper) for g in generators]
        following = evidence.spectrum.values[len(generators) :].tolist()
        rest: list[tuple[float, float | None, float | None]] = [(float(v), None, None) for v in following]
        if rest:
            lower = self._refuted(problem, rows, outcome, generators)
            rest[0] = (rest[0][0], min(lower, rest[0][0]), None)
        leading = next(iter([*certified, *approximate, *undecided]), None)
        predicted = None if leading is None else self._map(leading, rows, self._held(seed))
        return Finding(
            evidence if leading is None else self._with_witness(evidence, leading, rows),
            (*entries, *rest),
            tuple(generators),
            0.0,
            doubts,
            () if proposed is None else proposed.apart,
            self._notes(fixed, proposed),
            witness=None if leading is None or predicted is None else self._record(leading, outcome, predicted, unseen),
            symmetric_model=SymmetricModel.of(predicted) if predicted and (certified or approximate) else None,
        )

    def _notes(self, fixed: tuple[int, ...], proposed: Finding | None) -> tuple[str, ...]:
        notes = () if proposed is None else proposed.notes
        if not fixed:
            return notes
        named = " ".join(self.names[i] for i in fixed)
        return (*notes, f"{named}: few whole values, taken as categories; nothing flows along them")

    def _with_witness(self, evidence: Evidence, found: Found, rows: Rows) -> Evidence:
        """Reach and the note on the flow itself are those of the witness."""
        extent = evidence.extent
        if not isinstance(extent, MapExtent):
            return evidence
        return replace(evidence, extent=replace(extent, derivative=self._derivative(extent.derivative, found, rows)))

    def _derivative(self, derivative: LieDerivative, found: Found, rows: Rows) -> LieDerivative:
        return replace(derivative, map=self._map(found, rows, self.samples))

    def _map(self, found: Found, rows: Rows, centred: Samples) -> WitnessMap:
        offset = torch.zeros_like(rows.weights)
        if isinstance(self.frame.action, Invariant):
            offset = centred.y.double().mean(0)
        weights = torch.where(rows.weights > 0, rows.weights, torch.ones_like(rows.weights))
        adds = isinstance(self.frame.action, Commuting)
        return WitnessMap(found.trial, weights, offset, adds, self.input_shape, self.output_shape)

    def _record(self, found: Found, outcome: Outcome, predicted: WitnessMap, unseen: Rows) -> Witness:
        target = {"dx": "dx/dt", "x_next": "x_next − x"}.get(self.frame.question.target or "", "y")
        k, d = self.frame.objects
        names = self.names if k == 1 else tuple(f"{name}{i + 1}" for i in range(k) for name in self.names)
        return record_of(found, outcome, predicted, unseen, names, target)

    def _generators(
        self,
        evidence: Evidence,
        found: Sequence[Found],
        word: str,
        rows: Rows,
        tolerance: float,
        before: Sequence[Generator],
    ) -> list[Generator]:
        """The joint span of algebras, less what is listed before, in its sparsest basis."""
        if not found:
            return []
        span = torch.cat([f.candidate.algebra.vectors for f in found], 1)
        span = span / span.norm(dim=0).max()  # in x's own units, whatever these are
        if before:
            basis = torch.linalg.qr(torch.stack([g.vector for g in before], 1)).Q
            span = span - basis @ (basis.T @ span)
        u, sigma, _ = torch.linalg.svd(span, full_matrices=False)
        # What is approximate agrees with what is exact only about as well as it holds.
        least = 0.3 if word == "approximate" and before else 1e-3 * max(float(sigma.max()), 0.05)
        span = u[:, sigma > least]
        if span.shape[1] == 0:
            return []
        noise = max(f.candidate.noise for f in found)
        vectors = canonical_vectors(evidence, span, max(noise, 1e-10))
        eta = max(f.verdict.eta for f in found)
        lower, upper = min(f.verdict.lower for f in found), max(f.verdict.upper for f in found)
        extent = self._with_witness(evidence, found[0], rows).extent
        out = []
        for vector in vectors.T:
            reach = extent.reach(vector, tolerance)
            distance = None if reach is None else reach.distance
            out.append(Generator(vector, eta, min(lower, eta), upper, word, distance, noise))
        return out

    def _doubts(self, outcome: Outcome, undecided: Sequence[Found]) -> tuple[str, ...]:
        out = [doubt for doubt in self.evidence.doubts if not outcome.accepted]
        for found in undecided[:1]:
            if found.kept < self.settings.kept:
                out.append(
                    f"{found.candidate.structure.name}: a finite step of the size of the data keeps only "
                    f"{100 * found.kept:.0f} % of the rows among them; they cannot speak about it"
                )
            elif found.verdict.left_over:
                out.append(
                    f"{found.candidate.structure.name}: a symmetric model leaves {100 * found.trial.share:.2g} % of "
                    f"the variance of unseen rows, of which {found.verdict.judge} finds structure"
                )
            else:
                out.append(
                    f"{found.candidate.structure.name}: a symmetric model leaves {100 * found.trial.share:.2g} % of "
                    f"the variance of unseen rows: what is broken by less than {found.verdict.upper:.2g} is not seen"
                )
        return tuple(out)

    def _refuted(self, problem: Problem, rows: Rows, outcome: Outcome, generators: Sequence[Generator]) -> float:
        """A lower bound of the finite defect of the best direction that is left, by the best predictor known."""
        p = problem.space.dim
        spectrum = self.evidence.spectrum
        taken = torch.stack([g.vector for g in generators], 1) if generators else spectrum.vectors[:, :0]
        basis = torch.linalg.qr(taken).Q if generators else taken
        for vector in spectrum.vectors.T:
            rest = vector - basis @ (basis.T @ vector)
            if float(rest.norm()) > 0.5 * float(vector.norm()) and float(rest[:p].norm()) > 0:
                trials = [t for t in (outcome.whole, *(f.trial for f in outcome.tried)) if t is not None]
                return finite_defect(problem, trials, rows, rest)
        return 0.0


def _is_new(vector: Tensor, span: Sequence[Tensor]) -> bool:
    if not span:
        return True
    basis = torch.linalg.qr(torch.stack(list(span), 1)).Q
    rest = vector - basis @ (basis.T @ vector)
    return float(rest.norm()) > 0.05 * float(vector.norm())
