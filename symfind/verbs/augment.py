"""The verb ``augment``, and ``score`` of fields: what generators of a report do to solutions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from symfind.data.axes import AXES, Axis
from symfind.data.files import appearing_whole, readable, sha256
from symfind.data.hdf5 import growing
from symfind.decision.halves import groups_with_copies
from symfind.errors import InputError, SymfindError, UsageError
from symfind.fields.actions import fields_of_actions
from symfind.fields.polynomial import PolynomialFields
from symfind.fields.taylor import Series
from symfind.kinds.field.equation import Equation, parse_equation
from symfind.kinds.field.grid.field_data import FieldData, field_of
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.kinds.field.grid.jets import jets
from symfind.kinds.field.grid.moves import Motion, closing, flow, linear_motion, moved
from symfind.kinds.field.identification import identified
from symfind.kinds.field.prolongation import Prolongation, Scales
from symfind.kinds.field.right_side.fit import LEARNED
from symfind.kinds.field.term_library import asked_library
from symfind.kinds.field.transformed_jets import total_degree, transformed
from symfind.kinds.reading import open_dataset
from symfind.linalg.threads import one_thread
from symfind.options.of_verbs import AugmentOptions, ScoreOptions
from symfind.progress import Clock, Progress, SilentProgress
from symfind.schema.augmentation import Augmentation, FieldScore, FieldScored
from symfind.schema.document import Report
from symfind.schema.store import read_report
from symfind.verbs.machine import check_outputs, on_cpu_in_double

# Of α, in units of the data.
SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
_JET_ROWS, _SCORED = 4096, 400
# Combinations of the largest sizes that the window is found by: all signs of so many generators, else as many draws.
_CORNERS = 5
# Characters of a generator that a note repeats.
_LONG = 50
# Data that leave more than this share of the terms of the report's equation do not obey it.
_POOR = 0.5
# Draws for one moved trajectory before it is given up.
_DRAWS, _PILOTS = 8, 8
# Of the integration: the error of two is 1e-10 at α = 0.1.
_STEPS, _FEW_STEPS = 8, 2


@dataclass(frozen=True)
class Movers:
    """Generators of a report, each divided by its root mean square over the data.

    Attributes
    ----------
    names
        As expressions.
    space
        ξᵢ, a field each.
    units
        1/‖ξᵢ‖, variables in units of their spread.
    """

    names: tuple[str, ...]
    space: PolynomialFields
    units: Tensor

    def motion(self, sizes: Tensor) -> Motion:
        """exp(β Σ αᵢξᵢ/‖ξᵢ‖) on points, a function of z ``(n, d)`` and β."""
        weights, d = sizes * self.units, self.space.d
        if self.space.degree <= 1:
            places = torch.cat([torch.eye(d, dtype=torch.float64), torch.zeros(1, d, dtype=torch.float64)])
            values = torch.einsum("npd,p->nd", self.space.evaluate(places), weights)
            matrix = torch.zeros(d + 1, d + 1, dtype=torch.float64)
            matrix[:d, :d], matrix[:d, d] = (values[:d] - values[d]).T, values[d]
            return linear_motion(matrix)
        one = replace(self.space, table_of_fields=torch.einsum("pqd,p->qd", self.space.table_of_fields, weights)[None])
        return lambda z, parameter: flow(lambda at: one.evaluate(at)[:, 0], z, parameter)

    def take(self, kept: Sequence[int]) -> Movers:
        """Those with these numbers."""
        some = replace(self.space, table_of_fields=self.space.table_of_fields[list(kept)])
        return Movers(tuple(self.names[i] for i in kept), some, self.units[list(kept)])

    def on_series(self, i: int) -> Callable[[Series], Series]:
        """ξᵢ/‖ξᵢ‖ on power series."""
        return lambda z: self.space.on_series(z).linear(lambda c: c[..., i, :]) * float(self.units[i])


def _movers(report: Report, name: str, z: Tensor, only: tuple[int, ...] | None) -> tuple[Movers, tuple[str, ...]]:
    """The certified generators of a report, or those that were asked for by number."""
    every = report.generators
    notes: list[str] = []
    if only is not None:
        wrong = [i for i in only if not 1 <= i <= len(every)]
        if wrong:
            raise UsageError(f"--only {wrong[0]}: the report has {len(every)} generators, numbered from 1")
        chosen = [every[i - 1] for i in only]
        unsure = sum(g.verdict != "certified" for g in chosen)
        if unsure:
            notes.append(f"{unsure} of the generators are not certified: what they make need not be solutions")
    else:
        chosen = [g for g in every if g.verdict == "certified"]
        if not chosen:
            raise InputError(f"{name}: the report has no certified generator; choose others with --only 1,2")
    actions = [g.input_action for g in chosen]
    space = fields_of_actions(name, len(report.source.names), z.shape[1], actions)
    spread = z.std(0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    size = (space.evaluate(z) / spread).square().sum(2).mean(0).sqrt()
    return Movers(tuple(g.expression for g in chosen), space, 1.0 / size.clamp(min=1e-300)), tuple(notes)


@one_thread()
def augment(options: AugmentOptions, to: Path, progress: Progress | None = None) -> Augmentation:
    """ũ = exp(Σ αᵢξᵢ)·u for random α: solutions moved along generators, on the grid that they came from.

    Parameters
    ----------
    options
        Data, generators and sizes, :class:`~symfind.options.of_verbs.AugmentOptions`.
    to
        The HDF5 file to write; it appears when it is whole.
    progress
        Told how far the computation is.

    Raises
    ------
    SymfindError
        The data are no fields, the generators act on something else, or every draw leaves the support.
    """
    check_outputs(options, to)
    environment = on_cpu_in_double(options, "augment")
    clock = Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    assert options.generators is not None
    with readable(options.data) as path:
        with clock.phase("read"):
            report = read_report(options.generators)
            dataset = open_dataset(path, kind="field", input=options.input, grid=options.grid)
            field = field_of(dataset, options.max_rows)
            z = _points(field)
            movers, notes = _movers(report, options.generators, z, options.only)
            closes = closing(field.axes, movers.space.evaluate, z)
            if options.only is None:
                movers, told = _closed(movers, closes)
                notes, closes = (*notes, *told), torch.ones_like(closes)
            axes = _target(field.axes, options.window)
            if options.window is None:
                axes, told = _supported(axes, movers, options.size, z, generator)
                notes = (*notes, *told)
            periodic = [a.periodic and c for a, c in zip(axes, closes.all(1).tolist(), strict=True)]
            axes = tuple(replace(a, periodic=p) for a, p in zip(axes, periodic, strict=True))
        with appearing_whole(to) as part:
            with clock.phase("move", field.trajectories * options.copies) as advance:
                written, rejected = _write(part, field, axes, movers, options, generator, advance)
            if written == 0:
                raise InputError(
                    f"{options.data}: every one of {rejected} draws asks for times outside the data, or folds; give a "
                    "smaller --size, a --window inside t, or fewer generators (--only)"
                )
            with clock.phase("check"):
                equation = _equation_of(report, field)
                before, _ = _residual(equation, field, generator)
                after, expected = _residual(equation, field_of(open_dataset(part, kind="field")), generator)
    if before is not None and before > _POOR:
        share = f"{before:.0%} of the terms of the report's equation"
        notes = (*notes, f"the data leave {share}: they are no solutions of it, nor is what was written")
    if rejected:
        notes = (*notes, f"{rejected} draws left the support of the data, or folded, and were rejected")
    opened = [a.name for a, b in zip(field.axes, axes, strict=True) if a.periodic and not b.periodic]
    if opened:
        notes = (*notes, f"{', '.join(opened)} is no longer periodic: the generators change its period")
    return Augmentation(
        source=options.data, output=str(to), generators=movers.names, units=tuple(movers.units.tolist()),
        trajectories=field.trajectories, moved=written, rejected=rejected, axes=tuple(map(str, axes)),
        equation=None if equation is None else equation.text, residual=before, residual_after=after,
        expected_after=expected,
        notes=notes, settings=options.settings(), environment=environment, timing=clock.seconds,
    )  # fmt: skip


def _closed(movers: Movers, closes: Tensor) -> tuple[Movers, tuple[str, ...]]:
    """The generators that keep every period, and what is told of the others.

    Raises
    ------
    InputError
        None of them does.
    """
    kept = closes.all(0)
    if bool(kept.all()):
        return movers, ()
    left = "; ".join(
        name if len(name) <= _LONG else f"{name[:_LONG]}…"
        for name, keep in zip(movers.names, kept.tolist(), strict=True)
        if not keep
    )
    how = "name them with --only, and the axis that is written is open"
    if not bool(kept.any()):
        raise InputError(f"every generator changes the period of an axis ({left}); {how}")
    note = f"left out, as the period of an axis would change: {left}; {how}"
    return movers.take(kept.nonzero()[:, 0].tolist()), (note,)


def _supported(
    axes: tuple[Axis, ...], movers: Movers, size: float, z: Tensor, generator: torch.Generator
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """The axes with those times at which the largest moves still find the data, and what is told of it."""
    time, count = axes[0], len(movers.names)
    if count <= _CORNERS:
        signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=count)), dtype=torch.float64)
    else:
        signs = 2.0 * torch.randint(0, 2, (2**_CORNERS, count), generator=generator).double() - 1.0
    low, high, t = float(time.coordinates[0]), float(time.coordinates[-1]), z[:, 0]
    slack = 1e-9 * time.step
    outside = torch.zeros(len(z), dtype=torch.bool)
    for sign in signs:
        back = movers.motion(size * sign)(z, -1.0)[:, 0]
        outside |= ~((back >= low - slack) & (back <= high + slack))
    if not bool(outside.any()):
        return axes, ()
    middle = 0.5 * (low + high)
    start = float(t[outside & (t < middle)].max()) if bool((outside & (t < middle)).any()) else -math.inf
    stop = float(t[outside & (t >= middle)].min()) if bool((outside & (t >= middle)).any()) else math.inf
    inside = time.coordinates[(time.coordinates > start) & (time.coordinates < stop)]
    if len(inside) < 2:
        return axes, ()  # every draw will be rejected, and that says what to do
    note = (
        f"written from {time.name} = {float(inside[0]):g} to {float(inside[-1]):g}: outside, moved solutions would "
        "need times that the data do not have; --window and --size set this"
    )
    return (replace(time, coordinates=inside), *axes[1:]), (note,)


def _points(field: FieldData) -> Tensor:
    """Some points (t, x, u) ``(n, d)`` of the data."""
    u = field.take(torch.arange(min(_PILOTS, field.trajectories)))
    grid = torch.meshgrid(*(axis.coordinates.double() for axis in field.axes), indexing="ij")
    place = torch.stack([part.flatten() for part in grid], 1).repeat(len(u), 1)
    z = torch.cat([place, u.reshape(-1, u.shape[-1]).double()], 1)
    return z[:: max(1, len(z) // 20_000)]


def _target(axes: Sequence[Axis], window: str | None) -> tuple[Axis, ...]:
    """The axes of what is written: t only inside the window."""
    if window is None:
        return tuple(axes)
    try:
        start, stop = (float(part) for part in window.split(":"))
    except ValueError:
        raise UsageError(f"--window is {window!r}, expected START:STOP in t, such as 20:80") from None
    t = axes[0].coordinates
    inside = t[(t >= start) & (t <= stop)]
    if len(inside) < 2:
        raise UsageError(f"--window {window} holds {len(inside)} times of the data, expected at least 2")
    return (Axis(axes[0].name, inside, False), *axes[1:])


def _write(
    part: Path,
    field: FieldData,
    axes: Sequence[Axis],
    movers: Movers,
    options: AugmentOptions,
    generator: torch.Generator,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    """Move trajectory by trajectory, write each as it is done; how many were written, how many draws rejected."""
    target = [axis.coordinates.double() for axis in axes]
    shape = (*(len(t) for t in target), len(field.components))
    own = shape[:-1] if shape[-1] == 1 else shape
    count = rejected = 0
    with growing(part, field.trajectories * options.copies, math.prod(own)) as file:
        u = file.create_dataset("u", (0, *own), maxshape=(None, *own), chunks=(1, *own), dtype="f8")
        group = file.create_dataset("group", (0,), maxshape=(None,), chunks=(1024,), dtype="i8")
        sizes = file.create_dataset("sizes", (0, len(movers.names)), maxshape=(None, len(movers.names)), dtype="f8")
        for role, axis in zip(AXES, axes, strict=False):
            file[role] = axis.coordinates.numpy()
        closed = [role for role, axis in zip(AXES, axes, strict=False) if axis.periodic]
        told = {"names": [*(axis.name for axis in axes), *field.components], "units": field.units, "periodic": closed}
        file.attrs.update({"kind": "field"} | {key: words for key, words in told.items() if words})
        for numbers, block in field.blocks():
            for number, one in zip(numbers.tolist(), block, strict=True):
                for _ in range(options.copies):
                    advance(1)
                    for _ in range(_DRAWS):
                        alpha = options.size * (
                            2 * torch.rand(len(movers.names), generator=generator, dtype=torch.float64) - 1
                        )
                        found = moved(field.axes, one.double(), movers.motion(alpha), 1.0, target)
                        if found is not None:
                            break
                        rejected += 1
                    if found is None:
                        continue
                    count += 1
                    for stored in (u, group, sizes):
                        stored.resize(count, axis=0)
                    u[count - 1] = found.reshape(own).numpy()
                    group[count - 1] = int(field.groups[number])
                    sizes[count - 1] = alpha.numpy()
    return count, rejected


def _equation_of(report: Report, field: FieldData) -> Equation | None:
    if report.equation is None:
        return None
    try:
        return parse_equation(report.equation.text, tuple(a.name for a in field.axes), field.components)
    except SymfindError:
        return None


def _residual(
    equation: Equation | None, field: FieldData, generator: torch.Generator
) -> tuple[float | None, float | None]:
    """What the data leave of the terms of the equation, and what errors of derivatives would; None if not known."""
    if equation is None:
        return None, None
    try:
        sample = jets(field, equation.needed, generator, _JET_ROWS)
    except InputError:  # the grid is too coarse to say
        return None, None
    residual, expected = equation.residual(sample)
    return float(residual.max()), float(expected.max())


def score_fields(options: ScoreOptions, progress: Progress | None = None) -> FieldScore:
    """How far transformed solutions are from being solutions, against the size of the transformation.

    Transformations act on derivatives of the data, exactly; points lie on the equation before, so that what is told is
    the generator's alone.

    Raises
    ------
    SymfindError
        The data are no fields, or the generators act on something else.
    """
    if options.generators is None:
        raise UsageError("score of fields needs --generators REPORT")
    environment = on_cpu_in_double(options, "score")
    clock = Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    with readable(options.model) as path:
        with clock.phase("read"):
            report = read_report(options.generators)
            dataset = open_dataset(path, kind="field", input=options.input, grid=options.grid)
            field, digest = field_of(dataset), sha256(path)
            field = replace(field, groups=groups_with_copies(field.groups, field.blocks()))
            movers, notes = _movers(
                report, options.generators, _points(field), tuple(range(1, len(report.generators) + 1)) or None
            )
        with clock.phase("score"):
            independent = tuple(axis.name for axis in field.axes)
            if options.equation == LEARNED:
                raise UsageError("score moves solutions past those that an equation was learned from; give a formula")
            if options.equation is None:
                _, found = identified(field, generator, asked_library(options, independent, field.components))
                equation = found.equation
            else:
                equation = parse_equation(options.equation, independent, field.components)
            wanted = {*equation.needed, *total_degree(len(independent), equation.order)}
            sample = jets(field, wanted, generator, _SCORED)
            residual = float(equation.residual(sample)[0].max())
            on, held = equation.solved(sample)
            entries = _scored(equation, on.take(held), movers)
    return FieldScore(
        source=options.model, sha256=digest, equation=options.equation or found.text,
        given=options.equation is not None, residual=residual, sizes=SIZES, generators=entries, notes=notes,
        settings=options.settings(), environment=environment, timing=clock.seconds,
    )  # fmt: skip


def _scored(equation: Equation, on: JetSample, movers: Movers) -> tuple[FieldScored, ...]:
    """Defect and finite residuals of each generator."""
    at = equation.linearised(on)
    scales = Scales.of(equation, on, at)
    m, s = Prolongation(equation, movers.space, scales).rows(on)
    defects = m.square().sum((0, 1)).sqrt() / s.square().sum((0, 1)).sqrt().clamp(min=1e-300)
    out = []
    for i, name in enumerate(movers.names):
        finite = []
        for size in SIZES:
            steps = _STEPS if size > 0.1 else _FEW_STEPS
            both = [
                equation.residual(transformed(on, equation.order, movers.on_series(i), sign * size, steps))[0].max()
                for sign in (1.0, -1.0)
            ]
            finite.append(math.sqrt(0.5 * sum(float(value) ** 2 for value in both)))
        out.append(FieldScored(name=name, defect=float(defects[i]), finite=tuple(finite)))
    return tuple(out)
