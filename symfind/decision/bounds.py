"""U[k] ≥ max ρ over the k leading directions: upper bounds by refits with random weights, sides exchanged.

The recipe (DESIGN §8 "Decision"): directions V are chosen on one half of the data; on the other half λ̂[k] is the
top eigenvalue of the leading k × k block of the pencil in V, λ*[i, k] the same under exponential weights of
the blocks of data (the fit repeated with each), and

    u[k] = max(2λ̂ − mean λ*, 0) + q·sd λ*,     U[k] = √(u[k] + e[k]),

e[k] the part of the Lie derivative that richer families find in the residual. Then the halves are exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from symfind.decision.settings import SETTINGS
from symfind.linalg.nullspace import GeneralisedSpectrum

# The quantile of a normal distribution at 5 %.
_NORMAL_05 = 1.6448536269514722
# A ρ² far above every tolerance.
_NO_EVIDENCE = 1e6


class Along(Protocol):
    """The pencil of one half of the data in K fixed directions, for any weights of its blocks."""

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator Gram matrices ``(R, K, K)`` for weights ``(R, B)``."""
        ...

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same for random weights, spread as the estimate is from sample to sample."""
        ...

    def misfit(self) -> list[Tensor]:
        """Gram matrices ``(K, K)`` of the Lie derivative of what richer families find in the residual."""
        ...

    def untested(self) -> tuple[float, float]:
        """Share of variance left over that no richer family could be fitted to, and how steep that can be.

        Steep: the ratio of ‖∂R‖_G to ‖R‖ that a function just beyond the family can have.
        """
        ...


class Side(Protocol):
    """One half of the data, as a pencil that can be made again with other weights of its blocks.

    Attributes
    ----------
    blocks
        Number B of blocks that get a weight of their own.
    """

    @property
    def blocks(self) -> int: ...  # noqa: D102

    def directions(self) -> GeneralisedSpectrum:
        """Generalised singular vectors of the plain pencil, ascending."""
        ...

    def along(self, vectors: Tensor) -> Along:
        """The pencil in the directions ``(P, K)``."""
        ...


@dataclass(frozen=True)
class DirectionBounds:
    """Estimates and two-sided bounds of ρ for given directions.

    Attributes
    ----------
    estimate, lower, upper
        ``(K,)``; the estimate has the noise of the fit taken off.
    """

    estimate: Tensor
    lower: Tensor
    upper: Tensor


def quantile_factor(alpha: float) -> float:
    """Multiple of sd λ* for level α."""
    normal = torch.special.ndtri(torch.tensor(1.0 - alpha, dtype=torch.float64))
    return SETTINGS.quantile * float(normal) / _NORMAL_05


def exponential_weights(refits: int, blocks: int, generator: torch.Generator) -> Tensor:
    """Weights ``(R, B)`` of mean one: the Bayesian bootstrap (Rubin 1981)."""
    draws = torch.empty(refits, blocks, dtype=torch.float64).exponential_(generator=generator)
    return draws / draws.mean(1, keepdim=True)


def _top_eigenvalues(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Top generalised eigenvalue of every leading block: ``(R, K, K)`` twice → ``(R, K)``.

    A lower triangular factor of the denominator has the factors of the leading blocks as its own leading blocks.
    """
    count, k, _ = numerator.shape
    white = _whitened(numerator, denominator)
    return torch.stack([torch.linalg.eigvalsh(white[:, : i + 1, : i + 1])[:, -1] for i in range(k)], 1)


def _whitened(numerator: Tensor, denominator: Tensor) -> Tensor:
    scale = denominator.diagonal(dim1=-2, dim2=-1).abs().mean(-1)[:, None, None].clamp(min=1e-300)
    factor, failed = torch.linalg.cholesky_ex(denominator / scale)
    if bool(failed.any()):
        # A debiased denominator can be indefinite when the fit is mostly noise; raising it to the nearest
        # positive definite matrix makes ρ larger only where nothing could be certified anyway.
        values, vectors = torch.linalg.eigh(denominator / scale)
        raised = values.clamp(min=1e-3)  # share of the mean size of a direction
        factor = torch.linalg.cholesky_ex(vectors @ torch.diag_embed(raised) @ vectors.mT)[0]
    inner = torch.linalg.solve_triangular(factor, numerator / scale, upper=False)
    white: Tensor = torch.linalg.solve_triangular(factor, inner.mT, upper=False)
    # What is not finite (a denominator without any size) is no evidence for a symmetry.
    return torch.nan_to_num(white, nan=_NO_EVIDENCE, posinf=_NO_EVIDENCE, neginf=_NO_EVIDENCE)


@dataclass(frozen=True)
class _Judged:
    """λ̂ less its bias, its standard deviation, and the misfit, of the leading k directions: ``(K,)`` each."""

    centre: Tensor
    spread: Tensor
    misfit: Tensor

    def upper(self, alpha: float) -> Tensor:
        """U, non-decreasing."""
        u = self.centre.clamp(min=0) + quantile_factor(alpha) * self.spread
        return torch.cummax((u + self.misfit).clamp(min=0).sqrt(), 0).values


def _judged(chosen: Tensor, other: Side, weights: Tensor) -> _Judged:
    """Directions ``(P, K)`` that were chosen on one side, on the other."""
    along = other.along(chosen)
    numerator, denominator = along.grams(torch.ones(1, other.blocks, dtype=torch.float64))
    plain = _top_eigenvalues(numerator, denominator)[0]
    drawn = _top_eigenvalues(*along.draws(weights))
    # What could not be tested is taken as it stands: a residual as steep as F itself, all of it against the symmetry.
    e = torch.full_like(plain, along.untested()[0])
    for gram in along.misfit():
        e = torch.maximum(e, _top_eigenvalues(gram[None], denominator)[0])
    return _Judged(2 * plain - drawn.mean(0), drawn.std(0), e)


def exchanged_bounds(
    sides: Sequence[Side], keep: int, alpha: float, weights: Sequence[Tensor], *, pooled: bool = False
) -> Tensor:
    """U ``(keep,)``, directions chosen on one side and judged on the other: the larger of both orders.

    Parameters
    ----------
    sides
        Both halves.
    keep
        How many directions.
    alpha
        Level.
    weights
        ``(R, B)`` for each side, from :func:`exponential_weights`.
    pooled
        Bound the mean of both orders instead. Where the pencil is a mean over rows and nothing is fitted, both orders
        estimate one quantity with independent errors; as ρ² is convex on aligned bases, its mean over the spans that
        the halves chose bounds the span that all rows choose.
    """
    both = []
    for a, b in ((0, 1), (1, 0)):
        chosen = sides[a].directions().vectors[:, :keep]
        both.append(_judged(chosen, sides[b], weights[b]))
    if pooled:
        count = min(j.centre.shape[0] for j in both)
        first, second = (_Judged(j.centre[:count], j.spread[:count], j.misfit[:count]) for j in both)
        spread = torch.hypot(first.spread, second.spread) / 2
        mean = _Judged((first.centre + second.centre) / 2, spread, torch.maximum(first.misfit, second.misfit))
        uppers = [mean.upper(alpha)]
    else:
        uppers = [j.upper(alpha) for j in both]
    padded = [torch.cat([u, u.new_full((keep - u.shape[0],), torch.inf)]) for u in uppers]
    return torch.stack(padded).max(0).values


def direction_bounds(
    vectors: Tensor, sides: Sequence[Side], alpha: float, weights: Sequence[Tensor]
) -> DirectionBounds:
    """Estimate and bounds of ρ for each column of ``vectors`` ``(P, K)``, averaged over the sides.

    A quadratic form of a noisy fit is biased upwards by the noise; the refits are biased once more relative to
    the fit, which gives the size of the bias. Lower quantiles of the refits are therefore no lower bounds until they
    are shifted by twice the bias.
    """
    means, spreads, misfits, slack = [], [], [], 0.0
    for side, drawn_weights in zip(sides, weights, strict=True):
        along = side.along(vectors)
        numerator, denominator = along.grams(torch.ones(1, side.blocks, dtype=torch.float64))
        # A debiased size can come out negative when the fit is mostly noise: as in _whitened.
        floor = max(1e-300, 1e-3 * float(denominator[0].diagonal().abs().mean()))
        size = denominator[0].diagonal().clamp(min=floor)
        plain = numerator[0].diagonal() / size
        a, s = along.draws(drawn_weights)
        drawn = a.diagonal(dim1=1, dim2=2) / s.diagonal(dim1=1, dim2=2).clamp(min=floor)
        means.append(2 * plain - drawn.mean(0))
        spreads.append(drawn.std(0))
        share, steep = along.untested()
        slack = max(slack, steep * share**0.5)
        grams = [torch.full_like(size, share), *(g.diagonal() / size for g in along.misfit())]
        misfits.append(torch.stack(grams).max(0).values)
    mean = torch.stack(means).mean(0)
    spread = torch.stack(spreads).square().mean(0).sqrt() / len(sides) ** 0.5
    misfit = torch.stack(misfits).max(0).values
    q = quantile_factor(alpha)
    return DirectionBounds(
        mean.clamp(min=0).sqrt(),
        ((mean - q * spread).clamp(min=0).sqrt() - misfit.sqrt() - slack).clamp(min=0),
        (mean.clamp(min=0) + q * spread + misfit).sqrt(),
    )
