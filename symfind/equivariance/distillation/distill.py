"""An equivariant network fitted to targets and to a teacher: cheap where the average is dear, and without a mean.

What it learns from, its shape and its width are chosen on rows that it is not fitted to, one after another, after a
fifth of the training each; the chosen one is then trained to the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from symfind.equivariance.distillation.invariant_modules import GradientMLP, InvariantMLP
from symfind.equivariance.equivariance import Equivariance, equivariance_error
from symfind.equivariance.equivariant_modules import EquivariantMLP, Shaped
from symfind.equivariance.measure import TaskLoss
from symfind.equivariance.settings import SETTINGS
from symfind.errors import NumericalError, UsageError
from symfind.fits.training import Recipe, train
from symfind.lie.groups.intertwiners import invariants
from symfind.linalg.threads import one_thread
from symfind.progress import Advance

EquivariantNetwork = EquivariantMLP | InvariantMLP | GradientMLP

# Of a perceptron; networks of products have a quarter as many channels, each of which carries a scalar and a vector.
_WIDTH, _OTHERS = 64, (32, 128)
# Stretches of a training, after each of which the rows that are set aside are looked at.
_STRETCHES = 20
# Larger trainings are not repeated for a choice of widths.
_MOST_PARAMETERS = 100_000
# Pairs on which a gradient is seen to be equivariant in float64, and the rounding of that.
_PAIRS, _EXACT = 16, 1e-8


@dataclass(frozen=True, eq=False)
class Lesson:
    """What there is to learn from.

    Attributes
    ----------
    x
        Rows ``(n, *input_shape)``.
    teacher, teacher_name
        Its values there ``(n, *output_shape)``, and what it is.
    y, loss
        Targets ``(n, …)`` and the loss they ask for; None without.
    start, start_name
        Values ``(n, *output_shape)`` of an equivariant map to which the network is added; None for none.
    """

    x: Tensor
    teacher: Tensor
    teacher_name: str
    y: Tensor | None = None
    loss: TaskLoss | None = None
    start: Tensor | None = None

    @property
    def learned_from(self) -> tuple[str, ...]:
        """What the network can be fitted to; probabilities are no outputs of a network without a softmax."""
        if self.y is None or self.loss is None or self.loss.probabilities:
            return (self.teacher_name,)
        return ("targets", self.teacher_name, f"targets and the {self.teacher_name}")


@dataclass(frozen=True)
class _Plan:
    """One network that could be fitted."""

    shape: str
    width: int
    source: str
    started: bool


@dataclass(frozen=True, eq=False)
class Distilled:
    """The network, and what was chosen."""

    network: EquivariantNetwork
    detail: str
    started: bool


@dataclass(frozen=True)
class Training:
    """Steps, and where the state is kept: see :class:`symfind.fits.training.Recipe`."""

    steps: int = 800
    checkpoint: Path | None = None
    resume: bool = False
    settings: str = ""


@dataclass(eq=False)
class _Told:
    """Progress of several trainings as that of one phase of so many steps."""

    advance: Advance
    share: float
    left: float = 0.0

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Advance]:
        """A stretch."""
        yield self._step

    def _step(self, count: int) -> None:
        self.left += count * self.share
        whole = int(self.left)
        self.left -= whole
        if whole:
            self.advance(whole)


class _Distillation:
    """The trials over one set of rows."""

    def __init__(
        self, task: Equivariance, lesson: Lesson, rng: torch.Generator, training: Training, advance: Advance
    ) -> None:
        self.task, self.lesson, self.training = task, lesson, training
        order = torch.randperm(len(lesson.x), generator=rng)
        aside = min(SETTINGS.most_held_out, max(1, round(SETTINGS.set_aside * len(order))))
        self.judged, self.fitted = (order[:aside], order[aside:]) if len(order) > aside else (order, order)
        self.seed = int(torch.randint(2**31, (1,), generator=rng))
        # Of six trials at most, and the last one.
        self.told = _Told(advance, 1 / (6 * SETTINGS.choosing + 1))

    def fit(self, plan: _Plan, steps: int, kept: bool = False) -> tuple[float, EquivariantNetwork]:
        """The network of a plan after so many steps, and the logarithm of its loss on the rows set aside."""
        lesson, rng = self.lesson, torch.Generator().manual_seed(self.seed)
        network = self._made(plan, rng)
        names = [name for name, _ in network.named_parameters()]
        x, start = lesson.x, lesson.start if plan.started else None

        def values(parameters: Sequence[Tensor], rows: Tensor) -> Tensor:
            held = dict(zip(names, parameters, strict=True))
            out: Tensor = torch.func.functional_call(network, held, (x[rows],)).reshape(len(rows), -1)
            return out if start is None else out + start[rows].reshape(len(rows), -1)

        def loss(parameters: Sequence[Tensor], generator: torch.Generator) -> Tensor:
            drawn = torch.randint(len(self.fitted), (min(SETTINGS.batch, len(self.fitted)),), generator=generator)
            rows = self.fitted[drawn]
            return self._loss(values(parameters, rows), rows, plan.source)

        def judged(parameters: Sequence[Tensor]) -> tuple[float, str]:
            out = values(parameters, self.judged)
            if lesson.y is not None and lesson.loss is not None:
                value = float(lesson.loss.rows(out, lesson.y[self.judged]).mean())
            else:
                value = float((out - lesson.teacher[self.judged].reshape(len(out), -1)).square().mean())
            score = math.log(max(value, 1e-30)) if math.isfinite(value) else math.inf
            return score, f"loss {value:.3g}"

        t = self.training
        recipe = Recipe(
            steps,
            max(1, steps // _STRETCHES),
            SETTINGS.product_rate if plan.shape == "products" else SETTINGS.invariant_rate,
            t.checkpoint if kept else None,
            t.resume and kept,
            f"{t.settings} {plan}",
            1.0,  # products make the loss steep in places: one such step would undo many
        )
        begin = torch.Generator().manual_seed(self.seed + 1)
        done = train([p.detach() for p in network.parameters()], loss, judged, recipe, begin, self.told)
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), done.parameters, strict=True):
                parameter.copy_(value)
        return done.score, network

    def _loss(self, out: Tensor, rows: Tensor, source: str) -> Tensor:
        lesson = self.lesson
        total = out.new_zeros(())
        if source != lesson.teacher_name and lesson.y is not None and lesson.loss is not None:
            unit = self._unit(lesson.y[self.fitted].double()) if lesson.loss.kind == "mse" else 1.0
            total = total + lesson.loss.rows(out, lesson.y[rows]).mean() / unit
        if source != "targets":
            taught = lesson.teacher.reshape(len(lesson.x), -1)
            total = total + (out - taught[rows]).square().mean() / self._unit(taught[self.fitted])
        return total

    def _unit(self, values: Tensor) -> float:
        return float(values.var(0, correction=0).mean()) or 1.0

    def _made(self, plan: _Plan, rng: torch.Generator) -> EquivariantNetwork:
        """A network with its first values, its output in the units of what it learns."""
        task, lesson = self.task, self.lesson
        x = lesson.x[self.fitted]
        target = lesson.teacher.reshape(len(lesson.x), -1)
        if plan.source != lesson.teacher_name and lesson.y is not None and lesson.loss and lesson.loss.kind == "mse":
            target = lesson.y.reshape(len(lesson.x), -1).double()
        if plan.started and lesson.start is not None:
            target = target - lesson.start.reshape(len(lesson.x), -1)
        target = target[self.fitted]
        # Only the invariant part of the mean may be taken off and added again.
        shift = invariants(task.rep_out).project(target.mean(0)[:, None])[:, 0]
        size = float((target - shift).square().mean().sqrt()) or 1.0
        last = Shaped(task.output_shape, size, shift)
        if plan.shape == "products":
            scale = float(x.square().mean().sqrt()) or 1.0
            network = EquivariantMLP(
                task.rep_in, task.rep_out, plan.width // 4, output_shape=task.output_shape, scale=scale,
                coordinates=task.coordinates, rng=rng,
            )  # fmt: skip
            network.body[-1] = last
            return network
        made: InvariantMLP | GradientMLP
        if plan.shape == "invariants":
            made = InvariantMLP(task.rep_in, task.rep_out, x, task.output_shape, plan.width, rng)
        else:
            made = GradientMLP(task.rep_in, x, task.output_shape, plan.width, rng)
            rows = x[torch.arange(_PAIRS) % len(x)]
            moved = equivariance_error(made, task, rows, task.fresh_elements(_PAIRS, rng), 1.0)
            if moved.largest > _EXACT * max(1.0, float(made(rows).abs().max())):
                raise UsageError(f"{task.written_out} are not the components of a gradient")
        made.last = last
        return made

    def chosen(self) -> Distilled:
        """The best shape, then what it learns from, then its width; trained to the end."""
        steps, sources = self.training.steps, self.lesson.learned_from
        quick = max(1, round(SETTINGS.choosing * steps))
        started = self.lesson.start is not None
        best: tuple[float, _Plan] | None = None
        faults: list[str] = []

        def tried(plan: _Plan) -> None:
            nonlocal best
            try:
                score = self.fit(plan, quick)[0]
            except (UsageError, NumericalError) as error:
                faults.append(str(error))
                return
            if best is None or score < best[0]:
                best = (score, plan)

        for shape in ("products", "invariants", "gradient"):
            tried(_Plan(shape, _WIDTH, sources[0], started))
        if best is None:
            raise UsageError(f"no equivariant network can be made ({'; '.join(faults)})")
        for source in sources[1:]:
            tried(replace(best[1], source=source))
        if started:
            tried(replace(best[1], started=False))
        if sum(p.numel() for p in self._made(best[1], torch.Generator()).parameters()) <= _MOST_PARAMETERS:
            middle = best[1]
            for width in _OTHERS:
                tried(replace(middle, width=width))
        plan = best[1]
        network = self.fit(plan, steps, kept=True)[1]
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        words = {"products": "intertwiners and products", "invariants": "a perceptron on invariants"}
        what = words.get(plan.shape, "the gradient of an invariant")
        count = sum(p.numel() for p in network.parameters())
        wide = plan.width // 4 if plan.shape == "products" else plan.width
        detail = f"{what}, {wide} wide, {count} parameters, fitted to the {plan.source} on {len(self.fitted)} rows"
        return Distilled(network.eval(), detail, plan.started)


def distilled_network(
    task: Equivariance,
    lesson: Lesson,
    rng: torch.Generator,
    training: Training | None = None,
    advance: Advance | None = None,
) -> Distilled:
    """An equivariant network G with G(x) ≈ targets, or the teacher's values, by least squares or the targets' loss.

    Parameters
    ----------
    task
        Group, representations, shapes.
    lesson
        Rows, the teacher's values there, and targets.
    rng
        Of the first values, the batches, and the rows that are set aside.
    training
        Steps of Adam, and a checkpoint of the last training.
    advance
        Told of the steps that are done.

    Raises
    ------
    UsageError
        No network of the kinds that are known can be made.
    """
    tell: Callable[[int], None] = advance or partial(_nothing)
    with one_thread():
        return _Distillation(task, lesson, rng, training or Training(), tell).chosen()


def _nothing(_steps: int) -> None:
    return None
