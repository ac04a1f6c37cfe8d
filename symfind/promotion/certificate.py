"""Whether exact symmetries cost anything on rows that no fit has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.fits.surrogate import Samples

# Standard errors by which the promoted model must be worse before the data are said to speak against it: one-sided
# 95 %. The difference must also be more than a twentieth of the error itself (a tie in practice).
_QUANTILE, _SHARE = 1.645, 0.05
# A share of variance that is rounding.
_EXACT = 1e-12


@dataclass(frozen=True)
class Compared:
    """Share of variance missed on held-out rows with promotion and without, and the error of the difference."""

    rows: int
    promoted: float
    plain: float
    error: float


def held_out(promoted: Callable[[Tensor], Tensor], plain: Callable[[Tensor], Tensor], test: Samples) -> Compared:
    """Compare two models x ``(n, D)`` → ``(n, m)`` on rows, outputs that vary in units of their spread."""
    spread = test.y.std(0, correction=0)
    varies = spread > 0
    unit = torch.where(varies, spread, torch.ones_like(spread))

    def missed(model: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            return ((model(test.x) - test.y) / unit)[:, varies].square().mean(1)

    if not bool(varies.any()):
        return Compared(len(test), 0.0, 0.0, 0.0)
    ours, theirs = missed(promoted), missed(plain)
    groups = torch.arange(len(test)) if test.group is None else torch.unique(test.group, return_inverse=True)[1]
    count = int(groups.max()) + 1
    sums = torch.zeros(count, dtype=ours.dtype).index_add_(0, groups, ours - theirs - (ours - theirs).mean())
    error = float(sums.square().sum().sqrt() / len(test))
    return Compared(len(test), float(ours.mean()), float(theirs.mean()), error)


def against(compared: Compared) -> str:
    """Why nothing may be certified: the held-out rows are fitted worse with promotion. Empty if they are not."""
    gap = compared.promoted - compared.plain
    if compared.promoted < _EXACT or gap <= max(_QUANTILE * compared.error, _SHARE * compared.plain):
        return ""
    return (
        f"on {compared.rows} held-out rows the promoted model misses {compared.promoted:.3g} of the variance, the same "
        f"model without promotion {compared.plain:.3g}: the data speak against the symmetries"
    )
