"""Which method: layerwise projection where it keeps the model alive, else the best of those in function space."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from symfind.decision.halves import part_held_out, with_duplicates_grouped
from symfind.equivariance.candidates import Candidate, Yardstick, measured
from symfind.equivariance.equivariance import Equivariance, equivariance_error, spread
from symfind.equivariance.measure import loss_of, seconds_per_call
from symfind.equivariance.methods.method import Attempt, Choices, Method
from symfind.equivariance.methods.registry import METHODS
from symfind.equivariance.subject import Subject, evaluated
from symfind.errors import InputError, UsageError
from symfind.fits.surrogate import Samples
from symfind.models.model import Model
from symfind.progress import Progress
from symfind.schema.enforcement import ErrorMeasured, LossMeasured

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
    before: ErrorMeasured
    loss_before: LossMeasured | None
    yardstick: Yardstick


def yardstick_for(subject: Subject, task: Equivariance, rng: torch.Generator) -> Yardstick:
    """Rows held out, elements and units for all measurements."""
    n = len(subject.x)
    most = _MOST_SEEN if subject.y is None else _MOST_HELD_OUT
    flat = subject.x.flatten(1)
    copies = with_duplicates_grouped(Samples(flat, flat[:, :0])).group
    held, rest = part_held_out(n, max(1, min(most, round(_HELD_OUT * n))), copies, rng)
    rest = rest if len(rest) else held
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
        verdicts, index, reason = _best_of(trial, loss)
    else:
        verdicts, index, reason = (
            [Verdict(choices.method, trial.made(METHODS[choices.method]))],
            0,
            "asked for by --method",
        )
    chosen = verdicts[index].candidate
    assert chosen is not None
    if chosen.made.dead is not None:
        raise InputError(
            f"{subject.path}: {chosen.made.dead}; use --method {_instead(task)}, or a larger hidden representation"
        )
    return Enforced(chosen.made.method, reason, chosen.path, chosen, tuple(verdicts), before, loss, yardstick)


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
            ending = subject.path.suffix if method.in_place else ".pt"
            path = self.folder / f"{method.name}{ending}"
            made.save(subject, path, {**self.provenance, "method": method.name})
            return measured(made, subject, task, yardstick, path)

    def _teacher(self, method: Method, candidate: Candidate | None) -> tuple[Model, str]:
        if candidate is None and self.choices.method == method.name and self.task.is_compact:
            candidate = self.made(METHODS["average"])
        if candidate is None:
            return self.subject.model, "model itself"
        return evaluated(candidate.path, self.subject.x, self.subject.trust), f"{candidate.made.method} of the model"


def _best_of(trial: _Trial, loss: LossMeasured | None) -> tuple[list[Verdict], int, str]:
    """Every method in turn; the index of the one to take, and why."""
    layerwise, *others = METHODS
    first = _tried(trial, layerwise)
    verdicts = [first]
    if first.candidate is not None:
        if first.candidate.made.dead is None and _alive(first.candidate, loss):
            return verdicts, 0, "project: the layerwise projection keeps the model alive"
        why = first.candidate.made.dead or _lost(first.candidate, loss)
        verdicts[0] = Verdict(first.method, first.candidate, why)
    for method in others:
        excuse = method.excuse(trial.task, trial.choices)
        # Without a mean the best teacher is the model itself, where it was trained: frames would take it elsewhere.
        teachers = [v.candidate for v in verdicts[1:] if v.candidate is not None] if trial.task.is_compact else []
        teacher = teachers[0] if teachers else None
        verdicts.append(Verdict(method.name, None, excuse) if excuse else _tried(trial, method, teacher))
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


def _alive(candidate: Candidate, loss: LossMeasured | None) -> bool:
    if loss is not None and candidate.loss is not None:
        # A few percent are the noise of 256 rows; beyond its own spread it would be another function.
        return candidate.loss.value <= 1.05 * loss.value and candidate.change <= 1.0
    return candidate.change <= _ALIVE


def _lost(candidate: Candidate, loss: LossMeasured | None) -> str:
    if loss is not None and candidate.loss is not None and candidate.loss.value > loss.value:
        return f"the projection raises the held-out {loss.kind} from {loss.value:.4g} to {candidate.loss.value:.4g}"
    return f"the projection changes the function by {candidate.change:.2g} of its spread"
