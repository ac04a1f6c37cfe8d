"""Which method: layerwise projection where it keeps the model alive, else the best of those in function space."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from symfind.decision.halves import part_held_out, with_duplicates_grouped
from symfind.equivariance.equivariance import Equivariance, equivariance_error, spread
from symfind.equivariance.made import Candidate, Yardstick, measured, rounding_of
from symfind.equivariance.measure import seconds_per_call, task_loss, worse_by
from symfind.equivariance.methods.method import Attempt, Choices, Method
from symfind.equivariance.methods.orientation import seen_in_one_orientation
from symfind.equivariance.methods.registry import METHODS
from symfind.equivariance.settings import SETTINGS
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.writing import ENDING, format_written
from symfind.errors import InputError, UsageError
from symfind.fits.surrogate import Samples
from symfind.models.model import Model
from symfind.progress import Progress
from symfind.schema.enforcement import ErrorMeasured, LossChange, LossMeasured

ELEMENTS = 256
"""Fresh group elements on which errors are measured."""


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
    loss_before, loss_constant
        Its loss on the held-out rows, and that of the best constant.
    loss_change
        Of the loss, row by row; its ``why`` is not empty where the result is worse by more than a standard error.
    yardstick
        Rows and elements of the measurements.
    """

    method: str
    reason: str
    path: Path
    chosen: Candidate | None
    considered: tuple[Verdict, ...]
    before: ErrorMeasured
    loss_before: LossMeasured | None
    yardstick: Yardstick
    loss_constant: LossMeasured | None = None
    loss_change: LossChange | None = None


def yardstick_for(subject: Subject, task: Equivariance, rng: torch.Generator, tolerance: float) -> Yardstick:
    """Rows held out, elements and units for all measurements."""
    n = len(subject.x)
    most = SETTINGS.seen if subject.y is None else SETTINGS.most_held_out
    flat = subject.x.flatten(1)
    copies = with_duplicates_grouped(Samples(flat, flat[:, :0])).group
    held, rest = part_held_out(n, max(1, min(most, round(SETTINGS.held_out * n))), copies, rng)
    rest = rest if len(rest) else held
    x = subject.x[held]
    own = evaluated(subject.path, x, subject.trust)
    values = own(x)
    loss = None
    if subject.y is not None:
        some = rest[: SETTINGS.most_held_out]
        loss = task_loss(subject.model(subject.x[some]), subject.y[some], str(subject.path))
    unit = spread(values)
    elements = task.fresh_elements(ELEMENTS, rng)
    return Yardstick(
        x,
        None if subject.y is None else subject.y[held],
        subject.x[rest],
        None if subject.y is None else subject.y[rest],
        loss,
        values,
        elements,
        unit,
        seconds_per_call(own, x),
        max(tolerance, rounding_of(own, task, x, elements, unit)),
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
    yardstick = yardstick_for(subject, task, rng, choices.tolerance)
    values, x = yardstick.values, yardstick.x
    own = evaluated(subject.path, x, subject.trust)
    before = equivariance_error(own, task, x, yardstick.elements, yardstick.unit, values)
    loss = constant = None
    if yardstick.loss is not None and yardstick.y is not None and yardstick.y_train is not None:
        loss = yardstick.loss.measured(values, yardstick.y)
        same = yardstick.loss.constant(yardstick.y_train, len(x), task.output_width)
        constant = yardstick.loss.measured(same, yardstick.y)
    if before.largest <= yardstick.tolerance:
        path = folder / f"unchanged{subject.path.suffix}"
        shutil.copyfile(subject.path, path)
        reason = (
            f"the model is equivariant already: its largest error on {before.elements} elements is "
            f"{before.largest:.2g}, not above {_tolerance(yardstick, choices)}"
        )
        return Enforced("unchanged", reason, path, None, (), before, loss, yardstick, constant)
    trial = _Trial(subject, task, choices, provenance, folder, rng, progress, yardstick)
    if choices.method == "auto":
        verdicts, index, reason = _best_of(trial, loss)
    else:
        verdicts, index, reason = (
            [Verdict(choices.method, trial.made(METHODS[choices.method]))],
            0,
            "asked for by --method",
        )
    chosen = verdicts[index].candidate
    assert chosen is not None
    if chosen.dead is not None:
        instead = f"; use --method {_instead(task)}, or a larger hidden representation" if chosen.made.dead else ""
        raise InputError(f"{subject.path}: {chosen.dead}{instead}")
    change = _loss_change(chosen, yardstick, task)
    return Enforced(
        chosen.made.method, reason, chosen.path, chosen, tuple(verdicts), before, loss, yardstick, constant, change
    )


def _tolerance(yardstick: Yardstick, choices: Choices) -> str:
    if yardstick.tolerance > choices.tolerance:
        return f"what rounding does in the type of the file ({yardstick.tolerance:.2g})"
    return f"--tolerance {choices.tolerance:g}"


def _loss_change(chosen: Candidate, yardstick: Yardstick, task: Equivariance) -> LossChange | None:
    """After − before, and why it is worse, where it is by more than a standard error."""
    if yardstick.loss is None or yardstick.y is None or chosen.losses is None:
        return None
    before = yardstick.loss.rows(yardstick.values, yardstick.y)
    mean, error = worse_by(chosen.losses, before, yardstick.values.dtype)
    if mean <= error:
        return LossChange(mean=mean, standard_error=error)
    if seen_in_one_orientation(task, yardstick.x, yardstick.elements):
        why = "the rows are seen in one orientation: the mean over the group mixes in what the network never learned"
        if METHODS[chosen.made.method].trains:
            why = "the rows are seen in one orientation, and what tells them apart may turn with the group"
    elif not chosen.is_exact:
        why = "the result is not exact under the group either"
    else:
        why = (
            f"the targets do not follow {task.group.name} with {task.written_in} → {task.written_out}, or the method "
            "fits less than the model did"
        )
    return LossChange(mean=mean, standard_error=error, why=why)


def _instead(task: Equivariance) -> str:
    return "average or frames" if task.is_compact else "frames or distill"


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

    def made(self, method: Method, teacher: Candidate | None = None) -> Candidate:
        """Make, write, load and measure."""
        subject, task, yardstick = self.subject, self.task, self.yardstick
        with self.progress.phase(method.name, self.choices.steps if method.trains else None) as advance:
            attempt = Attempt(
                subject, task, yardstick, self.choices, lambda: self._teacher(method, teacher), self.rng, advance
            )
            made = method.make(attempt)
            form = format_written(subject, True) if method.in_place else self.choices.form
            path = self.folder / f"{method.name}{subject.path.suffix if method.in_place else ENDING[form]}"
            made.save(subject, path, form, {**self.provenance, "method": method.name})
            return measured(made, subject, task, yardstick, path, form)

    def _teacher(self, method: Method, candidate: Candidate | None) -> tuple[Model, str]:
        if candidate is None and self.choices.method == method.name and self.task.is_compact:
            candidate = self.made(METHODS["average"])
        if candidate is None:
            return self.subject.model, "model itself"
        return evaluated(candidate.path, self.subject.x, self.subject.trust), f"{candidate.made.method} of the model"


def _best_of(trial: _Trial, loss: LossMeasured | None) -> tuple[list[Verdict], int, str]:
    """Every method in turn; the index of the one to take, and why.

    With targets: of those that are exact, the cheapest whose loss is within a standard error of the smallest, row by
    row. Without: the projection if it keeps the model alive, else what changes the function least.
    """
    layerwise, *others = METHODS
    first = _tried(trial, layerwise)
    verdicts = [first]
    if first.candidate is not None:
        if first.candidate.dead is None and loss is None and first.candidate.change <= SETTINGS.alive:
            return verdicts, 0, "project: the layerwise projection keeps the model alive"
        verdicts[0] = Verdict(first.method, first.candidate, first.candidate.dead or _lost(first.candidate, loss))
    for method in others:
        excuse = method.excuse(trial.task, trial.choices)
        # Without a mean the best teacher is the model itself, where it was trained: frames would take it elsewhere.
        teachers = [v.candidate for v in verdicts[1:] if v.candidate is not None] if trial.task.is_compact else []
        teacher = teachers[0] if teachers else None
        verdicts.append(Verdict(method.name, None, excuse) if excuse else _tried(trial, method, teacher))
    verdicts = [v if v.candidate is None else replace(v, why=v.why or v.candidate.dead or "") for v in verdicts]
    live = [i for i, v in enumerate(verdicts) if v.candidate is not None and v.candidate.dead is None]
    if not live:
        reasons = "; ".join(f"{v.method}: {v.why}" for v in verdicts)
        name = trial.task.group.name
        raise UsageError(f"{trial.subject.path}: no method makes it equivariant under {name} ({reasons})")
    exact = [i for i in live if _candidate(verdicts[i]).is_exact] or live
    # An error above the tolerance may buy a smaller loss or change: who reads the table must not wonder.
    among = (
        f" of those with an error below {_tolerance(trial.yardstick, trial.choices)}" if len(exact) < len(live) else ""
    )
    if loss is not None:
        best = min(exact, key=lambda i: _loss_value(_candidate(verdicts[i])))
        like = [i for i in exact if i == best or _as_good(_candidate(verdicts[i]), _candidate(verdicts[best]))]
        # Times of a busy machine tell no factor below this; of what costs the same the better one is taken.
        least = SETTINGS.same_cost * min(_candidate(verdicts[i]).cost for i in like)
        cheap = [i for i in like if _candidate(verdicts[i]).cost <= least]
        cheapest = min(cheap, key=lambda i: _loss_value(_candidate(verdicts[i])))
        if cheapest == best:
            return verdicts, best, f"{verdicts[best].method} has the smallest held-out loss{among}"
        why = (
            f"{verdicts[cheapest].method} is the cheapest within a standard error of the smallest held-out loss{among}"
        )
        return verdicts, cheapest, why
    best = exact[0]
    for i in exact[1:]:
        # The average is the nearest in mean square over the group; samples of x and g decide no smaller difference.
        if _candidate(verdicts[i]).change < SETTINGS.plainly * _candidate(verdicts[best]).change:
            best = i
    why = f"{verdicts[best].method} changes the function least{among} (no targets to compare a loss by)"
    return verdicts, best, why


def _tried(trial: _Trial, method: Method, teacher: Candidate | None = None) -> Verdict:
    try:
        return Verdict(method.name, trial.made(method, teacher))
    except (UsageError, InputError) as error:
        return Verdict(method.name, None, str(error))


def _candidate(verdict: Verdict) -> Candidate:
    assert verdict.candidate is not None
    return verdict.candidate


def _loss_value(candidate: Candidate) -> float:
    return float("inf") if candidate.loss is None else candidate.loss.value


def _as_good(candidate: Candidate, best: Candidate) -> bool:
    """Whether the loss is within a standard error of the best one's, over the same rows."""
    if candidate.losses is None or best.losses is None:
        return False
    mean, error = worse_by(candidate.losses, best.losses, torch.float64)
    return mean <= error


def _lost(candidate: Candidate, loss: LossMeasured | None) -> str:
    if loss is not None and candidate.loss is not None and candidate.loss.value > loss.value:
        return f"the projection raises the held-out {loss.kind} from {loss.value:.4g} to {candidate.loss.value:.4g}"
    if loss is not None:
        return ""
    return f"the projection changes the function by {candidate.change:.2g} of its spread"
