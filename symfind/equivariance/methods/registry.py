"""The ways to make a model equivariant: one more is a function that makes a network, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.equivariance.methods.method import Attempt, Choices, Method
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

    teacher, name = attempt.teacher()
    return distilled(
        attempt.subject, attempt.task, attempt.yardstick, teacher, name, attempt.choices.steps, attempt.rng,
        attempt.advance,
    )  # fmt: skip


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
