"""What a search would read and hold, without searching."""

from __future__ import annotations

from dataclasses import dataclass

from symfind.data.files import readable
from symfind.data.memory import available_bytes
from symfind.errors import UsageError
from symfind.kinds.question import objects_of
from symfind.kinds.reading import open_asked
from symfind.kinds.registry import KINDS
from symfind.kinds.search import is_model
from symfind.kinds.size import field_count, search_bytes
from symfind.options.of_verbs import DiscoverOptions


@dataclass(frozen=True)
class Plan:
    """What would be read as what, and how large the search is.

    Attributes
    ----------
    source, kind, read_as
        The file, and how it is understood.
    rows, shapes
        Rows that would be read, and the shape of each role's array.
    space, unknowns
        The candidates, and how many there are; None where the space has to be read first.
    memory, free
        Bytes that the candidates and their matrices take, and bytes that there are.
    """

    source: str
    kind: str
    read_as: str
    rows: int
    shapes: dict[str, tuple[int, ...]]
    space: str
    unknowns: int | None
    memory: int | None
    free: int


def plan(options: DiscoverOptions) -> Plan:
    """Read shapes alone, and count.

    Raises
    ------
    UsageError
        The source is a model, which has no rows of its own.
    InputError
        The file cannot be used.
    """
    with readable(options.source) as path:
        if is_model(path):
            raise UsageError(f"{options.source}: --dry-run is for data, this is a model; `symfind inspect` tells of it")
        dataset = open_asked(path, options)
        kind = KINDS[dataset.kind]
        row = dataset.shapes[kind.input_role][1:]
        d = row[-1] + len(row) - 1 if kind.input_role == "u" else objects_of(row, options.acts_on)[1]
        space = options.space or kind.space
        unknowns = field_count(space, d)
        return Plan(
            source=options.source,
            kind=dataset.kind,
            read_as=dataset.inferred,
            rows=min(dataset.n_rows, options.max_rows or dataset.n_rows),
            shapes=dataset.shapes,
            space=space,
            unknowns=unknowns,
            memory=None if unknowns is None else search_bytes(space, d),
            free=available_bytes(),
        )
