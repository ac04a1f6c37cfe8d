"""The nullspace over ξ of pr(ξ)Δ on solutions: Lie point symmetries of an equation, given or identified.

Points are moved onto Δ = 0 before the determining equations are formed
(:meth:`~symfind.kinds.field.equation.Equation.solved`), so that a symmetry of the equation has a defect of rounding
whatever the noise of the data. What is uncertain is the equation: its numbers are fitted again under every weighting of
the blocks, terms that it lacks are sought in its residual by the whole library, and what remains beyond the errors of
the derivatives counts against every direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence
from symfind.decision.halves import gram_by_block, halves
from symfind.errors import InputError
from symfind.fields.space import VectorFieldSpace
from symfind.fits.surrogate import Samples
from symfind.kinds.field.equation import Equation
from symfind.kinds.field.equation_fit import IdentifiedEquation, Measured, Points, Windows, explained, refits
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.one_solution import indistinct
from symfind.kinds.field.prolongation import Prolongation, Scales
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.superposition import EquationExtent
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum
from symfind.linalg.tsqr import StreamedFactor
from symfind.schema.equation import EquationEntry

# Points for the spectrum (fewer for larger spaces, at least two an unknown), and for the bounds of an identified
# equation, which are computed anew for each refit.
_POINTS, _NUMBERS = 4000, 200_000
_REFIT_POINTS = 400
_FOLDS = 4
# Errors of derivatives are known to a factor t (``SETTINGS.trusted``): what seems to be all of one may be a t-th of it,
# so that at least 1 − 1/t² of its mean square is signal. What drowns may not vanish: it could not tell against a field.
_LEAST_SIGNAL = 1.0 - 1.0 / SETTINGS.trusted**2
# Points kept for brackets and for telling superpositions.
_BRACKET_POINTS = 400


@dataclass(frozen=True)
class Judged:
    """An equation and how well the data obey it.

    Attributes
    ----------
    equation
        Δ.
    identified
        How it was found; None if it was given.
    alone
        Whether all points are of one solution, its blocks of space-time in place of solutions.
    """

    equation: Equation
    identified: IdentifiedEquation | None
    alone: bool = False

    def unexplained(self, jets: JetSample, measured: Measured) -> float:
        """The share of the terms' mean square that is residual beyond the errors of the derivatives."""
        if isinstance(measured, Windows):
            value, _, size = measured.linear(self.equation)
            allowed = (SETTINGS.trusted * measured.expected(self.equation)) ** 2
            return float((value.square().mean(0) / size.square() - allowed).clamp(min=0).max())
        residual, expected = self.equation.residual(jets)
        return float((residual.square() - (SETTINGS.trusted * expected).square()).clamp(min=0).max())


def probed(equation: Equation, jets: JetSample, generator: torch.Generator) -> JetSample:
    """The points of the data, and once more with every derivative taken from another point.

    The determining equations hold at every point on the equation; which points are asked is a choice of measure. The
    exchange undoes relations that only these solutions have (in a wave of one speed u_t + c u_x = 0, and every multiple
    of ∂t + c ∂x would seem a symmetry). Derivatives shrink by √(1 − error²/mean square), so that noise does
    not make terms larger than they are. What a learned equation depends on stays together, at other places instead.
    """
    out = {}
    for j, value in jets.derivatives.items():
        if any(j):
            noise = jets.errors[j].square() / value.square().mean(0).clamp(min=1e-300)
            value = value * (1.0 - noise).clamp(min=_LEAST_SIGNAL).sqrt()
            exchanged = value if j in equation.tied else value[torch.randperm(jets.rows, generator=generator)]
        else:
            exchanged = value
        out[j] = torch.cat([value, exchanged])
    places = jets.points[torch.randperm(jets.rows, generator=generator)] if equation.autonomous else jets.points
    return replace(jets, points=torch.cat([jets.points, places]), derivatives=out, group=torch.cat([jets.group] * 2))


def points_for(space: VectorFieldSpace) -> int:
    """How many points of the data are used for a space."""
    return min(_POINTS, max(2 * space.dim, _NUMBERS // space.dim))


class EquationSide:
    """One half of the trajectories: a :class:`~symfind.decision.bounds.Side`.

    Parameters
    ----------
    judged
        The equation, with the numbers of all the data.
    prolongation
        The determining equations in units of all the data.
    jets
        Measured points of this half.
    block
        ``(n,)`` block of each.
    generator
        Exchanges derivatives among the points.
    """

    def __init__(
        self, judged: Judged, prolongation: Prolongation, jets: JetSample, block: Tensor, generator: torch.Generator
    ) -> None:
        self._count = int(block.max()) + 1
        self.identified = judged.identified
        self.measured: Measured = Points(jets)
        self.block = block
        if judged.identified is not None and judged.identified.windows is not None:
            self.measured, self.block = windows_of(judged.identified.windows, jets.group, block)
        self._slack = judged.unexplained(jets, self.measured)
        own, most = judged.equation, points_for(prolongation.space) // 2
        if judged.identified is not None:
            own = own.with_parameters(
                refits(own, self.measured, self.block, torch.ones(1, self._count, dtype=torch.float64))[0]
            )
            most = _REFIT_POINTS
        self.equation = own
        step = max(1, jets.rows // most)
        jets, block = jets.take(torch.arange(0, jets.rows, step)), block[::step]
        self.points, self.points_block = probed(own, jets, generator), torch.cat([block, block])
        self.prolongation = prolongation

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return self._count

    def pencil(self, equation: Equation, vectors: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """M and S with the points moved onto this equation, point by point, and their blocks."""
        return pencil(replace(self.prolongation, equation=equation), self.points, vectors, self.points_block)

    def directions(self) -> GeneralisedSpectrum:
        """Directions of this half, with its own equation."""
        m, s, _ = self.pencil(self.equation)
        return generalised_spectrum(m.flatten(0, 1), s.flatten(0, 1))

    def along(self, vectors: Tensor) -> EquationAlong:
        """The pencil in the directions ``(P, K)``."""
        return EquationAlong(self, vectors)

    def untested(self) -> tuple[float, float]:
        """What no term explains: as steep as the equation itself."""
        return self._slack, 1.0

    def richer(self) -> list[Equation]:
        """The whole library fitted to each of four folds, if it leaves less of the folds it was not fitted to."""
        if self.identified is None:
            return []
        rich = self.identified.rich
        known = dict(self.equation.parameters)
        rich = rich.with_parameters(torch.tensor([known.get(a, 0.0) for a, _ in rich.parameters]).double())
        fold = self.block % _FOLDS
        weights = (torch.arange(_FOLDS)[:, None] != torch.arange(self._count) % _FOLDS).double()
        # Fitted to one fold each, so that the errors of two fits are independent; judged on the others.
        theta = refits(rich, self.measured, self.block, 1.0 - weights)
        plain = refits(self.equation, self.measured, self.block, 1.0 - weights)
        lost = kept = 0.0
        for i in range(_FOLDS):
            other = self.measured.take(fold != i)
            fitted = other.linear(rich.with_parameters(theta[i]))[0]
            simple = other.linear(self.equation.with_parameters(plain[i]))[0]
            lost, kept = lost + float(fitted.square().sum()), kept + float(simple.square().sum())
        return [rich.with_parameters(t) for t in theta] if lost < kept else []


def windows_of(windows: Windows, group: Tensor, block: Tensor) -> tuple[Windows, Tensor]:
    """The windows of the trajectories of one half, and for each a block that its trajectory has, in order of time."""
    held = windows.take(torch.isin(windows.group, torch.unique(group)).nonzero()[:, 0])
    label = torch.zeros(held.group.numel(), dtype=torch.int64)
    for g in torch.unique(group):
        own = torch.unique(block[group == g])
        rows = (held.group == g).nonzero()[:, 0]
        label[rows] = own[torch.arange(rows.numel()) * own.numel() // max(rows.numel(), 1)]
    return held, label


class EquationAlong:
    """The determining equations in K directions under weights of the blocks, the equation fitted again with each."""

    def __init__(self, side: EquationSide, vectors: Tensor) -> None:
        self._side, self._vectors = side, vectors

    def _blockwise(self, equation: Equation) -> tuple[Tensor, Tensor]:
        """Gram matrices ``(B, K, K)`` of numerator and denominator."""
        m, s, block = self._side.pencil(equation, self._vectors)
        blocks = self._side.blocks
        return gram_by_block(m, m, block, blocks), gram_by_block(s, s, block, blocks)

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums over the blocks."""
        side = self._side
        if side.identified is None:
            numerator, denominator = self._blockwise(side.equation)
            sums = [torch.einsum("rb,bKL->rKL", weights, gram) for gram in (numerator, denominator)]
            return sums[0], sums[1]
        theta = refits(side.equation, side.measured, side.block, weights)
        pairs = [self._blockwise(side.equation.with_parameters(t)) for t in theta]
        both = [torch.stack([pair[i] for pair in pairs]) for i in (0, 1)]
        return torch.einsum("rb,rbKL->rKL", weights, both[0]), torch.einsum("rb,rbKL->rKL", weights, both[1])

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same: random weights move it as fresh rows would."""
        return self.grams(weights)

    def misfit(self) -> list[Tensor]:
        """What the terms that the equation lacks would do: cross products of fits to different folds."""
        side = self._side
        rich = side.richer()
        if not rich:
            return []
        base = side.pencil(side.equation, self._vectors)
        moved = []
        for equation in rich:
            m, _, _ = side.pencil(equation, self._vectors)
            moved.append((m - base[0]).flatten(0, 1))
        pairs = [(moved[i].T @ moved[j]) for i in range(_FOLDS) for j in range(_FOLDS) if i != j]
        gram = torch.stack(pairs).mean(0)
        return [0.5 * (gram + gram.T)]

    def untested(self) -> tuple[float, float]:
        """What no term of the library explains."""
        return self._side.untested()


def pencil(
    prolongation: Prolongation, jets: JetSample, vectors: Tensor | None = None, block: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """M ``(n, E, K)``, S ``(n, r, K)`` at those points that can be moved onto the equation, and their blocks.

    Raises
    ------
    InputError
        If fewer than half of the points can.
    """
    on, held = prolongation.equation.solved(jets)
    if int(held.sum()) * 2 < jets.rows:
        raise InputError(
            f"the equation '{prolongation.equation.text}' cannot be solved for a derivative at "
            f"{jets.rows - int(held.sum())} of {jets.rows} points of the data; write it without singular terms"
        )
    on = on.take(held)
    parts = [
        prolongation.rows(on.take(rows), vectors)
        for rows in torch.split(torch.arange(on.rows), prolongation.rows_at_once)
    ]
    label = torch.zeros(on.rows, dtype=torch.int64) if block is None else block[held]
    return torch.cat([m for m, _ in parts]), torch.cat([s for _, s in parts]), label


def evidence_of_equation(
    judged: Judged, jets: JetSample, space: VectorFieldSpace, generator: torch.Generator
) -> Evidence:
    """Determining equations over the points of all trajectories, and over two halves of them.

    Parameters
    ----------
    judged
        The equation, given or identified.
    jets
        Derivatives at points of the solutions; every J of ``equation.needed`` is there.
    space
        Candidates on (independent, dependent), centred on the data.
    generator
        Draws the points and the halves.

    Raises
    ------
    InputError
        If derivatives are missing or the points are too few.
    """
    equation = judged.equation
    missing = [j for j in equation.needed if j not in jets.derivatives]
    if missing:
        raise InputError(
            f"the data give no {', '.join(jets.name(j) for j in missing)}, which the symmetries of "
            f"'{equation.text}' need; give a finer grid"
        )
    needed = max(16, -(-4 * space.dim // equation.lines))
    if jets.rows < needed:
        raise InputError(
            f"{jets.rows} points are too few for the space '{space.name}' with {space.dim} unknowns; give at least "
            f"{needed}, or a smaller --space"
        )
    chosen = torch.randperm(jets.rows, generator=generator)[: points_for(space)].sort().values
    at = probed(equation, jets.take(chosen), generator)
    prolongation = Prolongation(equation, space, Scales.of(equation, at, equation.linearised(at)))
    obeyed = _obeyed(judged, jets)
    doubts = _doubts(judged, obeyed, jets)
    index = torch.arange(jets.rows, dtype=torch.float64)[:, None]
    split = halves(Samples(index, index[:, :0], jets.group), generator)
    sides = None
    if split is None:
        doubts.append("all points are of one solution: another one could tell against every direction")
    else:
        first, second = (
            EquationSide(judged, prolongation, jets.take(half.samples.x[:, 0].long()), half.block, generator)
            for half in split
        )
        sides = (first, second)
    m, s = StreamedFactor(space.dim), StreamedFactor(space.dim)
    for rows in torch.split(torch.arange(at.rows), prolongation.rows_at_once):
        part_m, part_s, _ = pencil(prolongation, at.take(rows))
        m.add(part_m.flatten(0, 1))
        s.add(part_s.flatten(0, 1))
    spectrum = generalised_spectrum(m.factor(), s.factor())
    some = jets.take(chosen[torch.randperm(chosen.numel(), generator=generator)[:_BRACKET_POINTS]])
    return Evidence(
        space,
        Invariant(),
        spectrum,
        sides,
        EquationExtent(prolongation, some),
        given=judged.identified is None,
        doubts=tuple(doubts),
        rank=spectrum.values.shape[0],
        messages=(
            *_scope(judged),
            *(f"coefficient of {c.term}: {c.value:.6g} [{c.lower:.6g}, {c.upper:.6g}]" for c in obeyed.coefficients),
        ),
        equation=obeyed,
        exactness=SETTINGS.exact,
        bracket_points=torch.cat([some.points, some.values], 1),
    )


def _obeyed(judged: Judged, jets: JetSample) -> EquationEntry:
    found = judged.identified
    if found is None:
        residual, expected = (float(v.max()) for v in judged.equation.residual(jets))
    else:
        residual, expected = found.residual, found.expected
    return EquationEntry(
        text=judged.equation.text if found is None else found.text,
        given=found is None,
        residual=residual,
        expected=expected,
        explained=explained(residual, expected),
        coefficients=() if found is None else found.coefficients,
        library=() if found is None else found.library,
        functions=None if found is None else judged.equation.functions,
    )


def _doubts(judged: Judged, obeyed: EquationEntry, jets: JetSample) -> list[str]:
    """Reasons not to certify anything."""
    doubts = []
    if not obeyed.explained:
        what = "the data do not satisfy the equation" if obeyed.given else "no equation of the library fits the data"
        doubts.append(
            f"{what}: residual {_percent(obeyed.residual)} of its terms, {_percent(obeyed.expected)} from the errors "
            "of the derivatives"
        )
    if judged.identified is not None and not judged.equation.parameters:
        doubts.append("u does not change in time: whatever keeps it still is not told by its rate")
    if judged.identified is not None and judged.identified.frequency < SETTINGS.unstable:
        doubts.append("the terms of the equation change from one half of the trajectories to another; give --equation")
    if judged.alone and judged.equation.tied:
        doubts.append(
            "the derivatives of one solution are a surface, and a learned equation is known there alone; give "
            "several solutions, or take terms of a library"
        )
    elif judged.alone and (reason := indistinct(jets, judged.identified)):
        doubts.append(f"{reason}; another solution is needed")
    return doubts


def _scope(judged: Judged) -> tuple[str, ...]:
    """What a verdict from one solution is about."""
    if not judged.alone:
        return ()
    which = "given" if judged.identified is None else "identified"
    return (
        f"one solution: the symmetries are those of the {which} equation, which blocks of space-time obey that its "
        "numbers were not fitted to",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
