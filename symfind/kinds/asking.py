"""What a file does not say, asked back with the commands that say it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from symfind.data.axes import AXES
from symfind.data.hdf5 import StoredDataset

_MOST = 3


@dataclass(frozen=True)
class Question:
    """Something that could be asked of a file, and the command that asks it."""

    question: str
    command: str


def questions_by_name(where: str, datasets: Sequence[StoredDataset]) -> tuple[Question, ...]:
    """What could be asked if roles were given to datasets of fitting shape, the largest first."""
    usable = sorted((stored for stored in datasets if _is_usable(stored)), key=lambda s: -prod(s.shape))
    if not usable:
        return ()
    x = usable[0]
    command = f"symfind discover {shlex.quote(where)} --input {shlex.quote(x.name)}"
    asked = [Question("flows that preserve the distribution of these points", f"{command} --kind points")]
    if len(x.shape) in (3, 4):
        axes = ", ".join(f"{name}=START:STOP" for name in AXES[: len(x.shape) - 1])
        question = "Lie point symmetries of the differential equation that these fields obey, on axes you give"
        asked.insert(0, Question(question, f'{command} --grid "{axes}"'))
    partner = next((y for y in datasets if y.fault is None and y.name != x.name and y.shape[:1] == x.shape[:1]), None)
    if partner is not None:
        question = "symmetries of the second as a function of the first"
        asked.append(Question(question, f"{command} --output-name {shlex.quote(partner.name)} --kind function"))
    return tuple(asked)


def _is_usable(stored: StoredDataset) -> bool:
    return stored.fault is None and len(stored.shape) > 1


def asked_back(where: str, datasets: Sequence[StoredDataset]) -> str:
    """The commands that could be meant, for the end of an error."""
    commands = [f"`{asked.command}`" for asked in questions_by_name(where, datasets)[:_MOST]]
    return f"; type {', or '.join(commands)}" if commands else "; name one with --input"


def groups_of_roles(names: Collection[str], roles: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Groups whose datasets bear the names of roles, with those names."""
    found: dict[str, list[str]] = {}
    for name in names:
        group, _, last = name.rpartition("/")
        if group and last in roles:
            found.setdefault(group, []).append(last)
    yield from ((group, tuple(held)) for group, held in found.items() if {"x", "u"} & set(held))
