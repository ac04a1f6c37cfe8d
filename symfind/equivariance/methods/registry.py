"""The ways to make a model equivariant: one more is a function that makes a network, and a line here."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from symfind.equivariance.methods.method import Attempt, Choices, Method
from symfind.errors import UsageError
from symfind.names import ENFORCEMENT_NAMES
from symfind.registry import Registry

if TYPE_CHECKING:
    from symfind.equivariance.equivariance import Equivariance
    from symfind.equivariance.made import Made


def _projected(attempt: Attempt) -> Made:
    from symfind.equivariance.candidates import projected

    rows = attempt.yardstick.train if attempt.choices.given_rows else None
    return projected(attempt.subject, attempt.task, attempt.choices.rep_hidden, rows)


def _averaged(attempt: Attempt) -> Made:
    from symfind.equivariance.candidates import averaged

    asked = attempt.choices
    return averaged(attempt.subject, attempt.task, attempt.yardstick, attempt.rng, asked.budget, asked.form)


def _framed(attempt: Attempt) -> Made:
    from symfind.equivariance.candidates import framed

    return framed(attempt.subject, attempt.task, attempt.yardstick, attempt.choices.budget, attempt.choices.form)


def _distilled(attempt: Attempt) -> Made:
    from symfind.equivariance.candidates import distilled
    from symfind.equivariance.distillation.distill import Training
    from symfind.equivariance.settings import SETTINGS
    from symfind.models.model import load_model

    asked, subject, start = attempt.choices, attempt.subject, None
    if asked.witness is not None:
        start = load_model(asked.witness, trust=subject.trust)
        start.bind(attempt.task.input_shape, subject.x, derivatives=False)
        if prod(start.output_shape) != attempt.task.output_width:
            raise UsageError(
                f"--witness {asked.witness}: gives rows of shape {start.output_shape}, the model "
                f"{attempt.task.output_shape}; give the witness of the same output"
            )
    steps = asked.steps
    if asked.epochs is not None:
        steps = max(1, -(-asked.epochs * len(attempt.yardstick.train) // SETTINGS.batch))
    training = Training(steps, asked.checkpoint, asked.resume, asked.stamp)
    return distilled(
        subject, attempt.task, attempt.yardstick, attempt.teacher(), training, start, attempt.rng, attempt.advance
    )


def _without_mean(task: Equivariance, choices: Choices) -> str:
    del choices
    return "" if task.is_compact else f"{task.group.name} is not compact and has no mean"


def _without_rows(task: Equivariance, choices: Choices) -> str:
    del task
    return "" if choices.given_rows else "needs data to be fitted on (--data)"


# In the order in which they are tried: the first is taken at once if it keeps the model alive.
METHODS: Registry[Method] = Registry(
    "enforcement method",
    (
        Method(name="project", make=_projected, in_place=True),
        Method(name="average", make=_averaged, excuse=_without_mean),
        Method(name="frames", make=_framed),
        Method(name="distill", make=_distilled, excuse=_without_rows, trains=True),
    ),
    lambda method: ENFORCEMENT_NAMES.add(method.name),
)
