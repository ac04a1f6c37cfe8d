"""Which method: layerwise projection where it keeps the model alive, else the best of those in function space."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.equivariance import candidates
from symfind.equivariance.candidates import Candidate, Made, Yardstick, measured
from symfind.equivariance.equivariance import Equivariance, EquivarianceError, equivariance_error, spread
from symfind.equivariance.measure import Loss, loss_of, seconds_per_call
from symfind.equivariance.subject import Subject
from symfind.errors import InputError, UsageError
from symfind.lie.groups.matrix_groups import CompactGroup
from symfind.progress import Progress

METHODS = ("project", "average", "frames", "distill")

ELEMENTS = 256
"""Fresh group elements on which errors are measured."""

# Rows for the loss; a change of the function, where there are no targets, is seen on fewer.
_MOST_HELD_OUT = 256
_MOST_SEEN = 64
_HELD_OUT = 0.5

# A projection is alive when it keeps at least half of the variance of the function, or does not raise its loss.
_ALIVE = 0.5**0.5

_PLAINLY = 0.9


@dataclass(frozen=True)
class Verdict:
    """One method that was considered: measured, or why it was not.

    Attributes
    ----------
    method
        Its name.
    candidate
        What it made; None if it could not, or need not, be tried.
    why
        The reason for that, or what became of it.
    """

    method: str
    candidate: Candidate | None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Enforced:
    """The outcome.

    Attributes
    ----------
    method
        The one that was taken; ``"unchanged"`` if the model was equivariant already.
    reason
        Why that one.
    path
        The file that was made.
    chosen
        Its measurements; None if unchanged.
    considered
        Every method that was looked at, in order.
    before
        Error of the model as it was given.
    loss_before
        Its loss on the held-out rows.
    yardstick
        Rows and elements of the measurements.
    """

    method: str
    reason: str
    path: Path
    chosen: Candidate | None
    considered: tuple[Verdict, ...]
    before: EquivarianceError
    loss_before: Loss | None
    yardstick: Yardstick


@dataclass(frozen=True)
class Choices:
    """What the user asks for.

    Attributes
    ----------
    method
        One of :data:`METHODS`, or ``auto``.
    tolerance
        The equivariance error that counts as none.
    rep_hidden
        Hidden representations of a projection.
    steps
        Of the training of a distillation.
    given_rows
        Whether the rows are the user's data, not samples.
    """

    method: str = "auto"
    tolerance: float = 1e-6
    rep_hidden: str | None = None
    steps: int = 800
    given_rows: bool = False


def yardstick_for(subject: Subject, task: Equivariance, rng: torch.Generator) -> Yardstick:
    """Rows held out, elements and units for all measurements."""
    n = len(subject.x)
    order = torch.randperm(n, generator=rng)
    most = _MOST_SEEN if subject.y is None else _MOST_HELD_OUT
    held = order[: max(1, min(most, round(_HELD_OUT * n)))]
    rest = order[len(held) :] if n > len(held) else order
    x = subject.x[held]
    values = subject.model(x)
    return Yardstick(
        x,
        None if subject.y is None else subject.y[held],
        subject.x[rest],
        values,
        task.fresh_elements(ELEMENTS, rng),
        spread(values),
        seconds_per_call(subject.model, x),
    )


def enforce_model(
    subject: Subject,
    task: Equivariance,
    choices: Choices,
    provenance: Mapping[str, Any],
    folder: Path,
    rng: torch.Generator,
    progress: Progress,
) -> Enforced:
    """Make a model equivariant.

    Parameters
    ----------
    subject, task
        The model and what is asked of it.
    choices
        Method and tolerances.
    provenance
        Kept in the file, with the method added.
    folder
        Where candidates are written; the chosen one stays there.
    rng
        Of rows, elements and training.
    progress
        Told which method is at work.

    Raises
    ------
    SymfindError
        If the method asked for does not apply, or with ``auto`` none does.
    """
    yardstick = yardstick_for(subject, task, rng)
    values = yardstick.values
    before = equivariance_error(subject.model, task, yardstick.x, yardstick.elements, yardstick.unit, values)
    loss = None if yardstick.y is None else loss_of(values, yardstick.y)
    if before.largest <= choices.tolerance:
        path = folder / f"unchanged{subject.path.suffix}"
        shutil.copyfile(subject.path, path)
        reason = (
            f"the model is equivariant already: its largest error on {before.elements} elements is "
            f"{before.largest:.2g}, not above --tolerance {choices.tolerance:g}"
        )
        return Enforced("unchanged", reason, path, None, (), before, loss, yardstick)
    trial = _Trial(subject, task, choices, provenance, folder, rng, progress, yardstick)
    if choices.method == "auto":
        verdicts, index, reason = _best_of(trial, before, loss)
    else:
        verdicts, index, reason = [Verdict(choices.method, trial.made(choices.method))], 0, "asked for by --method"
    chosen = verdicts[index].candidate
    assert chosen is not None
    if chosen.made.dead is not None:
        raise InputError(
            f"{subject.path}: {chosen.made.dead}; use --method {_instead(task)}, or a larger hidden representation"
        )
    return Enforced(chosen.made.method, reason, chosen.path, chosen, tuple(verdicts), before, loss, yardstick)


def _instead(task: Equivariance) -> str:
    return "average or frames" if isinstance(task.group, CompactGroup) else "frames or distill"


@dataclass(frozen=True, eq=False)
class _Trial:
    """Everything that a method needs, and the files it writes."""

    subject: Subject
    task: Equivariance
    choices: Choices
    provenance: Mapping[str, Any]
    folder: Path
    rng: torch.Generator
    progress: Progress
    yardstick: Yardstick

    def made(self, method: str, teacher: Candidate | None = None) -> Candidate:
        """Make, write, load and measure."""
        subject, task, yardstick = self.subject, self.task, self.yardstick
        rows: Tensor | None = yardstick.train if self.choices.given_rows else None
        total = self.choices.steps if method == "distill" else None
        with self.progress.phase(method, total) as advance:
            makers: Mapping[str, Callable[[], Made]] = {
                "project": lambda: candidates.projected(subject, task, self.choices.rep_hidden, rows),
                "average": lambda: candidates.averaged(subject, task, yardstick, self.choices.tolerance, self.rng),
                "frames": lambda: candidates.framed(subject, task, yardstick),
                "distill": lambda: candidates.distilled(
                    subject, task, yardstick, *self._teacher(teacher), self.choices.steps, self.rng, advance
                ),
            }
            made = makers[method]()
            ending = subject.path.suffix if method == "project" and subject.format != "keras" else ".pt"
            path = self.folder / f"{method}{ending}"
            made.save(subject, path, {**self.provenance, "method": method})
            return measured(made, subject, task, yardstick, path)

    def _teacher(self, candidate: Candidate | None) -> tuple[Any, str]:
        from symfind.equivariance.subject import evaluated

        if candidate is None and self.choices.method == "distill" and isinstance(self.task.group, CompactGroup):
            candidate = self.made("average")
        if candidate is None:
            return self.subject.model, "model itself"
        return evaluated(candidate.path, self.subject.x, self.subject.trust), f"{candidate.made.method} of the model"


def _best_of(trial: _Trial, before: EquivarianceError, loss: Loss | None) -> tuple[list[Verdict], int, str]:
    """Every method in turn; the index of the one to take, and why."""
    first = _tried(trial, "project")
    verdicts = [first]
    if first.candidate is not None:
        if first.candidate.made.dead is None and _alive(first.candidate, loss):
            return verdicts, 0, "project: the layerwise projection keeps the model alive"
        why = first.candidate.made.dead or _lost(first.candidate, loss)
        verdicts[0] = Verdict("project", first.candidate, why)
    if isinstance(trial.task.group, CompactGroup):
        verdicts.append(_tried(trial, "average"))
    else:
        verdicts.append(Verdict("average", None, f"{trial.task.group.name} is not compact and has no mean"))
    verdicts.append(_tried(trial, "frames"))
    if trial.choices.given_rows:
        # Without a mean the best teacher is the model itself, where it was trained: frames would take it elsewhere.
        compact = isinstance(trial.task.group, CompactGroup)
        teachers = [v.candidate for v in verdicts[1:] if compact and v.candidate is not None]
        verdicts.append(_tried(trial, "distill", teachers[0] if teachers else None))
    else:
        verdicts.append(Verdict("distill", None, "needs data to be fitted on (--data)"))
    live = [i for i, v in enumerate(verdicts) if v.candidate is not None and v.candidate.made.dead is None]
    if not live:
        reasons = "; ".join(f"{v.method}: {v.why}" for v in verdicts)
        name = trial.task.group.name
        raise UsageError(f"{trial.subject.path}: no method makes it equivariant under {name} ({reasons})")
    exact = [i for i in live if _candidate(verdicts[i]).error.largest <= trial.choices.tolerance] or live
    # An error above the tolerance may buy a smaller loss or change: who reads the table must not wonder.
    among = f" of those with an error below --tolerance {trial.choices.tolerance:g}" if len(exact) < len(live) else ""
    if loss is not None:
        best = min(exact, key=lambda i: _loss_value(_candidate(verdicts[i])))
        return verdicts, best, f"{verdicts[best].method} has the smallest held-out loss{among}"
    best = exact[0]
    for i in exact[1:]:
        # The average is the nearest in mean square over the group; samples of x and g decide no smaller difference.
        if _candidate(verdicts[i]).change < _PLAINLY * _candidate(verdicts[best]).change:
            best = i
    why = f"{verdicts[best].method} changes the function least{among} (no targets to compare a loss by)"
    return verdicts, best, why


def _tried(trial: _Trial, method: str, teacher: Candidate | None = None) -> Verdict:
    try:
        return Verdict(method, trial.made(method, teacher))
    except (UsageError, InputError) as error:
        return Verdict(method, None, str(error))


def _candidate(verdict: Verdict) -> Candidate:
    assert verdict.candidate is not None
    return verdict.candidate


def _loss_value(candidate: Candidate) -> float:
    return float("inf") if candidate.loss is None else candidate.loss.value


def _alive(candidate: Candidate, loss: Loss | None) -> bool:
    if loss is not None and candidate.loss is not None:
        # A few percent are the noise of 256 rows; beyond its own spread it would be another function.
        return candidate.loss.value <= 1.05 * loss.value and candidate.change <= 1.0
    return candidate.change <= _ALIVE


def _lost(candidate: Candidate, loss: Loss | None) -> str:
    if loss is not None and candidate.loss is not None and candidate.loss.value > loss.value:
        return f"the projection raises the held-out {loss.kind} from {loss.value:.4g} to {candidate.loss.value:.4g}"
    return f"the projection changes the function by {candidate.change:.2g} of its spread"
