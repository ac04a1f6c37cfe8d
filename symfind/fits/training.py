"""Gradient descent that stops early, tells its scores, and goes on from a file after an interruption."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.data.files import appearing_whole
from symfind.errors import InputError, NumericalError
from symfind.progress import Progress

# Losses are sums of logarithms: less than this in a whole stretch of steps is no progress.
_PROGRESS = 0.02
_STRETCHES = 4
# The last steps are this share of the first.
_LAST_RATE = 0.02


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
    """

    steps: int
    stretch: int
    rate: float
    checkpoint: Path | None
    resume: bool
    settings: str


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
    held = _held(recipe)
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
                    group["lr"] = recipe.rate * (_LAST_RATE + (1 - _LAST_RATE) * share)
                value = loss(parameters, generator)
                if not bool(torch.isfinite(value)):
                    raise NumericalError(f"the loss is {float(value.detach())} at step {step}; take another --seed")
                optimizer.zero_grad()
                torch.autograd.backward(value)
                optimizer.step()
                step += 1
                advance(1)
        with torch.no_grad():
            score, text = judged(parameters)
        scores.append(score)
        if score < best[0]:
            best = (score, [p.detach().clone() for p in parameters])
        _keep(recipe, step, scores, best, parameters, optimizer, generator)
    return Trained(tuple(best[1]), best[0], step, tuple(scores))


def _stalled(scores: Sequence[float]) -> bool:
    """Whether the last four stretches brought nothing."""
    if len(scores) <= _STRETCHES:
        return False
    return min(scores[-_STRETCHES:]) > min(scores[:-_STRETCHES]) - _PROGRESS


def _held(recipe: Recipe) -> dict[str, Any] | None:
    path = recipe.checkpoint
    if path is None or not recipe.resume or not path.exists():
        return None
    try:
        held: dict[str, Any] = torch.load(path, weights_only=True)
        same = held["settings"] == recipe.settings
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
        raise InputError(f"{path}: no checkpoint of learned generators; give another --checkpoint") from None
    if not same:
        raise InputError(
            f"{path}: was written with other data or options; repeat those, or leave --resume out to begin anew"
        )
    return held


def _keep(
    recipe: Recipe,
    step: int,
    scores: list[float],
    best: tuple[float, list[Tensor]],
    parameters: Sequence[Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    if recipe.checkpoint is None:
        return
    with appearing_whole(recipe.checkpoint) as part:
        torch.save(
            {
                "settings": recipe.settings,
                "step": step,
                "scores": scores,
                "best": best[0],
                "best_parameters": best[1],
                "parameters": [p.detach() for p in parameters],
                "optimizer": optimizer.state_dict(),
                "generator": generator.get_state(),
            },
            part,
        )
