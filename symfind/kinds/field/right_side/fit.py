"""N of u_t = N(jet) by least squares, on growing jets and growing bases, judged on held-out solutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.kinds.field.equation_fit import IdentifiedEquation, Points, held_out_residual
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.right_side.basis import LADDER, Degrees, JetBasis
from symfind.kinds.field.right_side.learned_equation import LearnedEquation
from symfind.kinds.field.settings import SETTINGS

# What is typed in place of an equation.
LEARNED = "learned"
# Functions of one line. Each half has some 4,000 points, and a fold of it a thousand.
MOST = 170
_MOST_OF_RICH = 260
Sampler = Callable[[set[MultiIndex]], JetSample]


def learned(
    independent: tuple[str, ...], dependent: tuple[str, ...], sampler: Sampler, generator: torch.Generator
) -> tuple[JetSample, IdentifiedEquation]:
    """The first basis that leaves no more than errors explain, else the one that leaves least on held-out solutions.

    Parameters
    ----------
    independent, dependent
        Names of the variables.
    sampler
        Derivatives at points of the solutions, for the J that are asked.
    generator
        Draws the halves.

    Raises
    ------
    InputError
        The grid is too coarse, or there are too few points.
    """
    best: tuple[JetSample, IdentifiedEquation] | None = None
    fault: InputError | None = None
    for target, order, places in _tried(independent, dependent):
        if target[0] == 2 and best is not None and best[1].residual < SETTINGS.not_first_order:
            continue
        jets_of = _coordinates(independent, dependent, target, order)
        try:
            sample = sampler(set(_needed(independent, dependent, jets_of, target)))
        except InputError as refusal:
            fault = fault or refusal
            continue
        for degrees in LADDER:
            found = _fitted(sample, target, jets_of, places, degrees, generator)
            if found is None:
                continue
            if found.explained:
                return sample, found
            if best is None or found.residual < SETTINGS.better * best[1].residual:
                best = sample, found
    if best is None:
        raise fault or InputError("there are too few points to learn an equation from; give more, or --equation")
    return best


def _tried(
    independent: tuple[str, ...], dependent: tuple[str, ...]
) -> Iterator[tuple[MultiIndex, int, tuple[int, ...]]]:
    """Target, highest order in space, and the places that N depends on."""
    q = len(independent)
    highest = 4 if q == 2 and len(dependent) == 1 else 3 if q == 2 else 2
    for places in ((), tuple(range(q))):
        for rate in (1, 2):
            for order in range(1, highest + 1):
                yield (rate, *[0] * (q - 1)), order, places


def _coordinates(
    independent: tuple[str, ...], dependent: tuple[str, ...], target: MultiIndex, order: int
) -> list[tuple[int, MultiIndex]]:
    """The derivatives that N may depend on: by space up to the order, and by t below the target."""
    q = len(independent)
    indices = {
        tuple(letters.count(a) for a in range(q))
        for count in range(order + 1)
        for letters in combinations_with_replacement(range(1, q), count)
    }
    if target[0] == 2:
        indices.add((1, *[0] * (q - 1)))
    return [(c, j) for c in range(len(dependent)) for j in sorted(indices, key=lambda j: (sum(j), j))]


def _needed(
    independent: tuple[str, ...], dependent: tuple[str, ...], jets_of: list[tuple[int, MultiIndex]], target: MultiIndex
) -> tuple[MultiIndex, ...]:
    """Every J of the determining equations."""
    coordinates = (*jets_of, *((c, target) for c in range(len(dependent))))
    none = torch.zeros(1, 1)
    basis = JetBasis.of(none, none[0] > 0, none.long())
    bare = LearnedEquation("", independent, dependent, (), coordinates, basis=basis, target=target, places=(),
                           degrees=Degrees(1))  # fmt: skip
    return bare.needed


def _fitted(
    jets: JetSample, target: MultiIndex, jets_of: list[tuple[int, MultiIndex]], places: tuple[int, ...],
    degrees: Degrees, generator: torch.Generator,
) -> IdentifiedEquation | None:  # fmt: skip
    """N over one basis, with its numbers from all points; None if there are too many functions."""
    equation = _equation(jets, target, jets_of, places, degrees, min(MOST, jets.rows // 16))
    if equation is None:
        return None
    equation = _least_squares(equation, jets)
    rich = _equation(jets, target, jets_of, places, degrees.richer(), _MOST_OF_RICH) or equation
    known = dict(equation.parameters)
    data = Points(jets)
    return IdentifiedEquation(
        equation,
        rich.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in rich.parameters], dtype=torch.float64)),
        (),
        held_out_residual(equation, data, generator),
        data.expected(equation),
        1.0,
        _names(jets, jets_of, places),
    )


def _names(jets: JetSample, jets_of: list[tuple[int, MultiIndex]], places: tuple[int, ...]) -> tuple[str, ...]:
    return (*(jets.independent[i] for i in places), *(jets.name(j, c) for c, j in jets_of))


def _equation(
    jets: JetSample, target: MultiIndex, jets_of: list[tuple[int, MultiIndex]], places: tuple[int, ...],
    degrees: Degrees, most: int,
) -> LearnedEquation | None:  # fmt: skip
    """With all numbers zero."""
    orders = [*[0] * len(places), *(sum(j[1:]) + j[0] for _, j in jets_of)]
    powers = degrees.powers(orders, most)
    if powers is None:
        return None
    z = torch.stack([*(jets.points[:, i] for i in places), *(jets.derivatives[j][:, c] for c, j in jets_of)], 1)
    basis = JetBasis.of(z, degrees.bent(orders), powers)
    arguments = ", ".join(_names(jets, jets_of, places))
    lines = [f"{jets.name(target, c)} = N{'' if len(jets.dependent) == 1 else c + 1}({arguments})"
             for c in range(len(jets.dependent))]  # fmt: skip
    coordinates = (*jets_of, *((c, target) for c in range(len(jets.dependent))))
    text = "; ".join(lines)
    return _named(
        LearnedEquation(
            text,
            jets.independent,
            jets.dependent,
            (),
            coordinates,
            basis=basis,
            target=target,
            places=places,
            degrees=degrees,
        )
    )


def over_richer(equation: LearnedEquation) -> LearnedEquation:
    """The same with coefficients of higher degrees in u, or in what the basis is rich in; their numbers are zero."""
    jets_of = [(c, j) for c, j in equation.coordinates if j != equation.target]
    orders = [*[0] * len(equation.places), *(sum(j) for _, j in jets_of)]
    high = (Degrees(1, lower=k) if equation.degrees.lower else Degrees(1, smooth=k) for k in range(16, -1, -1))
    tried = (degrees.powers(orders, _MOST_OF_RICH) for degrees in high)
    more = next(powers for powers in tried if powers is not None)
    powers = torch.unique(torch.cat([equation.basis.powers, more]), dim=0)
    wide = _named(replace(equation, basis=replace(equation.basis, powers=powers)))
    known = dict(equation.parameters)
    found = wide.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in wide.parameters], dtype=torch.float64))
    assert isinstance(found, LearnedEquation)
    return found


def _named(equation: LearnedEquation) -> LearnedEquation:
    """With a number for each function, all zero."""
    names = [".".join(map(str, row)) for row in equation.basis.powers.tolist()]
    return replace(equation, parameters=tuple((f"w{e}_{name}", 0.0) for e in range(equation.lines) for name in names))


def _least_squares(equation: LearnedEquation, jets: JetSample) -> LearnedEquation:
    """The numbers that leave least at all points."""
    columns = equation.basis.values(equation.coordinates_at(jets))
    unit = columns.square().mean(0).sqrt().clamp(min=1e-300)
    solution: Tensor = torch.linalg.lstsq(columns / unit, jets.derivatives[equation.target], driver="gelsd").solution
    moved = equation.with_parameters((solution / unit[:, None]).T.flatten())
    assert isinstance(moved, LearnedEquation)
    return moved
