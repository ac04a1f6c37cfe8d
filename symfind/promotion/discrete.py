"""Finite symmetries imposed on a fit: every row (x, y) stands for its orbit (gx, By), where the data do not object.

Least squares over rows that a group only permutes, in a space of functions that it maps to itself, has a solution that
commutes with the group: the mean over the group, without forming it. A candidate is taken where rows that no fit has
seen are predicted no worse with its orbits than without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.discrete.acts import outputs_of
from symfind.discrete.finite import closure, named_moves
from symfind.errors import UsageError
from symfind.fits.surrogate import Choice, Family, Samples, choose_family, fit_weights, fold_labels
from symfind.promotion.reading import Ready
from symfind.promotion.settings import SETTINGS

_FOLDS = 4
# An orbit of more rows than this multiplies the work of every fit by as much.
_LARGEST_GROUP = 64
# Rows on which candidates are judged.
_CHOICE_ROWS = 4000
# A share of variance that is rounding.
_EXACT = 1e-12


@dataclass(frozen=True)
class _Accepted:
    """A candidate on x and on y."""

    name: str
    x: Tensor
    y: Tensor


def with_orbits(prepared: Ready, asked: str, generator: torch.Generator) -> Ready:
    """The training rows with their orbits under the candidates that cross-validation accepts.

    Raises
    ------
    UsageError
        A name is unknown or a search, or the accepted candidates generate too large a group.
    InputError
        A file of matrices cannot be used.
    """
    if asked in ("signed-permutations", "point-groups"):
        raise UsageError(f"--discrete {asked} is a search, which `symfind discover` does; name candidates")
    frame = prepared.frame
    moves = named_moves(asked, frame.objects, prepared.names)
    train = prepared.train
    some = train.rows(torch.randperm(len(train), generator=generator)[:_CHOICE_ROWS].sort().values)
    choice = choose_family(some, "polynomial", 1, generator)
    labels = fold_labels(len(some), some.group, _FOLDS, generator)
    plain = _errors(some, choice, labels, ())
    accepted: list[_Accepted] = []
    for move in moves:
        best: tuple[float, _Accepted] | None = None
        for output, about in outputs_of(frame.action, frame.objects, frame.output_objects, move):
            tried = _Accepted(f"{move.name} ({about})" if about else move.name, move.matrix, output)
            group = _group([*accepted, tried])
            if group is None:
                continue
            errors = _errors(some, choice, labels, group)
            if _no_worse(errors, plain, some) and (best is None or float(errors.mean()) < best[0]):
                best = float(errors.mean()), tried
        if best is not None:
            accepted.append(best[1])
    group = _group(accepted)
    if accepted and group is None:
        raise UsageError(f"--discrete {asked} generates more than {_LARGEST_GROUP} elements; name fewer candidates")
    names = "; ".join(a.name for a in accepted) or "none"
    note = f"discrete: {names} imposed by orbits of {len(group or (0,))} rows, of {len(moves)} candidates"
    rows = _orbits(train, group or ()) if accepted else train
    return replace(prepared, train=rows, messages=(*prepared.messages, note))


def _group(accepted: Sequence[_Accepted]) -> tuple[_Accepted, ...] | None:
    """All products, on x and y together; None where there are too many."""
    if not accepted:
        return ()
    n = len(accepted[0].x)
    elements = closure([torch.block_diag(a.x, a.y) for a in accepted])  # type: ignore[no-untyped-call]
    if elements is None or len(elements) > _LARGEST_GROUP:
        return None
    return tuple(_Accepted("", g[:n, :n], g[n:, n:]) for g in elements)


def _orbits(samples: Samples, group: Sequence[_Accepted]) -> Samples:
    """Rows (gx, By) for all elements; an orbit is a group of rows, so that no split parts it."""
    if not group:
        return samples
    label = samples.group if samples.group is not None else torch.arange(len(samples))
    return Samples(
        torch.cat([samples.x @ g.x.T for g in group]),
        torch.cat([samples.y @ g.y.T for g in group]),
        label.repeat(len(group)),
    )


def _errors(samples: Samples, choice: Choice, labels: Tensor, group: Sequence[_Accepted]) -> Tensor:
    """Squared errors ``(n,)`` on held-out rows as they were measured, of fits to the orbits of the others."""
    out = torch.zeros(len(samples), dtype=torch.float64)
    family: Family = choice.family
    spread = samples.y.var(0, correction=0).clamp(min=1e-300)
    for fold in range(int(labels.max()) + 1):
        train = _orbits(samples.rows((labels != fold).nonzero()[:, 0]), group)
        weights, _ = fit_weights(family, [(train.x, train.y)], samples.y.shape[1])
        test = labels == fold
        miss = samples.y[test] - family.features(samples.x[test]) @ weights
        out[test] = (miss.square() / spread).mean(1)
    return out


def _no_worse(errors: Tensor, plain: Tensor, samples: Samples) -> bool:
    difference = errors - plain
    if float(errors.mean()) < _EXACT:
        return True
    count = len(difference)
    if samples.group is not None:  # rows of one trajectory err together
        _, inverse = torch.unique(samples.group, return_inverse=True)
        sums = torch.zeros(int(inverse.max()) + 1, dtype=torch.float64).index_add_(0, inverse, difference)
        error = float(sums.std()) * math.sqrt(len(sums)) / count
    else:
        error = float(difference.std()) / math.sqrt(count)
    return float(difference.mean()) <= SETTINGS.standard_errors * error
