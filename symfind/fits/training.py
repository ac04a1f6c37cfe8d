"""Gradient descent that stops early, tells its scores, and goes on from a file after an interruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from symfind.errors import NumericalError
from symfind.fits.checkpoint import held_state, keep_state
from symfind.fits.settings import SETTINGS
from symfind.progress import Progress

# Stretches without progress that end the training.
_STRETCHES = 4


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, and where the state is kept.

    Attributes
    ----------
    steps, stretch
        Steps at most, and after how many the fields are judged, told and kept.
    rate
        Of the first steps; it falls as a cosine.
    checkpoint, resume
        The file of the state, None for none, and whether to go on from it.
    settings
        What the numbers depend on: a file of others is refused.
    longest
        The norm to which a gradient is cut.
    """

    steps: int
    stretch: int
    rate: float
    checkpoint: Path | None
    resume: bool
    settings: str
    longest: float = math.inf


@dataclass(frozen=True)
class Trained:
    """The best parameters, their score, how many steps were taken, and the scores on the way."""

    parameters: tuple[Tensor, ...]
    score: float
    steps: int
    scores: tuple[float, ...]


def train(
    start: Sequence[Tensor],
    loss: Callable[[Sequence[Tensor], torch.Generator], Tensor],
    judged: Callable[[Sequence[Tensor]], tuple[float, str]],
    recipe: Recipe,
    generator: torch.Generator,
    progress: Progress,
) -> Trained:
    """Adam on ``loss``, until ``judged`` gets no better for four stretches, or all steps are taken.

    Parameters
    ----------
    start
        Parameters to begin with.
    loss
        (parameters, generator that draws the points) → a number to minimise.
    judged
        parameters → (a score to minimise, on points of its own; the words that progress shows).
    recipe, generator, progress
        As named.

    Raises
    ------
    InputError
        The checkpoint is of something else.
    NumericalError
        The loss is not finite.
    """
    parameters = [p.detach().clone().requires_grad_() for p in start]
    optimizer = torch.optim.Adam(parameters, lr=recipe.rate)
    held = held_state(recipe.checkpoint, recipe.settings, "this training", resume=recipe.resume)
    step, scores = 0, list[float]()
    best: tuple[float, list[Tensor]] = (math.inf, [p.detach().clone() for p in parameters])
    text = "begin"
    if held is not None:
        step, scores, best = held["step"], list(held["scores"]), (held["best"], list(held["best_parameters"]))
        with torch.no_grad():
            for p, value in zip(parameters, held["parameters"], strict=True):
                p.copy_(value)
        optimizer.load_state_dict(held["optimizer"])
        generator.set_state(held["generator"])
        text = f"resumed at step {step}"
    while step < recipe.steps and not _stalled(scores):
        count = min(recipe.stretch, recipe.steps - step)
        with progress.phase(f"learn, step {step} of {recipe.steps}: {text}", count) as advance:
            for _ in range(count):
                share = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate * (SETTINGS.last_rate + (1 - SETTINGS.last_rate) * share)
                value = loss(parameters, generator)
                if not bool(torch.isfinite(value)):
                    raise NumericalError(f"the loss is {float(value.detach())} at step {step}; take another --seed")
                optimizer.zero_grad()
                torch.autograd.backward(value)
                if recipe.longest < math.inf:
                    nn.utils.clip_grad_norm_(parameters, recipe.longest)
                optimizer.step()
                step += 1
                advance(1)
        with torch.no_grad():
            score, text = judged(parameters)
        scores.append(score)
        if score < best[0]:
            best = (score, [p.detach().clone() for p in parameters])
        state = {
            "settings": recipe.settings,
            "step": step,
            "scores": scores,
            "best": best[0],
            "best_parameters": best[1],
            "parameters": [p.detach() for p in parameters],
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
        }
        keep_state(recipe.checkpoint, state)
    return Trained(tuple(best[1]), best[0], step, tuple(scores))


def _stalled(scores: Sequence[float]) -> bool:
    """Whether the last four stretches brought nothing."""
    if len(scores) <= _STRETCHES:
        return False
    return min(scores[-_STRETCHES:]) > min(scores[:-_STRETCHES]) - SETTINGS.progress


@dataclass(frozen=True)
class LabelRecipe:
    """How a classifier is trained: passes over the data, rows of a step, largest step, smoothing of the labels."""

    epochs: int
    batch: int
    rate: float
    smoothing: float = 0.0


def train_on_labels(
    network: nn.Module, x: Tensor, labels: Tensor, recipe: LabelRecipe, generator: torch.Generator
) -> None:
    """Minimise the cross-entropy of logits network(x) ``(n, m)`` against labels ``(n,)``, one cycle of step sizes."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-2)
    steps = recipe.epochs * -(-len(x) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.randperm(len(x), generator=generator), recipe.batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x[rows]), labels[rows], label_smoothing=recipe.smoothing)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
