"""From names and files to a subject and a task: which group, which rows, which representations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.data.files import sha256
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.generators import NearestGroup, nearest_affine_group, nearest_group
from symfind.equivariance.infer import inferred_task
from symfind.equivariance.methods.method import Choices
from symfind.equivariance.subject import Subject
from symfind.errors import InputError, UsageError
from symfind.kinds.reading import open_dataset
from symfind.kinds.search import is_model
from symfind.lie.groups.catalogue import Group, parse_group
from symfind.models.model import Model, load_model
from symfind.options.of_verbs import ActionOptions, EnforceOptions

_TARGETS = ("y", "x_next", "dx")


@dataclass(frozen=True, eq=False)
class GivenGenerators:
    """Generators from a report.

    Attributes
    ----------
    matrices
        ``(k, d, d)``, acting on one object; ``(k, d+1, d+1)`` if affine.
    noise
        Relative error they may have.
    source
        The file they were found in, and its digest; used for rows if it is still there.
    affine
        Whether they are ((A, b), (0, 0)).
    shape
        Of one row of what they were found in; empty if that is not known.
    """

    matrices: Tensor
    noise: float
    source: tuple[str, str | None] | None = None
    affine: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the methods need.

    Attributes
    ----------
    subject, task
        The model with its rows, and what is asked of it.
    nearest
        How generators were made exact; None where the group was named.
    given_rows
        Whether the rows are data.
    messages
        What was chosen for the user.
    numbers
        Of the rows in the file of data, ``(n,)``.
    doubt
        The two best guesses at the representations, where the model obeys none of several; else empty.
    """

    subject: Subject
    task: Equivariance
    nearest: NearestGroup | None
    given_rows: bool
    messages: tuple[str, ...]
    numbers: Tensor
    doubt: tuple[str, ...] = ()


def prepared(path: Path, asked: ActionOptions, generators: GivenGenerators | None, rng: torch.Generator) -> Prepared:
    """Load the model, its rows and its group, and settle the representations.

    Raises
    ------
    SymfindError
        A file that cannot be used, an unknown group, or representations that do not fit.
    """
    # Before anything is loaded: an unknown group is the likelier mistake, and the cheaper one to find.
    named = None if asked.group is None else _named(asked.group)
    model = load_model(path, trust=asked.trust_model, bound=asked.data is None)
    x, y, given, messages, numbers = rows_for(model, asked, generators, rng)
    model.bind(tuple(x.shape[1:]), x)
    found = None
    if generators is not None:
        nearest = nearest_affine_group if generators.affine else nearest_group
        found = nearest(generators.matrices, generators.noise)
    if found is not None:
        known, coordinates = found.group, found.coordinates
    else:
        known, coordinates = named or parse_group(str(asked.group), x.shape[-1]), None
    subject = Subject(path, model, model.format, x, y, asked.trust_model)
    inferred = inferred_task(model, x, model.output_shape, known, coordinates, asked.rep_in, asked.rep_out, rng)
    return Prepared(subject, inferred.task, found, given, (*messages, *inferred.messages), numbers, inferred.doubt)


def choices_of(asked: EnforceOptions, ready: Prepared, form: str, digest: str = "") -> Choices:
    """What is asked of the methods, with files as paths; ``digest`` is that of the model."""
    rows = hashlib.sha256(ready.subject.x.contiguous().numpy().tobytes())
    if ready.subject.y is not None:
        rows.update(ready.subject.y.contiguous().numpy().tobytes())
    witness = None if asked.witness is None else Path(asked.witness)
    task = ready.task
    depends = (digest, rows.hexdigest(), asked.seed, asked.steps, asked.epochs, asked.method, task.group.key)
    return Choices(
        asked.method,
        asked.tolerance,
        asked.rep_hidden,
        asked.steps,
        ready.given_rows,
        asked.budget,
        form,
        asked.epochs,
        None if asked.checkpoint is None else Path(asked.checkpoint),
        asked.resume,
        witness,
        repr((*depends, str(task.rep_in), str(task.rep_out), None if witness is None else sha256(witness))),
    )


def _named(group: str) -> Group | None:
    """The group, or None where its name lacks the number that the data will give."""
    try:
        return parse_group(group)
    except UsageError:
        parse_group(group, 2)  # raises for what no dimension would mend
        return None


def rows_for(
    model: Model, asked: ActionOptions, generators: GivenGenerators | None, rng: torch.Generator
) -> tuple[Tensor, Tensor | None, bool, tuple[str, ...], Tensor]:
    """Rows, targets, whether they are data, a message on where they come from, and their numbers in the file."""
    path = asked.data
    message: tuple[str, ...] = ()
    if path is None and asked.shape is None and generators is not None and generators.source is not None:
        name, digest = generators.source
        # A model has no rows; those it was asked on were samples, too.
        if digest is not None and Path(name).is_file() and not is_model(Path(name)) and sha256(Path(name)) == digest:
            path, message = name, (f"rows: the data the generators were found in, {name}",)
    if path is not None:
        x, y, numbers = read_rows(path, asked, rng)
        return x, y, True, message, numbers
    shape = asked.shape or (generators.shape if generators is not None else ()) or _own_shape(model)
    if shape is None:
        raise UsageError(
            f"{model.path}: the model does not tell the shape of its input; give --data FILE, or --shape N,N"
        )
    x = torch.randn(asked.n_samples, *shape, dtype=torch.float64, generator=rng)
    told = f"rows: {asked.n_samples} standard normal samples of shape {shape} (no --data)"
    return x, None, False, (told,), torch.arange(len(x))


def _own_shape(model: Model) -> tuple[int, ...] | None:
    try:
        return model.input_shape
    except UsageError:
        flat = model.layers() and model.layers()[0].kind == "linear"
        return (model.input_width,) if flat and model.input_width is not None else None


def read_rows(path: str, asked: ActionOptions, rng: torch.Generator) -> tuple[Tensor, Tensor | None, Tensor]:
    """Rows and targets of a file, and the numbers of the rows in it.

    Raises
    ------
    InputError
        It cannot be read, or has fewer than eight rows.
    """
    names = {
        "input": asked.input,
        "output_name": asked.output_name,
        "mapping": asked.mapping,
        "transpose": asked.transpose,
    }
    try:
        dataset = open_dataset(path, **names)  # type: ignore[arg-type]
    except InputError:
        # Kinds that discover does not read in rows (images with labels) are rows x with targets y here.
        dataset = open_dataset(path, kind="function", **names)  # type: ignore[arg-type]
    numbers = dataset.drawn(asked.max_rows, rng)
    held = dataset.take(numbers)
    if len(held["x"]) < 8:
        raise InputError(f"{path}: {len(held['x'])} rows are too few to measure an error on; give 8 or more")
    target = next((held[role] for role in _TARGETS if role in held), None)
    return held["x"], None if target is None else target.reshape(len(target), -1), numbers
