"""Whether exact symmetries cost anything on rows that no fit has seen."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from symfind.fits.surrogate import Samples
from symfind.promotion.settings import SETTINGS
from symfind.schema.promotion import HeldOut

# Standard errors by which the promoted model must be worse before the data speak against it: one-sided 95 %.
_QUANTILE = 1.645
# A share of variance that is rounding.
_EXACT = 1e-12


def held_out(promoted: Callable[[Tensor], Tensor], plain: Callable[[Tensor], Tensor], test: Samples) -> HeldOut:
    """Compare two models x ``(n, D)`` → ``(n, m)`` on rows, outputs that vary in units of their spread."""
    spread = test.y.std(0, correction=0)
    varies = spread > 0
    unit = torch.where(varies, spread, torch.ones_like(spread))

    def missed(model: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            return ((model(test.x) - test.y) / unit)[:, varies].square().mean(1)

    if not bool(varies.any()):
        return HeldOut(rows=len(test), promoted=0.0, plain=0.0, difference_error=0.0)
    ours, theirs = missed(promoted), missed(plain)
    groups = torch.arange(len(test)) if test.group is None else torch.unique(test.group, return_inverse=True)[1]
    count = int(groups.max()) + 1
    sums = torch.zeros(count, dtype=ours.dtype).index_add_(0, groups, ours - theirs - (ours - theirs).mean())
    error = float(sums.square().sum().sqrt() / len(test))
    share, plain_share = float(ours.mean()), float(theirs.mean())
    return HeldOut(rows=len(test), promoted=share, plain=plain_share, difference_error=error)


def against(compared: HeldOut) -> str:
    """Why nothing may be certified: the held-out rows are fitted worse with promotion. Empty if they are not."""
    gap = compared.promoted - compared.plain
    if compared.promoted < _EXACT or gap <= max(_QUANTILE * compared.difference_error, SETTINGS.worse * compared.plain):
        return ""
    return (
        f"on {compared.rows} held-out rows the promoted model misses {compared.promoted:.3g} of the variance, the same "
        f"model without promotion {compared.plain:.3g}: the data speak against the symmetries"
    )
