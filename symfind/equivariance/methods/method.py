"""What a way to make a model equivariant is: its name, what it makes, and when it is not worth trying.

A record is light: what computes is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from symfind.equivariance.equivariance import Equivariance
    from symfind.equivariance.made import Made, Yardstick
    from symfind.equivariance.subject import Subject
    from symfind.models.model import Model
    from symfind.progress import Advance


@dataclass(frozen=True)
class Choices:
    """What the user asks for.

    Attributes
    ----------
    method
        The name of a :class:`Method`, or ``auto``.
    tolerance
        The equivariance error that counts as none.
    rep_hidden
        Hidden representations of a projection.
    steps
        Of the training of a distillation.
    given_rows
        Whether the rows are the user's data, not samples.
    budget
        Calls of the model, for one row, that the result may make; None for any number.
    form
        The kind of file in which a new module is written: ``torchscript`` or ``torch.export``.
    epochs
        Passes of a distillation over its rows, in place of steps.
    checkpoint, resume
        Where the state of a distillation is kept, and whether to go on from it.
    witness
        A symmetric model that a distillation adds to.
    stamp
        What the numbers of a training depend on.
    """

    method: str = "auto"
    tolerance: float = 1e-6
    rep_hidden: str | None = None
    steps: int = 800
    given_rows: bool = False
    budget: int | None = None
    form: str = "torchscript"
    epochs: int | None = None
    checkpoint: Path | None = None
    resume: bool = False
    witness: Path | None = None
    stamp: str = ""


@dataclass(frozen=True, eq=False)
class Attempt:
    """What a method is given.

    Attributes
    ----------
    subject, task
        The model, and the actions it shall commute with.
    yardstick
        Rows, and units of errors.
    choices
        Tolerance, steps, hidden representations.
    teacher
        Makes the model whose values may be learned, with its name: the best that was made before, or the model itself.
    rng
        Of nodes and training.
    advance
        Told of every step of a training.
    """

    subject: Subject
    task: Equivariance
    yardstick: Yardstick
    choices: Choices
    teacher: Callable[[], tuple[Model, str]]
    rng: torch.Generator
    advance: Advance


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to make a model equivariant.

    Attributes
    ----------
    name
        The value of ``--method``.
    make
        Attempt → a network that is not measured yet.
    excuse
        (task, choices) → why ``auto`` need not try it; empty if it should.
    in_place
        Whether the weights of the model are moved, so that its file stays of its kind; else TorchScript is written.
    trains
        Whether it takes ``--steps``.
    """

    name: str
    make: Callable[[Attempt], Made]
    excuse: Callable[[Equivariance, Choices], str] = lambda task, choices: ""
    in_place: bool = False
    trains: bool = False
