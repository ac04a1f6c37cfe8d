"""What a file of data holds and what could be asked of it, told without reading its rows."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from math import prod
from pathlib import Path

from symfind.data.dataset import Dataset
from symfind.data.formats.stored import stored_file
from symfind.data.hdf5 import StoredDataset, listing
from symfind.errors import InputError
from symfind.kinds.asking import Question, questions_by_name
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS


@dataclass(frozen=True)
class Inspection:
    """What a file holds.

    Attributes
    ----------
    path, size
        The file, and its bytes.
    kind
        The kind of data it is read as; ``None`` if it is not.
    rows
        How many rows that gives.
    shapes
        Shape of each role's array as read.
    names, units
        Of the coordinates of x, if the file gives them.
    messages
        How the kind was found, what was done to the data, or why the file cannot be read as it is.
    questions
        What could be asked.
    datasets
        Every dataset as it is stored.
    warnings
        What may be wrong, or slow.
    """

    path: str
    size: int
    kind: str | None
    rows: int | None
    shapes: dict[str, tuple[int, ...]]
    names: tuple[str, ...] | None
    units: tuple[str, ...] | None
    messages: tuple[str, ...]
    questions: tuple[Question, ...]
    datasets: tuple[StoredDataset, ...]
    warnings: tuple[str, ...]


def inspection(path: Path) -> Inspection:
    """Look into a file of data.

    One that cannot be read as data is no error here: the reason is among the messages.

    Raises
    ------
    InputError
        Missing, of no known format, or truncated.
    """
    with stored_file(path).opened() as file:
        datasets = listing(file)
    try:
        dataset = open_dataset(path)
    except InputError as fault:
        reason = str(fault).removeprefix(f"{path}: ")
        return Inspection(
            path=str(path),
            size=path.stat().st_size,
            kind=None,
            rows=None,
            shapes={},
            names=None,
            units=None,
            messages=(reason,),
            questions=questions_by_name(str(path), datasets),
            datasets=datasets,
            warnings=(),
        )
    return Inspection(
        path=str(path),
        size=path.stat().st_size,
        kind=dataset.kind,
        rows=dataset.n_rows,
        shapes=dataset.shapes,
        names=dataset.names,
        units=dataset.units,
        messages=dataset.messages,
        questions=_questions(dataset),
        datasets=datasets,
        warnings=(*dataset.warnings, *_slow_storage(dataset)),
    )


def _questions(dataset: Dataset) -> tuple[Question, ...]:
    """Return the questions of the kind, in the order in which one would ask them."""
    command = f"symfind discover {shlex.quote(str(dataset.path))}"
    kind = KINDS[dataset.kind]
    asked = [Question(question, f"{command}{options}") for question, options in kind.questions]
    if kind.objects and len(dataset.shapes.get("x", ())) > 2:
        objects = dataset.shapes["x"][1:-1]
        question = f"fields on all coordinates at once, not one action on the {prod(objects)} objects alike"
        asked.append(Question(question, f"{command} --acts-on all"))
    return tuple(asked)


def _slow_storage(dataset: Dataset) -> tuple[str, ...]:
    return tuple(
        f"{role} is stored in chunks that cut its rows: chunks of whole rows are read several times faster"
        for role, array in dataset.rows.arrays.items()
        if array.chunks_cut_rows
    )
