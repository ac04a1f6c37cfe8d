"""A network trained with the nuclear norm of its Lie derivatives on minibatches, then with the symmetries found.

The nuclear norm shrinks every slope of F along with the defects, so it is used to find the span of the symmetries, and
not to fit the final network: that one is trained on rows that were moved along the span (exp(tξ) with the nearest Lie
algebra), or, where the fields are not affine, with the squared Lie derivative along it. Validation rows choose how many
directions belong to the span, none included.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.errors import NumericalError
from symfind.fits.surrogate import Samples, fold_labels
from symfind.progress import Advance, Clock
from symfind.promotion.checkpoint import Checkpoint, Stage
from symfind.promotion.moved import Movement, movement
from symfind.promotion.operator import Candidates, candidates_at, whitened
from symfind.promotion.setting import Setting
from symfind.promotion.settings import SETTINGS
from symfind.schema.promotion import EpochEntry, RefitEntry

# One row in six chooses; the rest is trained on.
_VALIDATION = 6
# Looks at the validation rows during one training.
_LOOKS = 25
# Jumps of the singular values that are tried as the end of the symmetries.
_JUMPS = 2
# Rows on which the spectrum of L is taken.
_SPECTRUM_ROWS = 512


@dataclass(frozen=True)
class Recipe:
    """Steps, largest step size, rows of a step, weight of the nuclear norm, and whether it grows to that."""

    steps: int
    learning_rate: float
    batch: int
    gamma: float
    ramp: bool
    seed: int


@dataclass(frozen=True)
class TrainedNetwork:
    """The network with promotion, the one without, and how they came about.

    Attributes
    ----------
    module, plain
        The two networks.
    symmetries
        ``(P₀, k)`` candidates it was trained to have; k = 0 if none helped.
    moved
        Whether rows were moved along them, or the Lie derivative was penalised.
    epochs
        The training with the nuclear norm.
    refits
        Number of symmetries and validation error of every network that was compared.
    """

    module: nn.Module
    plain: nn.Module
    symmetries: Tensor
    moved: bool
    epochs: tuple[EpochEntry, ...]
    refits: tuple[RefitEntry, ...]


def trained_network(
    make: Callable[[], nn.Module],
    setting: Setting,
    samples: Samples,
    input_shape: tuple[int, ...],
    recipe: Recipe,
    checkpoint: Checkpoint,
    clock: Clock,
) -> TrainedNetwork:
    """Train with promotion and without.

    Parameters
    ----------
    make
        A fresh network, the same at every call.
    setting, samples
        Candidates, and rows to fit.
    input_shape
        Of one row.
    recipe, checkpoint
        How to train, and where the state is kept.

    Raises
    ------
    NumericalError
        The loss is no longer finite.
    """
    training = Training(setting, samples, input_shape, recipe, checkpoint)
    with clock.phase("train without promotion", recipe.steps) as advance:
        plain = training.run("plain", make(), advance)
    with clock.phase("train with the nuclear norm", training.half) as advance:
        found = training.run("nuclear", make(), advance, nuclear=True)
    module = make()
    module.load_state_dict(found.state)
    sigma, directions = training.spectrum(module)
    stages: list[tuple[int, Stage, Tensor, bool]] = [(0, plain, directions[:, :0], False)]
    for count in _ends(sigma):
        vectors = training.basis @ directions[:, :count]
        moves = movement(setting, vectors)
        with clock.phase(f"train with {count} symmetries", recipe.steps) as advance:
            vectors = vectors if moves is None else moves.vectors
            stage = training.run(f"{count} symmetries", make(), advance, along=vectors, moves=moves)
        stages.append((count, stage, vectors, moves is not None))
    smallest = min(stage.validation for _, stage, _, _ in stages)
    good = [s for s in stages if s[1].validation <= (1 + SETTINGS.network_tie) * smallest]
    _, stage, vectors, moved = max(good, key=lambda s: s[0])
    network, without = make(), make()
    network.load_state_dict(stage.state)
    without.load_state_dict(plain.state)
    refits = tuple(RefitEntry(symmetries=count, error=stage.validation) for count, stage, _, _ in stages)
    epochs = tuple(
        EpochEntry(epoch=n, gamma=gamma, loss=loss, validation=error, nuclear=norm)
        for n, gamma, loss, error, norm in found.epochs
    )
    return TrainedNetwork(network, without, vectors, moved, epochs, refits)


def _ends(sigma: Tensor) -> list[int]:
    """Where ascending singular values jump most, as numbers of symmetries of at least one."""
    jumps = (sigma[1:].clamp(min=1e-12) / sigma[:-1].clamp(min=1e-12)).log()
    return sorted((torch.argsort(jumps, descending=True)[:_JUMPS] + 1).tolist())


class Training:
    """Rows in standard units, split; candidates; and the loop that all stages share."""

    def __init__(
        self, setting: Setting, samples: Samples, input_shape: tuple[int, ...], recipe: Recipe, checkpoint: Checkpoint
    ) -> None:
        self._setting, self._recipe, self._checkpoint = setting, recipe, checkpoint
        self._shape = input_shape
        generator = torch.Generator().manual_seed(recipe.seed)
        held = fold_labels(len(samples), samples.group, _VALIDATION, generator) == 0
        if bool(held.all()) or not bool(held.any()):
            held = torch.arange(len(samples)) % _VALIDATION == 0
        spread = samples.y.std(0, correction=0)
        self._unit = torch.where(spread > 0, spread, torch.ones_like(spread))
        self._train, self._held = samples.rows((~held).nonzero()[:, 0]), samples.rows(held.nonzero()[:, 0])
        self._outputs = torch.kron(torch.eye(setting.output_objects[0], dtype=torch.float64), setting.outputs)
        some = self._train.x[torch.randperm(len(self._train), generator=generator)[:_SPECTRUM_ROWS].sort().values]
        self._some = some
        everything = self._candidates(self._train.x)
        if setting.metric == "whitened":
            self.basis = whitened(everything, setting.geometry, self._outputs, self._train.y, setting.objects[0])
        else:
            self.basis = everything.basis
        self.half = max(1, recipe.steps // 2)

    def _candidates(self, x: Tensor) -> Candidates:
        k, d = self._setting.objects
        return candidates_at(
            self._setting.space, self._setting.action, x.reshape(-1, k, d), self._setting.output_objects
        )

    def _lie(self, module: nn.Module, x: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """F ``(n, m)`` and the rows of L_ξF ``(n·h, P)`` over √n, with gradients."""
        candidates = self._candidates(x).turned(vectors)
        at = x.detach().clone().requires_grad_(True)
        value = module(at.reshape(-1, *self._shape)).reshape(len(x), -1)
        slopes = torch.stack(
            [torch.autograd.grad(column.sum(), at, create_graph=True)[0] for column in value.unbind(1)], 1
        )
        rows = torch.bmm(slopes, candidates.fields)
        if candidates.action is not None:
            rows = rows - torch.einsum("ncaP,na->ncP", candidates.action, value)
        return value, (self._outputs.T @ rows).flatten(0, 1) / len(x) ** 0.5

    def spectrum(self, module: nn.Module) -> tuple[Tensor, Tensor]:
        """Singular values of L, ascending, and right singular vectors ``(P, P)`` in the same order."""
        _, rows = self._lie(module, self._some, self.basis)
        rows = rows.detach()
        values, vectors = torch.linalg.eigh(rows.T @ rows)
        return values.clamp(min=0).sqrt(), vectors

    def _missed(self, value: Tensor, y: Tensor) -> Tensor:
        return ((value - y) / self._unit).square().mean()

    def run(
        self,
        name: str,
        module: nn.Module,
        advance: Advance,
        *,
        nuclear: bool = False,
        along: Tensor | None = None,
        moves: Movement | None = None,
    ) -> Stage:
        """One training, from its beginning or from where the checkpoint left it."""
        finished = self._checkpoint.finished(name)
        if finished is not None:
            return finished
        steps = self.half if nuclear else self._recipe.steps
        optimizer = torch.optim.AdamW(module.parameters(), lr=self._recipe.learning_rate, weight_decay=SETTINGS.decay)
        # A warm start over a twentieth of the steps, then half a cosine down to nothing.
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        generator = torch.Generator().manual_seed(self._recipe.seed)
        best: tuple[float, dict[str, Tensor]] = (math.inf, {})
        epochs: list[tuple[int, float, float, float, float]] = []
        first = 0
        state = self._checkpoint.begun(name)
        if state is not None:
            first, best, epochs = state.restore(module, optimizer, schedule, generator)
            advance(first)
        look = max(1, steps // _LOOKS)
        for step in range(first, steps):
            rows = torch.randint(len(self._train), (min(self._recipe.batch, len(self._train)),), generator=generator)
            x, y = self._train.x[rows], self._train.y[rows]
            gamma = self._recipe.gamma * (min(1.0, 2 * step / steps) if self._recipe.ramp else 1.0) if nuclear else 0.0
            spectral = torch.zeros(())
            if nuclear:
                value, lie = self._lie(module, x, self.basis)
                norm = torch.linalg.matrix_norm(lie, "nuc") / lie.shape[1] ** 0.5
                spectral = (norm / torch.linalg.matrix_norm(lie)).detach()
                fitted = self._missed(value, y)
                loss = fitted + gamma * norm
            elif along is not None and (moves is None or step > SETTINGS.late * steps):
                if moves is not None:
                    x, y = moves(x, y, generator)
                value, lie = self._lie(module, x, along)
                fitted = self._missed(value, y)
                loss = fitted + SETTINGS.along * lie.square().sum() / along.shape[1]
            else:
                if moves is not None:
                    x, y = moves(x, y, generator)
                loss = fitted = self._missed(module(x.reshape(-1, *self._shape)).reshape(len(x), -1), y)
            if not bool(torch.isfinite(loss)):
                raise NumericalError("the training diverged; take a smaller --learning-rate or --gamma")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            advance(1)
            if (step + 1) % look == 0 or step + 1 == steps:
                error = self._validation(module)
                # With the nuclear norm the last state counts: it is the one that was shrunk.
                late = along is None or step > SETTINGS.late * steps  # a symmetry counts when it is sharp
                if nuclear or (late and error < best[0]):
                    best = (error, copy.deepcopy(dict(module.state_dict())))
                epoch = (step + 1) * self._recipe.batch // len(self._train)
                epochs.append((epoch, gamma, float(fitted.detach()), error, float(spectral)))
                self._checkpoint.keep(name, step + 1, module, optimizer, schedule, generator, best, epochs)
        return self._checkpoint.finish(name, Stage(best[1], best[0], tuple(epochs)))

    def _validation(self, module: nn.Module) -> float:
        with torch.no_grad():
            value = module(self._held.x.reshape(-1, *self._shape)).reshape(len(self._held), -1)
            return float(self._missed(value, self._held.y))


def _rate(step: int, steps: int) -> float:
    warm = max(1, steps // 20)
    return (step + 1) / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
