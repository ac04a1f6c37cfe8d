"""The verbs ``enforce`` and ``score`` as functions; :mod:`symfind.api` offers them beside the others."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import torch
from torch import nn

from symfind.answers.enforcement import as_it_was, enforcement_of, enforcement_on_grid, generators_of, score_of
from symfind.data.axes import parse_grid
from symfind.data.files import appearing_whole, readable, sha256
from symfind.data.scratch import scratch_folder
from symfind.equivariance.choose import enforce_model
from symfind.equivariance.methods.kernels import enforce_kernels, grid_group
from symfind.equivariance.methods.registry import METHODS
from symfind.equivariance.request import Prepared, choices_of, prepared, rows_for
from symfind.equivariance.scoring.by_layer import layer_contributions
from symfind.equivariance.scoring.score import scored
from symfind.equivariance.scoring.spectrum import error_spectrum
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.writing import ENDING, converted, form_asked, format_written, write_weights
from symfind.errors import InputError, SymfindError, UsageError, WorseThanBefore
from symfind.kinds.search import is_model
from symfind.linalg.threads import one_thread
from symfind.models.model import load_model
from symfind.options.of_verbs import ActionOptions, EnforceOptions, ScoreOptions
from symfind.progress import Progress, SilentProgress
from symfind.schema.augmentation import FieldScore
from symfind.schema.enforcement import Enforcement, Score
from symfind.schema.store import read_report
from symfind.verbs.augment import score_fields
from symfind.verbs.enforce_module import Rows, enforce_module
from symfind.verbs.given.architecture import with_architecture
from symfind.verbs.given.chosen_output import with_output
from symfind.verbs.given.further_inputs import Options, SideBySide, side_by_side
from symfind.verbs.machine import check_outputs, on_cpu_in_double
from symfind.version import __version__


@overload
def enforce(
    model: EnforceOptions, to: Path | None = None, progress: Progress | None = None
) -> Enforcement: ...  # a file
@overload
def enforce(model: nn.Module, to: str, progress: Rows, **options: Any) -> nn.Module: ...  # a module
def enforce(model: Any, to: Any = None, progress: Any = None, **options: Any) -> Any:
    """The equivariant map next to a trained model: the file it makes and what that costs, or a module of a module.

    ``enforce(options, to)`` works on files; ``enforce(module, "so3", data)`` is
    :func:`symfind.verbs.enforce_module.enforce_module`.

    Parameters
    ----------
    model
        Model, group and method, :class:`~symfind.options.of_verbs.EnforceOptions`; or a module.
    to
        The file to write, of the same kind as the model's; None writes none. For a module: the group.
    progress
        Told how far the computation is. For a module: rows, rows and targets, or a file of them.
    options
        For a module: the options by name.

    Raises
    ------
    SymfindError
        The model cannot be used, or the method does not apply to it or to the group; the message says what to do.
    WorseThanBefore
        A file was asked for and the held-out loss of the result is worse than the model's by more than a standard
        error, without ``force``; it holds the document.
    """
    if isinstance(model, nn.Module):
        return enforce_module(model, to, progress, **options)
    return _enforce_file(model, to, progress)


@with_architecture("model")
@one_thread()
def _enforce_file(options: EnforceOptions, to: Path | None, progress: Progress | None) -> Enforcement:
    check_outputs(options, to)
    if options.grid is not None:
        return _enforce_on_grid(options, options.grid, to)
    watch, seconds = progress or SilentProgress(), dict[str, float]()
    environment = on_cpu_in_double(options, "enforce")
    rng = torch.Generator().manual_seed(options.seed)
    with readable(options.model) as path, scratch_folder() as folder, _as_given(options, folder):
        with _timed(seconds, "read"):
            digest = sha256(path)
            ready, further = _ready(options, path, folder, rng)
        if ready.doubt:
            named = f"--group {options.group}" if options.generators is None else f"--generators {options.generators}"
            raise InputError(
                f"{options.model}: it obeys {ready.task.group.name} under none of the representations that the shapes "
                f"allow; say which is meant: symfind enforce {options.model} {named} "
                f"{', or '.join(ready.doubt)}"
            )
        used = ready.task
        provenance = {
            "symfind": __version__,
            "source_sha256": digest,
            "group": used.group.name,
            "rep_in": str(used.rep_in),
            "rep_out": str(used.rep_out),
        }
        form = format_written(ready.subject, False, to)
        choices = choices_of(options if further is None else further.asked, ready, form, digest)
        if to is not None and options.method != "auto":
            form_asked(to, format_written(ready.subject, METHODS[options.method].in_place, to), options.method)
        with _timed(seconds, "enforce"):
            done = enforce_model(ready.subject, used, choices, provenance, folder, rng, watch)
        settings = options.settings()
        change = done.loss_change
        if to is not None and change is not None and change.why and not options.force:
            raise _worse(options, enforcement_of(ready, done, None, options.model, settings, environment), change.why)
        if to is not None:
            kept = done.method == "unchanged" or METHODS[done.method].in_place
            form = format_written(ready.subject, kept, to)
            made = done.path
            if further is not None:
                made, form = _with_inputs(further, made, ready.subject, form, to, done.method, provenance, folder)
            _written(made, ready.subject, form, to, done.method, provenance)
        if options.weights is not None:
            arrays = done.chosen.made.weights() if done.chosen is not None else {}
            if not arrays:
                raise UsageError(f"--weights: method {done.method} leaves the weights of the layers as they are")
            write_weights(Path(options.weights), arrays, {**provenance, "method": done.method})
        written = None if to is None else str(to)
        document = enforcement_of(ready, done, written, options.model, settings, environment)
    return replace(document, timing=seconds)


def _enforce_on_grid(options: EnforceOptions, grid: str, to: Path | None) -> Enforcement:
    """Kernels of the layers made to commute with moves of the grid that the fields of a model live on."""
    if options.group is None or options.method not in ("auto", "project"):
        raise UsageError("--grid goes with --group translations and --method project")
    sources = parse_grid(grid)
    environment = on_cpu_in_double(options, "enforce")
    rng, seconds = torch.Generator().manual_seed(options.seed), dict[str, float]()
    with readable(options.model) as path, scratch_folder() as folder:
        with _timed(seconds, "read"):
            model = load_model(path, trust=options.trust_model)
            x, y, _, messages, _ = rows_for(model, options, None, rng)
            model.bind(tuple(x.shape[1:]), x)
            group = grid_group(options.group, sources, x.shape[1:])
            subject = Subject(path, model, model.format, x, y, options.trust_model)
        provenance = {"symfind": __version__, "source_sha256": sha256(path), "group": group.name, "method": "project"}
        made = folder / f"project{path.suffix}"
        if to is not None:
            form_asked(to, format_written(subject, True), "project")
        with _timed(seconds, "enforce"):
            projection, measured = enforce_kernels(subject, group, made, provenance, rng)
        kept = measured.obeyed(options.tolerance)
        why = "" if kept else measured.worse(options.tolerance)
        if to is not None and not (why and not options.force):
            method = "unchanged" if kept else "project"
            _written(path if kept else made, subject, format_written(subject, True), to, method, provenance)
        if options.weights is not None:
            arrays = {f"layers/{i:03d}/weight": k.after.weight for i, k in enumerate(projection.layers)}
            write_weights(Path(options.weights), arrays, provenance)
        document = enforcement_on_grid(
            subject, group, projection, replace(measured, notes=(*messages, *measured.notes)),
            None if to is None or (why and not options.force) else str(to),
            options.model, options.settings(), environment,
        )  # fmt: skip
        if kept:
            document = as_it_was(document, options.tolerance)
        elif to is not None and why and not options.force:
            raise _worse(options, document, f"{why}: the network does not live on that grid")
    return replace(document, timing=seconds)


def _written(made: Path, subject: Subject, form: str, to: Path, method: str, provenance: Mapping[str, Any]) -> None:
    """Give what was made its name, as a file of the kind that its ending asks for."""
    asked = form_asked(to, form, method)
    with appearing_whole(to) as part:
        if asked == form:
            shutil.copyfile(made, part)
        else:
            converted(made, subject, asked, part, {**provenance, "method": method})


def _worse(options: EnforceOptions, document: Enforcement, why: str) -> WorseThanBefore:
    before, after = document.loss_before, document.loss_after
    rise = ""
    if before is not None and after is not None:
        rise = (
            f"{document.method} raises the held-out {before.kind} from {before.value:.4g} to {after.value:.4g} ({why})"
        )
    return WorseThanBefore(
        f"{options.model}: not written: {rise or why}; leave the model as it is, name another --group, --rep-in or "
        "--rep-out, or give --force",
        document,
    )


@with_architecture("model")
@one_thread()
def score(options: ScoreOptions, progress: Progress | None = None) -> Score | FieldScore:
    """How well a trained model obeys a group, or fields stay solutions: defects, and errors along finite flows.

    Parameters
    ----------
    options
        Model and group, :class:`~symfind.options.of_verbs.ScoreOptions`.
    progress
        Told how far the computation is.

    Raises
    ------
    SymfindError
        The model, the group or the rows cannot be used; the message says what to do.
    """
    watch, seconds = progress or SilentProgress(), dict[str, float]()
    environment = on_cpu_in_double(options, "score")
    rng = torch.Generator().manual_seed(options.seed)
    with readable(options.model) as path, scratch_folder() as folder, _as_given(options, folder):
        if not is_model(path):
            return score_fields(replace(options, model=str(path)), progress)
        with _timed(seconds, "read"):
            ready, _ = _ready(options, path, folder, rng)
        with _timed(seconds, "score"), watch.phase("score"):
            model, x = ready.subject.model, ready.subject.x
            found, error = scored(model, ready.task, x, rng)
            shape = ready.subject.fed_shape if options.by_layer else ()
            layers = layer_contributions(model, ready.task, x, shape) if options.by_layer else ()
            by_degree = error_spectrum(model, ready.task, x, ready.numbers, rng, model.last_digit_of_values)
        settings = options.settings()
        document = score_of(ready, found, error, by_degree, layers, options.model, settings, environment)
    return replace(document, timing=seconds)


def _one_output(options: ActionOptions, path: Path, folder: Path) -> Path:
    """The model file, or one that gives the output asked for alone."""
    if options.model_output is None:
        return path
    return with_output(path, options.model_output, folder, options.trust_model)


def _ready(
    options: Options, path: Path, folder: Path, rng: torch.Generator
) -> tuple[Prepared, SideBySide[Options] | None]:
    """The model, its rows and its group; inputs beside the first one are laid beside it."""
    try:
        return _prepared(options, _one_output(options, path, folder), rng), None
    except InputError:
        # Only a model of several inputs comes here for a reason that can be mended.
        further = side_by_side(options, path, folder)
        if further is None:
            raise
    ready = _prepared(further.asked, _one_output(further.asked, further.path, folder), rng)
    numbers = further.numbers[ready.numbers]
    return replace(ready, messages=(further.message, *ready.messages), numbers=numbers), further


def _with_inputs(
    further: SideBySide[Options],
    made: Path,
    subject: Subject,
    form: str,
    to: Path,
    method: str,
    provenance: Mapping[str, Any],
    folder: Path,
) -> tuple[Path, str]:
    """What was made of all inputs side by side as a file that takes them, of the kind that is asked for."""
    asked = form_asked(to, form, method)
    if asked != form:
        other = folder / f"other{ENDING[asked]}"
        converted(made, subject, asked, other, provenance)
        made = other
    wanted = evaluated(made, subject.x, subject.trust)
    about = {**provenance, "method": method}
    return further.written(made, asked, folder, wanted, subject.x[:9], subject.dtype, about), asked


def _prepared(options: ActionOptions, path: Path, rng: torch.Generator) -> Prepared:
    generators = None
    if options.generators is not None:
        generators = generators_of(read_report(options.generators), options.generators)
    return prepared(path, options, generators, rng)


@contextmanager
def _as_given(options: ActionOptions, folder: Path) -> Iterator[None]:
    """Errors name the files that the user gave, not those that were made of them."""
    try:
        yield
    except SymfindError as error:
        made = re.escape(str(folder)) + r"/(inputs|chosen)\."
        text = re.sub(made + "pt2?", lambda _: options.model, str(error))
        error.args = (re.sub(made + "h5", lambda _: str(options.data), text),)
        raise


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[phase] = round(time.perf_counter() - start, 4)
