"""Which of several libraries, of first or second order in t, the solutions ask for: the first that explains them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from symfind.errors import InputError
from symfind.kinds.field.equation_fit import IdentifiedEquation, identify_equation
from symfind.kinds.field.grid.field_data import FieldData
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.grid.jets import jets
from symfind.kinds.field.settings import SETTINGS
from symfind.kinds.field.term_library import Library, LibrarySettings, libraries
from symfind.kinds.field.weak_form import WeakRows, weak_rows

# Points: identification of some twenty numbers and pencils of some hundred columns saturate well below.
ROWS = 8192
# A field whose spread is below this share of its size is the same everywhere, but for rounding.
_CONSTANT = 1e-12
Cut = Callable[[torch.Tensor], torch.Tensor]


def identified(
    field: FieldData, generator: torch.Generator, settings: LibrarySettings, blocks: Cut | None = None
) -> tuple[JetSample, IdentifiedEquation]:
    """The equation of the first library that leaves no more than errors explain; else of the one that leaves least.

    Plain terms come before three factors, these before explicit variables; at each step first order in t before second.

    Parameters
    ----------
    field
        Solutions.
    generator
        Draws points and halves.
    settings
        What the libraries hold.
    blocks
        For one solution: points ``(n, q)`` → the block of each, −1 between them.

    Raises
    ------
    InputError
        u does not change in time, or the grid is too coarse for every library.
    """
    samples = _Samples(field, settings, generator, blocks)
    first, second = samples.libraries(1), samples.libraries(2)
    best: tuple[JetSample, IdentifiedEquation] | None = None
    fault: InputError | None = None
    for library in (*first[:2], second[0], *first[2:], *second[1:]):
        if library.target == 2 and best is not None and best[1].residual < SETTINGS.not_first_order:
            continue
        try:
            sample = samples.of(library)
            found = identify_equation(sample, generator, library)
        except InputError as refusal:
            fault = fault or refusal
            continue
        if (windows := _windows(field, sample, found, library, blocks)) is not None:
            weak = identify_equation(sample, generator, library, windows)
            if weak.residual < found.residual:
                found = weak
        if found.explained:
            return sample, found
        if best is None or found.residual < SETTINGS.better * best[1].residual:
            best = sample, found
    if best is None:
        raise fault or InputError("no library of terms could be fitted; give --equation")
    return best


class _Samples:
    """Derivatives for the libraries of each order in t and in space, taken once."""

    def __init__(self, field: FieldData, settings: LibrarySettings, generator: torch.Generator, blocks: Cut | None):
        self.field, self.settings, self.generator, self.blocks = field, settings, generator, blocks
        self.independent = tuple(axis.name for axis in field.axes)
        self._held: dict[tuple[int, int], JetSample | InputError] = {}

    def libraries(self, target: int) -> tuple[Library, ...]:
        """From plain to rich."""
        return libraries(self.independent, self.field.components, target, self.settings)

    def of(self, library: Library) -> JetSample:
        """The sample for all libraries of its orders.

        Raises
        ------
        InputError
            The grid is too coarse.
        """
        key = library.target, library.order
        if key not in self._held:
            names = self.independent, self.field.components
            alike = [one for one in self.libraries(library.target) if one.order == library.order]
            orders = {j for one in alike for j in one.orders(*names)}
            try:
                self._held[key] = sample_of(self.field, orders, self.generator, self.blocks)
            except InputError as refusal:
                self._held[key] = refusal
        held = self._held[key]
        if isinstance(held, InputError):
            raise held
        return held


def sample_of(
    field: FieldData, orders: Iterable[MultiIndex], generator: torch.Generator, blocks: Cut | None
) -> JetSample:
    """Derivatives at points of the solutions, or of the blocks of one solution.

    Raises
    ------
    InputError
        The grid is too coarse, or every component is the same everywhere: no equation is told from another then.
    """
    sample = jets(field, orders, generator, ROWS)
    u = sample.values
    if bool((u.std(0, correction=0) <= _CONSTANT * u.abs().amax(0)).all()):
        values = ", ".join(f"{name} = {v:g}" for name, v in zip(sample.dependent, u.mean(0).tolist(), strict=True))
        raise InputError(f"{values} everywhere; give solutions that differ from a constant")
    return cut_into_blocks(sample, blocks)


def cut_into_blocks(sample: JetSample, blocks: Cut | None) -> JetSample:
    """The points inside the blocks, each block a group; all of them where there are several solutions."""
    if blocks is None:
        return sample
    group = blocks(sample.points)
    return replace(sample.take(group >= 0), group=group[group >= 0])


def _windows(
    field: FieldData, sample: JetSample, found: IdentifiedEquation, library: Library, blocks: Cut | None
) -> WeakRows | None:
    """The weak form of noisy data of one component, where every axis is long enough for it."""
    if found.expected <= SETTINGS.noisy or len(field.components) > 1 or min(a.points for a in field.axes) < 24:
        return None
    windows = weak_rows(field, order=library.target, highest=library.order, noise=sample.noise[0])
    if blocks is None:
        return windows
    group = blocks(windows.centres)
    kept = (group >= 0).nonzero()[:, 0]
    parts = {name: getattr(windows, name)[kept] for name in ("target", "columns", "shaken", "centres")}
    return replace(windows, group=group[kept], **parts)
