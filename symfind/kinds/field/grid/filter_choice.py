"""Which filter of a family is right for which waves: the least estimated risk, bias² + variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from symfind.kinds.field.grid.local_polynomials import Filter, doublings
from symfind.kinds.field.settings import SETTINGS


@dataclass(frozen=True)
class Choice:
    """A filter for each shell of waves.

    Attributes
    ----------
    filters
        The candidates.
    chosen
        Which of them, ``(shells,)``; −1 is the filter zero, for shells whose signal is less than what the others let
        through of the noise.
    risk
        Estimated mean square error of one wave, ``(shells,)``. That of a shell that is left out is an unbiased
        estimate of its signal, which may be negative: sums over shells make sense, single ones do not.
    """

    filters: tuple[Filter, ...]
    chosen: Tensor
    risk: Tensor

    def gain(self, shell: int) -> float:
        """Variance that white noise of variance one has after the filter of a shell."""
        chosen = int(self.chosen[shell])
        return self.filters[chosen].gain if chosen >= 0 else 0.0

    def width(self, shell: int) -> int:
        """Points that the filter of a shell puts together."""
        chosen = int(self.chosen[shell])
        return 2 * self.filters[chosen].half + 1 if chosen >= 0 else 1

    def __call__(self, waves: Tensor, shells: Tensor) -> Tensor:
        """Filter waves ``(nt, …, K)`` whose shells are ``(K,)``: ``(nt − 2M, …, K)``."""
        inner = self.filters[0].weights.shape[0]
        result = waves.new_zeros((inner, *waves.shape[1:]))
        which = self.chosen[shells]
        for index in set(which.tolist()):
            if index >= 0:
                result[..., which == index] = self.filters[index](waves[..., which == index])
        return result


def choose(
    through: Sequence[Filter],
    fitted: Sequence[Filter],
    waves: Tensor,
    shells: Tensor,
    noise: Tensor,
    times: Tensor,
    alike: float = 1.0,
) -> Choice:
    """The filter of least risk for each shell.

    The longest of ``through`` stands for the truth: it has the least bias. What another filter gives differs from it
    by the bias of that filter and by noise, the second of known size, so that the difference less the noise
    estimates bias²; the risk adds the noise that comes through. Where much noise comes through the longest, a
    polynomial fitted is compared with that of two degrees more on the same points, which shares most of its noise.
    The remaining bias of the longest is extrapolated from windows of half and a quarter its length.

    Parameters
    ----------
    through, fitted
        Candidates (:mod:`~symfind.kinds.field.grid.local_polynomials`).
    waves
        Of a few trajectories, ``(nt, r, K)``.
    shells
        Which shell each belongs to, ``(K,)`` from 0.
    noise
        Variance of the noise on one of them, in each shell.
    times
        The inner times that count, of each trajectory, ``(nt − 2M, r)``.
    alike
        How many neighbouring waves share their noise.
    """
    count = int(shells.max()) + 1
    number = torch.zeros(count, dtype=torch.float64).index_add_(0, shells, torch.ones(len(shells), dtype=torch.float64))

    def power(values: Tensor) -> Tensor:
        """Mean square in each shell."""
        sums = values[times].abs().square().mean(0)
        return torch.zeros(count, dtype=torch.float64).index_add_(0, shells, sums) / number

    # Three standard deviations of a mean square of that many numbers.
    doubt = SETTINGS.doubt_of_noise + 3 / (number * float(times.sum()) / alike).sqrt()

    def apart(first: tuple[Filter, Tensor], second: tuple[Filter, Tensor], share: Tensor | float) -> Tensor:
        """Mean square difference of what two filters give, less (1 + share) of what noise makes of it."""
        seen = noise * float((first[0].weights - second[0].weights).square().sum(1).mean())
        return (power(first[1] - second[1]) - (1 + share) * seen).clamp(min=0)

    results = {f.name: (f, f(waves)) for f in (*through, *fitted)}
    best = results[through[-1].name]
    windows = [results[f.name] for f in doublings(through)]
    steps = [apart(a, b, doubt).sqrt() for a, b in pairwise(windows)]
    beyond = _extrapolated(steps) if steps else torch.zeros_like(noise)
    beyond = torch.minimum(beyond, (power(best[1]) - noise * best[0].gain).clamp(min=0))  # no more than there is
    risks, signals = [], []
    for f, result in results.values():
        bias = apart((f, result), best, doubt)
        signals.append(power(result) - noise * f.gain + bias + beyond)
        if f.next_degree in results:
            bias = torch.maximum(bias, apart((f, result), results[f.next_degree], 0.0))
        risks.append(bias + noise * f.gain + beyond)
    risk, chosen = torch.stack(risks).min(0)
    signal = torch.stack(signals).gather(0, chosen[None])[0]
    nothing = signal < risk
    return Choice((*through, *fitted), torch.where(nothing, -1, chosen), torch.where(nothing, signal, risk))


def _extrapolated(steps: Sequence[Tensor]) -> Tensor:
    """Return the square of the sum of the differences that would follow those of windows that double (Aitken).

    Of two windows their difference itself.
    """
    if len(steps) < 2:
        return steps[0].square()
    ratio = (steps[1] / steps[0].clamp(min=1e-300)).clamp(max=SETTINGS.slowest_gain)
    return (SETTINGS.aliases * steps[1] * ratio / (1 - ratio)).square()
