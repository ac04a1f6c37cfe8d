"""One solution: blocks of space-time instead of solutions, and whether its jets tell its equation from others.

What can be said of one solution is said of the equation that its windows obey. Two things void that statement. A
solution that a generator leaves alone (a travelling wave, a steady state, a single decaying mode) obeys its own reduced
equation, φ − τu_t − ξu_x = 0. And terms that depend on one another on it, Σ c_l f_l = 0, may be added to its equation
in any amount.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from symfind.fields.catalogue import make_space
from symfind.kinds.field.equation_fit import IdentifiedEquation, Windows, refits
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.sparse_regression import Regression
from symfind.kinds.field.term_library import libraries
from symfind.linalg.nullspace import generalised_spectrum

# Blocks along t and along each space axis: enough for two halves that both see all of the domain.
_PIECES = 4


def space_time_blocks(points: Tensor) -> Tensor:
    """The block of each point ``(n, q)`` of one solution, −1 in the gaps between them: ``(n,)``."""
    label = torch.zeros(len(points), dtype=torch.int64)
    inside = torch.ones(len(points), dtype=torch.bool)
    for x in points.unbind(1):
        low, high = x.min(), x.max()
        place = (x - low) / (high - low).clamp(min=1e-300) * _PIECES
        piece = place.floor().clamp(max=_PIECES - 1)
        label = label * _PIECES + piece.long()
        inside &= ((place - piece) - 0.5).abs() <= 0.5 * (1 - SETTINGS.gap)
    return torch.where(inside, label, -1)


def indistinct(jets: JetSample, found: IdentifiedEquation | None) -> str:
    """Why the jets of one solution cannot tell its equation from others; empty if they can.

    Parameters
    ----------
    jets
        Of the solution.
    found
        The equation that was identified with its library; None where the equation was given.
    """
    defect = invariance(jets)
    if defect < 1.0:
        return (
            "the only solution is left alone by a generator of its own, as travelling waves, steady states and single "
            "modes are: it obeys more equations than one"
        )
    if found is None:
        return ""
    terms = related(jets, found)
    if terms:
        return (
            f"on the only solution {', '.join(terms)} depend on one another, and any amount of that relation may be "
            "added to its equation"
        )
    return ""


def invariance(jets: JetSample) -> float:
    """The least ‖φ − Σ ξⁱ u_i‖ over affine fields, relative to its terms, over what errors explain: below one, none."""
    q, c = len(jets.independent), len(jets.dependent)
    names = (*jets.independent, *jets.dependent)
    z = torch.cat([jets.points, jets.values], 1)
    spread = z.std(0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    space = make_space("point:1", q + c, names).centred(z.mean(0), spread)
    xi = space.evaluate(z)  # (n, p, d)
    parts = []
    unit = [_first(q, i) for i in range(q)]
    scale = spread[q:]
    for i, j in enumerate(unit):
        parts.append(-xi[:, :, i, None] * jets.derivatives[j][:, None, :] / scale)
    parts.append(xi[:, :, q:] / scale)
    total = torch.stack(parts).sum(0).transpose(1, 2)  # (n, c, p)
    own = [SETTINGS.own_size * (xi[:, None, :, a] / spread[a]) for a in range(q + c)]
    size = torch.cat([*(part.transpose(1, 2) for part in parts), *own], 1)
    spectrum = generalised_spectrum(total.flatten(0, 1), size.flatten(0, 1))
    least = spectrum.vectors[:, 0]
    along = torch.einsum("npd,p->nd", xi, least)
    errors = [along[:, i].square().mean() * (jets.errors[j] / scale).square().sum() for i, j in enumerate(unit)]
    weight = (size @ least).square().sum(1).mean().sqrt()
    explained = float(torch.stack(errors).sum().sqrt() / weight.clamp(min=1e-300))
    return float(spectrum.values[0]) / max(SETTINGS.resolution, SETTINGS.trusted * explained)


def related(jets: JetSample, found: IdentifiedEquation) -> tuple[str, ...]:
    """The terms of a relation Σ c_l f_l ≈ 0 that this solution has, the largest first; none if it has no such.

    Σ c_l f_l of unit c, columns in units of their rms, leaves σ on the data. ``change`` of it in the equation leaves
    change·σ, which is not seen if that is within what errors make of the columns, or within what the equation leaves:
    at each point, of derivatives, whose errors are biases; of sums over windows, whose errors are chance, divided by
    the root of their number, as weights of the blocks tell.
    """
    names, columns, error = _terms_of_windows(found) if found.windows is not None else _plain_terms(jets, found)
    _, sigma, vt = torch.linalg.svd(torch.linalg.qr(columns, mode="r").R / len(columns) ** 0.5)
    from_errors = (error @ vt.T).square().mean(0).sqrt()
    left = torch.full_like(sigma, found.residual)
    if found.windows is not None:
        left = sigma * (_draws(found, found.windows, jets.rows) @ vt.T).std(0)
    unseen = SETTINGS.change * sigma < SETTINGS.trusted * torch.maximum(SETTINGS.change * from_errors, left)
    if not bool(unseen.any()):
        return ()
    relation = vt[int(unseen.nonzero()[-1, 0])].abs()
    order = relation.argsort(descending=True).tolist()
    return tuple(names[i] for i in order if relation[i] > 0.1)[:4]


def _plain_terms(jets: JetSample, found: IdentifiedEquation) -> tuple[list[str], Tensor, Tensor]:
    """Names, columns and their errors of the plain library and the terms of the equation.

    A richer library has relations on any solution that is resolved to a few digits alone.
    """
    generator = torch.Generator().manual_seed(jets.rows)
    shaken = replace(jets, derivatives={j: _shaken(jets, j, generator) for j in jets.derivatives})
    target = found.equation.text.partition(" =")[0]
    own = {c.term for c in found.coefficients} & set(found.library)
    plainest = libraries(jets.independent, jets.dependent, target.count(jets.independent[0]))[0]
    terms = tuple(dict.fromkeys((*plainest.terms, *sorted(own))))
    plain, moved = (Regression.of_jets(part, target, terms) for part in (jets, shaken))
    columns = (plain.columns / plain.units)[:, plain.alive]
    error = (moved.columns / plain.units)[:, plain.alive] - columns
    return [term for term, kept in zip(terms, plain.alive.tolist(), strict=True) if kept], columns, error


def _terms_of_windows(found: IdentifiedEquation) -> tuple[list[str], Tensor, Tensor]:
    """The same of the sums over windows, for the terms of the whole library."""
    assert found.windows is not None
    rows = found.windows.rows
    places = _places(found)
    units = rows.columns[:, places].square().mean(0).sqrt()
    return [rows.terms[i] for i in places], rows.columns[:, places] / units, rows.shaken[:, 1:][:, places] / units


def _places(found: IdentifiedEquation) -> list[int]:
    """Which terms of the library the whole equation has, by the names of its numbers."""
    return [int(name.partition("_")[2]) for name, _ in found.rich.parameters]


def _draws(found: IdentifiedEquation, windows: Windows, seed: int) -> Tensor:
    """Numbers of the whole library ``(200, L)`` under random weights of the blocks, in units of u_t."""
    generator = torch.Generator().manual_seed(seed)
    _, block = torch.unique(windows.group, return_inverse=True)
    weights = torch.empty(200, int(block.max()) + 1, dtype=torch.float64).exponential_(generator=generator)
    units = windows.rows.columns[:, _places(found)].square().mean(0).sqrt()
    return refits(found.rich, windows, block, weights) * units / windows.rows.target.square().mean().sqrt()


def _shaken(jets: JetSample, index: MultiIndex, generator: torch.Generator) -> Tensor:
    value = jets.derivatives[index]
    return value + jets.errors[index] * torch.randn(value.shape, generator=generator, dtype=value.dtype)


def _first(q: int, i: int) -> MultiIndex:
    return tuple(int(a == i) for a in range(q))
