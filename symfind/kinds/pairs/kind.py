"""Pairs: the generators that carry each x to its partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.kinds.kind import Kind, Layout, has, rows_as_stored

if TYPE_CHECKING:
    import torch

    from symfind.data.dataset import Dataset
    from symfind.decision.evidence import Examined
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock


def _examined(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    from symfind.kinds.pairs.lconv import evidence_of_pairs  # only those pay for the import who ask

    return evidence_of_pairs(request, dataset, stop, generator, clock)


PAIRS = Kind(
    name="pairs",
    datasets="`x` (N, …), `x_moved` (N, …)[, `t` (N)]",
    recognised=has("x", "x_moved"),
    layouts=(Layout(("x", "x_moved"), ("t", "group"), rows_as_stored),),
    questions=(("the generators that carry each x to x_moved, and by which amounts", ""),),
    methods=("lconv",),
    examine=_examined,
    pictures=True,
)
