"""From proposals of the weak form to verdicts of the two-sample judge (DESIGN §9): the largest algebra that holds.

The weak form sees what its test functions see; it proposes spans. Finite elements of their algebras decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.bounds import DirectionBounds, direction_bounds, exponential_weights
from symfind.decision.evidence import Evidence, Finding, Generator
from symfind.decision.finding import canonical_in_span, decide
from symfind.decision.witness.distribution.finer_waves import quiet_subspaces
from symfind.decision.witness.distribution.finite_elements import AffineRows, flow_images
from symfind.decision.witness.distribution.label_neighbours import label_shares
from symfind.decision.witness.distribution.two_sample import Judgement, TwoSampleSettings, judged, one_row_a_group
from symfind.decision.witness.distribution.weak_alignment import affine_part, homogeneous
from symfind.fields.readable import affine_entries
from symfind.fits.surrogate import Samples
from symfind.kinds.frame import Frame
from symfind.lie.algebras.closure import MatrixBracket, closure_residual
from symfind.linalg.nullspace import GeneralisedSpectrum

# A span is proposed where ρ rises by this factor behind it, and if it is not larger than this: blobs that the coarse
# test functions see at all have ρ above 0.3.
_RISE, _FAR = 1.5, 0.3
_MOST = 4
# So many algebras that fell, a second or two each, and nothing more is tried.
_ENOUGH = 6
# Directions behind the algebra that are shown with bounds.
_SPARE = 3
# Curved fields are followed for this many spreads of the data, either way.
_FLOWED = 1.5
# An entry is recognised within so many standard errors, for those are of a whole generator, shared among its entries,
# and a centre takes more than its share; the generator as a whole may stray no further than it is known.
_SURE, _STRAY = (2.0, 3.0, 4.0), 1.5
# Brackets of recognised fields leave their span by rounding, or by what was not recognised.
_CLOSED = 1e-9


@dataclass(frozen=True)
class TwoSampleJudge:
    """The decision for points: :class:`~symfind.decision.evidence.Evidence`'s ``judge``.

    Attributes
    ----------
    frame, evidence, samples
        What the weak form made of the rows.
    settings
        Of the judge.
    """

    frame: Frame
    evidence: Evidence
    samples: Samples
    settings: TwoSampleSettings

    def __call__(self, tolerance: float, alpha: float, refits: int, seed: int) -> Finding:
        """The largest proposed algebra that the rows do not tell from none of it, then what is next."""
        weak = replace(self.evidence, judge=None)
        coordinates = _row_coordinates(self.frame)
        spectrum = self.evidence.spectrum
        fields = AffineRows.of(self.frame.space, spectrum.vectors, self.samples.x, self.frame.objects)
        mean, whiten, colour = coordinates
        rows = (self.samples.x - mean) @ whiten.T
        generator = torch.Generator().manual_seed(seed + 53)
        if fields is None or self.evidence.sides is None or spectrum.values.numel() == 0:
            return self._by_flows(decide(weak, tolerance, alpha, refits, seed), alpha, generator)
        basis = fields.in_coordinates(mean, whiten, colour)
        held: Judgement | None = None
        fallen: list[Judgement] = []
        for c in self._proposals(basis, rows, fallen, generator):
            if len(fallen) >= _ENOUGH:
                break
            found = judged(basis, c, rows, self.samples.group, tolerance, alpha, generator, self.settings)
            if found is None:
                continue
            if found.verdict in ("certified", "approximate"):
                held = found
                break
            fallen.append(found)
        if held is None and not fallen:
            return _without_certificates(decide(weak, tolerance, alpha, refits, seed))
        return self._finding(held, fallen, tolerance, alpha, refits, seed)

    def _proposals(
        self, basis: AffineRows, rows: Tensor, fallen: list[Judgement], generator: torch.Generator
    ) -> Iterator[Tensor]:
        """Coefficients ``(r, K)`` in the directions of the spectrum, the largest span first."""
        values = self.evidence.spectrum.values.tolist()
        eye = torch.eye(len(values), dtype=torch.float64)
        rises = [
            (after / max(before, 1e-300), k)
            for k, (before, after) in enumerate(zip(values, [*values[1:], 1.0], strict=True), start=1)
            if before < _FAR and after > _RISE * before
        ]
        for k in sorted((k for _, k in sorted(rises, reverse=True)[:_MOST]), reverse=True):
            before = len(fallen)
            yield eye[:, :k]
            if len(fallen) > before and fallen[-1].coefficients.shape[1] > 1:
                c = fallen[-1].coefficients
                for mix in quiet_subspaces(affine_part(c.T @ homogeneous(basis)), rows, generator):
                    yield c @ mix

    def _by_flows(self, finding: Finding, alpha: float, generator: torch.Generator) -> Finding:
        """Certificates of curved fields stand unless neighbours tell the rows from rows that their flows moved."""
        certified = [g.vector for g in finding.generators if g.verdict == "certified"]
        if not certified:
            return finding
        (k, d), space = self.frame.objects, self.frame.space
        x, group = one_row_a_group(self.samples.x, self.samples.group)
        some = torch.randperm(len(x), generator=generator)[: self.settings.neighbours.rows]
        x = x[some]
        mean, whiten, _ = _row_coordinates(self.frame)

        def velocity(at: Tensor, t: Tensor) -> Tensor:
            fields = space.evaluate(at.reshape(-1, d)).reshape(len(at), k, space.dim, d)
            return torch.einsum("nkpd,pK,nK->nkd", fields, vectors, t).flatten(1)

        vectors = torch.stack(certified, 1)[: space.dim]
        unit = torch.eye(len(certified), dtype=x.dtype)
        size = [((velocity(x[:1000], e.expand(len(x[:1000]), -1)) @ whiten.T).square().mean()).sqrt() for e in unit]
        vectors = vectors / torch.stack(size)
        t = torch.randn(len(x), len(certified), generator=generator, dtype=x.dtype)
        # An element is as likely as its inverse: see label_neighbours.
        amount = _FLOWED * (2 * torch.rand(len(x), generator=generator, dtype=x.dtype) - 1)
        moved = flow_images(velocity, x, t / t.norm(dim=1, keepdim=True), amount)
        shares = label_shares(
            (x - mean) @ whiten.T,
            (moved - mean) @ whiten.T,
            None if group is None else group[some],
            self.settings.neighbours,
        )
        level = alpha * self.settings.level / len(shares)
        z = -float(torch.special.ndtri(torch.tensor(level, dtype=torch.float64)))
        told = next((s for s in shares if s.share > z * s.spread), None)
        if told is None:
            return finding
        generators = tuple(
            replace(g, verdict="undecided") if g.verdict == "certified" else g for g in finding.generators
        )
        doubt = (
            f"neighbours tell the points from points moved along the fields ({100 * told.share:.2g} % of the label): "
            "what the test functions cannot see is not kept"
        )
        return replace(finding, generators=generators, doubts=(*finding.doubts, doubt))

    def _finding(
        self, held: Judgement | None, fallen: list[Judgement], tolerance: float, alpha: float, refits: int, seed: int
    ) -> Finding:
        # What is listed: the algebra that held, or else the largest one that is not refuted.
        shown = held or next((j for j in fallen if j.verdict == "undecided"), None)
        evidence, k = self.evidence, 0
        generators: list[Generator] = []
        entries: list[tuple[float, float | None, float | None]] = []
        if shown is not None:
            k = shown.coefficients.shape[1]
            evidence = replace(evidence, spectrum=_turned(evidence.spectrum, shown.coefficients))
            eye = torch.eye(k, dtype=torch.float64)
            vectors = self._recognised(evidence, eye, shown.error)
            entries = [(shown.eta, shown.lower, shown.upper)] * k
            generators = [
                Generator(v, shown.eta, shown.lower, shown.upper, shown.verdict, None, shown.error)
                for v in vectors.unbind(1)
            ]
        refuted = [j for j in fallen if j.verdict == "refuted"]
        if refuted:
            worst = min(refuted, key=lambda j: j.lower)
            more = max(0, worst.coefficients.shape[1] - k)
            entries += [(worst.eta, worst.lower, worst.upper)] * more
        entries += self._behind(len(entries), alpha, refits, seed)
        doubts = [] if held is not None and held.verdict == "certified" else [*evidence.doubts]
        doubts += [_told(j, tolerance) for j in ([shown] if shown is not None else []) if j.verdict != "certified"]
        notes = [_told(j, tolerance) for j in refuted]
        if held is not None and held.verdict == "certified":
            notes.append(f"finite elements of the algebra keep the distribution: {held.told}")
        return Finding(evidence, tuple(entries), tuple(generators), 0.0, tuple(doubts), (), tuple(notes))

    def _recognised(self, evidence: Evidence, eye: Tensor, error: float) -> Tensor:
        """The canonical vectors ``(P, k)``, with the narrowest width of recognition that leaves an algebra.

        What was judged is one: where entries were recognised and their neighbours, a little further off, were not, the
        brackets of the fields that are printed leave their span.
        """
        first: Tensor | None = None
        for sure in _SURE:
            vectors, _ = canonical_in_span(evidence, 0, eye, sure * error, _STRAY * error)
            first = vectors if first is None else first
            entries = affine_entries(self.frame.space, vectors[: self.frame.space.dim])
            if entries is None:
                break
            rows = torch.linalg.qr(homogeneous(AffineRows(*entries)).T).Q.T
            if closure_residual(rows, MatrixBracket(self.frame.space.d + 1)) < _CLOSED:
                return vectors
        assert first is not None
        return first

    def _behind(
        self, first: int, alpha: float, refits: int, seed: int
    ) -> list[tuple[float, float | None, float | None]]:
        """ρ with its bounds of the directions behind, from the weak form."""
        spectrum, sides = self.evidence.spectrum, self.evidence.sides
        assert sides is not None
        some = spectrum.vectors[:, first : first + _SPARE]
        bounds = DirectionBounds(*(spectrum.values.new_zeros(0) for _ in range(3)))
        if some.shape[1]:
            generator = torch.Generator().manual_seed(seed + 31)
            weights = [exponential_weights(refits, side.blocks, generator) for side in sides]
            bounds = direction_bounds(some, sides, alpha, weights)
        rows: list[tuple[float, float | None, float | None]] = [
            (e, min(lo, e), up)
            for e, lo, up in zip(bounds.estimate.tolist(), bounds.lower.tolist(), bounds.upper.tolist(), strict=True)
        ]
        return [*rows, *((float(v), None, None) for v in spectrum.values[first + _SPARE :])]


def _told(j: Judgement, tolerance: float) -> str:
    k = j.coefficients.shape[1]
    what = "a one-dimensional algebra" if k == 1 else f"an algebra of dimension {k}"
    size = f"η {j.eta:.2g} in [{j.lower:.2g}, {j.upper:.2g}]"
    words = {
        "refuted": f"{what} is refuted, {size} against {tolerance:g}: {j.told}",
        "approximate": f"{what} is broken by {size}: {j.told}",
        "undecided": f"{what} is undecided, {size} against {tolerance:g}: {j.told}",
    }
    return words[j.verdict]


def _without_certificates(finding: Finding) -> Finding:
    """What the weak form alone would certify is undecided: nothing stood out that finite elements could judge."""
    if not any(g.verdict == "certified" for g in finding.generators):
        return finding
    generators = tuple(replace(g, verdict="undecided") for g in finding.generators)
    doubt = "no span of small directions stands out, so that no algebra could be judged by its finite elements"
    return replace(finding, generators=generators, doubts=(*finding.doubts, doubt))


def _row_coordinates(frame: Frame) -> tuple[Tensor, Tensor, Tensor]:
    """Mean ``(k·d,)``, whitening ``(r, k·d)`` and colouring ``(k·d, r)`` of whole rows on their support."""
    geometry, k = frame.geometry, frame.objects[0]
    eye = torch.eye(k, dtype=torch.float64)
    whiten, colour = torch.kron(eye, geometry.inputs.whiten), torch.kron(eye, geometry.inputs.colour)
    if geometry.support is not None:
        whiten, colour = geometry.support.T @ whiten, colour @ geometry.support
    return geometry.mean.repeat(k), whiten, colour


def _turned(spectrum: GeneralisedSpectrum, c: Tensor) -> GeneralisedSpectrum:
    """The spectrum with its first directions turned into the span of combinations ``(r, K)`` of all of them."""
    k = c.shape[1]
    q = torch.linalg.qr(torch.cat([c, torch.eye(c.shape[0], dtype=c.dtype)], 1)).Q
    rest = q[:, k:]
    # The others stay in their order: nearest to the directions they were.
    order = (torch.arange(c.shape[0], dtype=c.dtype)[:, None] * rest.square()).sum(0).argsort()
    return GeneralisedSpectrum(
        spectrum.values, spectrum.vectors @ torch.cat([q[:, :k], rest[:, order]], 1), spectrum.trivial
    )
