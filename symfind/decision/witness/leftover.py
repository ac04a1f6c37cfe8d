"""What is left over: the share of a residual that any judge predicts out of sample, beyond what the invariants do.

A residual r = y − F_g(x) is noise, or a misfit within the symmetric functions, or the broken part. The first is
predicted by nothing, the second by the invariants as well as by x, only the third by x alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from symfind.decision.witness.families import Standard, additive_features, polynomial_features
from symfind.decision.witness.fitting.parts import parts_of


@dataclass(frozen=True)
class JudgeSettings:
    """How hard it is looked for structure in a residual.

    Attributes
    ----------
    neighbours
        Numbers of neighbours whose residuals are averaged: few see fine structure, many see faint one.
    crowds
        More of them, where noise is so strong that near rows bound nothing: labels and counts.
    crowded
        Share of the variance of y in a residual above which it is: near rows bound what is below it.
    sharp
        The neighbourhoods that bound what is left over see at least this share of what the sharpest sees of y:
        structure as smooth as F is then still seen.
    rows
        Most rows of a judge; beyond six coordinates distances are compared one by one, which costs their square.
    tree_coordinates
        Most coordinates for which a tree finds neighbours faster.
    centres
        Radial functions of the kernel judges.
    lengths
        Of these, in units of the spread of whitened x times √D.
    intervals
        Of the splines along each coordinate.
    significant
        Standard errors beyond which something is left over: nine judges look, so that a chance in 2,000 each is one
        in 200 for all.
    """

    neighbours: tuple[int, ...] = (1, 4, 16)
    crowds: tuple[int, ...] = (64, 256)
    crowded: float = 0.02
    sharp: float = 0.5
    rows: int = 8000
    tree_coordinates: int = 6
    centres: int = 500
    lengths: tuple[float, ...] = (0.15, 0.5, 1.5)
    intervals: int = 48
    significant: float = 3.3


@dataclass(frozen=True)
class Judged:
    """The share of E r² that one judge predicts, and its standard error."""

    judge: str
    share: float
    error: float


@dataclass(frozen=True)
class Leftover:
    """What all judges say of one residual.

    Attributes
    ----------
    judged
        Every judge.
    seen
        The share of the variance of y itself that neighbours see, by the names of these judges: structure as smooth as
        F is seen at least so well.
    """

    judged: tuple[Judged, ...]
    seen: tuple[Judged, ...]

    def significant(self, settings: JudgeSettings) -> list[Judged]:
        """Judges that found something, the largest share first."""
        found = [j for j in self.judged if j.share > settings.significant * j.error]
        return sorted(found, key=lambda j: -j.share)

    def upper(self, share: float, settings: JudgeSettings) -> float:
        """An upper bound (one-sided 95 %) of η², the structured part over the variance of F, of what judges can see.

        By the neighbourhoods that bound it best, and no less than what any judge found for sure. ``share`` is that of
        the residual in the variance of y.
        """
        signal = max(1 - share, 0.0)
        own = {j.judge: j for j in self.judged}
        # Where F is seen badly, in many coordinates, structure is taken to be seen by a twentieth.
        seen = {j.judge: max(j.share - 1.65 * j.error, 0.05 * signal, 1e-9) for j in self.seen}
        sharpest = max(seen.values(), default=0.0)
        chosen = [name for name, of in seen.items() if of >= settings.sharp * sharpest]
        if not chosen:
            return 1.0
        best = min(chosen, key=lambda name: own[name].error / seen[name])
        parts = [(max(own[best].share, 0.0) + 1.65 * own[best].error) / seen[best]]
        parts += [(j.share + 1.65 * j.error) / seen.get(j.judge, max(signal, 1e-9)) for j in self.significant(settings)]
        return share * max(parts)

    def joined(self, other: Leftover) -> Leftover:
        """The same judges on two sets of rows."""
        return Leftover(_joined(self.judged, other.judged), _joined(self.seen, other.seen))


def _joined(first: Sequence[Judged], second: Sequence[Judged]) -> tuple[Judged, ...]:
    """Means by the inverse squares of their errors."""
    others = {j.judge: j for j in second}
    out = []
    for one in first:
        two = others.get(one.judge)
        if two is None or not (one.error > 0 and two.error > 0):
            out.append(one)
            continue
        weights = (one.error**-2, two.error**-2)
        total = sum(weights)
        share = (weights[0] * one.share + weights[1] * two.share) / total
        out.append(Judged(one.judge, share, total**-0.5))
    return tuple(out)


# Up to this many rows all distances are had (32 MB) before a tree is imported.
_ALL_PAIRS = 2048


def neighbour_table(x: Tensor, count: int, settings: JudgeSettings) -> Tensor:
    """The ``count`` nearest other rows of each row of ``(n, D)``, ``(n, count)``."""
    if x.shape[0] <= _ALL_PAIRS:
        near = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
        return torch.topk(near, count, largest=False).indices
    if x.shape[1] <= settings.tree_coordinates:
        from scipy.spatial import cKDTree  # slow to import, and few rows do without

        _, index = cKDTree(x.numpy()).query(x.numpy(), k=count + 1)
        return torch.from_numpy(np.asarray(index))[:, 1:]
    out = []
    for start in range(0, x.shape[0], 1024):
        part = torch.cdist(x[start : start + 1024].float(), x.float())
        part[torch.arange(part.shape[0]), torch.arange(start, start + part.shape[0])] = torch.inf
        out.append(torch.topk(part, count, largest=False).indices)
    return torch.cat(out)


def _pairs(table: Tensor, group: Tensor | None, count: int) -> Tensor:
    """Pairs ``(p, 2)`` of a row and one of its nearest ``count``, each once; rows of one group are no evidence."""
    n = table.shape[0]
    i = torch.arange(n).repeat_interleave(count)
    j = table[:, :count].reshape(-1)
    if group is not None:
        apart = group[i] != group[j]
        i, j = i[apart], j[apart]
    pairs = torch.unique(torch.minimum(i, j) * n + torch.maximum(i, j))
    return torch.stack([pairs // n, pairs % n], 1)


def _pair_share(r: Tensor, pairs: Tensor, count: int) -> Judged:
    """E[r_i·r_j]/E r² over pairs of near rows."""
    name = f"{count} neighbour{'s' * (count > 1)}"
    size = float(r.square().sum(1).mean())
    if pairs.shape[0] < 30 or size <= 0:
        return Judged(name, 0.0, 1.0)
    product = (r[pairs[:, 0]] * r[pairs[:, 1]]).sum(1)
    error = float(product.square().mean().sqrt()) / size / math.sqrt(product.shape[0])
    return Judged(name, float(product.mean()) / size, error)


def _among_near(
    x: Tensor, y: Tensor, r: Tensor, group: Tensor | None, settings: JudgeSettings
) -> tuple[list[Judged], list[Judged]]:
    """What neighbours see of a residual, and of y."""
    crowded = float(r.square().sum(1).mean()) > settings.crowded * float(y.square().sum(1).mean())
    # A neighbourhood of more than a twelfth of the rows is no neighbourhood.
    counts = [k for k in (settings.neighbours + settings.crowds * crowded) if k <= max(16, x.shape[0] // 12)]
    table = neighbour_table(x, max(counts), settings)
    judged, seen = [], []
    for count in counts:
        pairs = _pairs(table, group, count)
        judged.append(_pair_share(r, pairs, count))
        seen.append(_pair_share(y, pairs, count))
    return judged, seen


def _gain(name: str, r: Tensor, h: Tensor) -> Judged:
    """E[r² − (r − h)²]/E r² for a prediction h that has not seen its row."""
    size = r.square().sum(1).mean().clamp(min=1e-300)
    gain = (2 * r * h - h.square()).sum(1) / size
    return Judged(name, float(gain.mean()), float(gain.std()) / math.sqrt(gain.shape[0]))


def _crossfitted(phi: Tensor, r: Tensor, fold: Tensor, ridge: float) -> Tensor:
    """Ridge predictions ``(n, m)`` of r ``(n, m)`` from φ ``(n, f)``, each fold by the others.

    The prediction is shrunk by the factor that serves a part of its training rows best, so that noise alone predicts
    next to nothing.
    """
    out = torch.zeros_like(r)
    scale = phi.square().mean(0).sqrt().clamp(min=1e-300)
    phi = phi / scale
    own = [(phi[fold == f], r[fold == f]) for f in range(int(fold.max()) + 1)]
    grams = [part.T @ part for part, _ in own]
    moments = [part.T @ rest for part, rest in own]
    gram, moment = sum(grams, torch.zeros_like(grams[0])), sum(moments, torch.zeros_like(moments[0]))
    for f in range(len(grams)):
        g, b = gram - grams[f], moment - moments[f]
        inner = (f + 1) % len(grams)
        level = g.diagonal().mean()
        part = _ridge(g - grams[inner], b - moments[inner], ridge * level)
        tried = own[inner][0] @ part
        factor = float((tried * own[inner][1]).sum() / tried.square().sum().clamp(min=1e-300))
        full = _ridge(g, b, ridge * level)
        out[fold == f] = max(0.0, min(1.0, factor)) * (own[f][0] @ full)
    return out


def _ridge(gram: Tensor, moment: Tensor, level: float | Tensor) -> Tensor:
    """(G + λ1)⁻¹b; on its support where rounding leaves it singular, as on rows that lie on a curve."""
    shifted = gram + level * torch.eye(gram.shape[0], dtype=gram.dtype)
    factor, failed = torch.linalg.cholesky_ex(shifted)
    if bool(failed):
        return torch.as_tensor(torch.linalg.pinv(shifted, rtol=1e-10, hermitian=True) @ moment)
    return torch.as_tensor(torch.cholesky_solve(moment, factor))


def _folds(n: int, group: Tensor | None, generator: torch.Generator, count: int = 3) -> Tensor:
    if group is None:
        return torch.randperm(n, generator=generator) % count
    _, inverse = torch.unique(group, return_inverse=True)
    return (torch.randperm(int(inverse.max()) + 1, generator=generator) % count)[inverse]


def leftover(
    x: Tensor,
    z: Tensor,
    covariants: Tensor,
    y: Tensor,
    residual: Tensor,
    group: Tensor | None,
    seed: int,
    settings: JudgeSettings,
) -> tuple[Leftover, Tensor]:
    """What is left over of a residual that the invariants do not predict; and that rest itself ``(n, m)``.

    Parameters
    ----------
    x
        Whitened ``(n, D)``.
    z, covariants
        ``(n, r)`` and ``(n, A, m)`` of the class of symmetric functions.
    y
        ``(n, m)``, centred.
    residual
        ``(n, m)`` on rows that the fit has not seen.
    group
        Labels of rows that belong together, or None.
    """
    generator = torch.Generator().manual_seed(seed)
    n = min(x.shape[0], settings.rows)
    keep = torch.randperm(x.shape[0], generator=generator)[:n]
    x, z, covariants, y, r = x[keep], z[keep], covariants[keep], y[keep], residual[keep]
    group = None if group is None else group[keep]
    fold = _folds(n, group, generator)
    r = r - _within_class(z, covariants, r, fold, settings, generator)
    judged, seen = _among_near(x, y, r, group, settings)
    judged += _regression_judges(x, r, fold, settings, generator)
    return Leftover(tuple(judged), tuple(seen)), r


def _within_class(
    z: Tensor, covariants: Tensor, r: Tensor, fold: Tensor, settings: JudgeSettings, generator: torch.Generator
) -> Tensor:
    """What a further symmetric function predicts of the residual, cross-fitted: misfit, no broken symmetry."""
    out = torch.zeros_like(r)
    if z.shape[1] == 0:
        return out
    standard = Standard.of("plain", z)
    parts = [one for part in parts_of(covariants) for one in part.with_equal_factors()]
    a = max((part.covariants.shape[1] for part in parts), default=1)
    b = max((part.outputs.shape[1] for part in parts), default=1)
    count = max(20, int(settings.centres / (a * math.sqrt(b))))
    intervals = max(4, min(settings.intervals, z.shape[0] // (12 * a * z.shape[1])))
    u = standard(z)
    makers = [(additive_features(standard, u, intervals), z)]
    makers += [(features, u) for features in _radial_features(u, settings, generator, count)]
    for make, at in makers:
        phi = make(at)
        h = torch.zeros_like(r)
        for part in parts:
            k = part.of_first(covariants)
            flat = torch.einsum("nf,nab->nbfa", phi, k).reshape(phi.shape[0] * k.shape[2], -1)
            order = part.outputs.T.reshape(-1)
            own = (r - out)[:, order].reshape(-1, part.copies)
            h[:, order] = _crossfitted(flat, own, fold.repeat_interleave(k.shape[2]), 1e-6).reshape(phi.shape[0], -1)
        gained = _gain("", r - out, h)
        if gained.share > 2 * gained.error:
            out = out + h
    if bool((covariants == covariants[:1]).all()):
        out = out + _among_neighbours(standard(z), r - out, settings)
    return out


def _among_neighbours(u: Tensor, r: Tensor, settings: JudgeSettings) -> Tensor:
    """What rows of nearly the same invariants say of a residual: a misfit finer than any feature.

    The broken part averages out among them, as they lie anywhere along the orbits.
    """
    table = neighbour_table(u, max(settings.neighbours), settings)
    best, gained = torch.zeros_like(r), 0.0
    for count in settings.neighbours:
        h = r[table[:, :count]].mean(1)
        factor = float((h * r).sum() / h.square().sum().clamp(min=1e-300))
        judged = _gain("", r, max(0.0, min(1.0, factor)) * h)
        if judged.share > max(gained, 2 * judged.error):
            best, gained = max(0.0, min(1.0, factor)) * h, judged.share
    return best


def _radial_features(
    u: Tensor, settings: JudgeSettings, generator: torch.Generator, count: int
) -> Iterator[Callable[[Tensor], Tensor]]:
    for length in settings.lengths:
        centres = u[torch.randperm(u.shape[0], generator=generator)[: min(count, u.shape[0] // 4)]]
        scale = length * math.sqrt(u.shape[1])

        def features(at: Tensor, centres: Tensor = centres, scale: float = scale) -> Tensor:
            bells = torch.exp(-0.5 * (torch.cdist(at, centres) / scale).square())
            return torch.cat([torch.ones(at.shape[0], 1, dtype=at.dtype), at, bells], 1)

        yield features


def _regression_judges(
    x: Tensor, r: Tensor, fold: Tensor, settings: JudgeSettings, generator: torch.Generator
) -> list[Judged]:
    n, d = x.shape
    standard = Standard.of("plain", x)
    out = []
    degrees = [p for p in (1, 2, 3, 4, 5) if math.comb(d + p, p) <= min(n // 8, 260)]
    for p in degrees[-3:]:
        out.append(
            _gain(f"polynomial of degree {p}", r, _crossfitted(polynomial_features(standard, d, p)(x), r, fold, 1e-8))
        )
    for length, make in zip(
        settings.lengths, _radial_features(standard(x), settings, generator, settings.centres), strict=True
    ):
        out.append(_gain(f"kernel of length {length:g}", r, _crossfitted(make(standard(x)), r, fold, 1e-5)))
    intervals = max(4, min(settings.intervals, n // (12 * d)))
    out.append(
        _gain(
            "splines along axes", r, _crossfitted(additive_features(standard, standard(x), intervals)(x), r, fold, 1e-5)
        )
    )
    return out


@dataclass(frozen=True)
class Alone:
    """What is left over of a fit that is no symmetric one.

    Attributes
    ----------
    eta, eta_upper
        Root of the share of the variance of y that a judge predicts, significantly; and an upper bound of what is left.
    """

    eta: float
    eta_upper: float


def judged_alone(
    x: Tensor, y: Tensor, residual: Tensor, group: Tensor | None, seed: int, settings: JudgeSettings
) -> Alone:
    """The judges on the residual of any fit: a misfit that is taken for noise would hide a broken symmetry."""
    generator = torch.Generator().manual_seed(seed)
    keep = torch.randperm(x.shape[0], generator=generator)[: settings.rows]
    x, y, r = x[keep], y[keep] - y.mean(0), residual[keep]
    group = None if group is None else group[keep]
    judged, seen = _among_near(x, y, r, group, settings)
    judged += _regression_judges(x, r, _folds(x.shape[0], group, generator), settings, generator)
    left = Leftover(tuple(judged), tuple(seen))
    share = float(r.square().mean() / y.square().mean().clamp(min=1e-300))
    found = max((j.share for j in left.significant(settings)), default=0.0)
    return Alone(math.sqrt(found * share), math.sqrt(min(share, left.upper(share, settings))))
