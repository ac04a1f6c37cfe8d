"""What a hostile input is: a command line in a folder, and the exit statuses that are good."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REFUSED = frozenset({2, 3})
ANY = frozenset({0, 2, 3})
# A computation may say that it has no answer that can be trusted.
COMPUTED = frozenset({0, 1, 2, 3})


@dataclass(frozen=True)
class Case:
    """One input or fault.

    Attributes
    ----------
    sort
        A row of the table.
    name
        Within its sort.
    make
        Writes what is needed into an empty folder, given the folder of whole files; returns the command line.
    allowed
        Exit statuses that are good.
    check
        What else must hold afterwards: (folder, standard output) ↦ what is wrong.
    stdin
        What standard input holds.
    """

    sort: str
    name: str
    make: Callable[[Path, Path], list[str]]
    allowed: frozenset[int] = ANY
    check: Callable[[Path, str], str] | None = None
    stdin: bytes = b""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, repeated, overwritten or exchanged."""
    data = bytearray(content)
    match rng.randrange(6):
        case 0:
            for _ in range(rng.choice((1, 1, 3, 30))):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            del data[rng.randrange(len(data)) :]
        case 2:
            at = rng.randrange(len(data))
            data[at : at + 8] = rng.choice((b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7))
        case 3:
            a, b = sorted(rng.randrange(len(data)) for _ in range(2))
            data[a:a] = data[a:b][:4096]
        case 4:
            a, b = sorted(rng.randrange(len(data)) for _ in range(2))
            del data[a : min(b, a + 512)]
        case _:
            # The first pages hold what says where everything else is.
            for _ in range(8):
                data[rng.randrange(min(len(data), 2048))] = rng.randrange(256)
    return bytes(data)


def with_text(
    sort: str, name: str, file: str, text: str | bytes, arguments: list[str], allowed: frozenset[int] = ANY
) -> Case:
    """A case that is one small file, with whole files beside it by their names in braces: ``{data.h5}``."""

    def make(folder: Path, whole: Path) -> list[str]:
        content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        (folder / file).write_bytes(content)
        return filled(arguments, whole)

    return Case(sort, name, make, allowed)


def filled(arguments: list[str], whole: Path) -> list[str]:
    """``{name}`` becomes the path of a whole file."""
    return [str(whole / a[1:-1]) if a.startswith("{") and a.endswith("}") else a for a in arguments]


def only(sort: str, names_and_arguments: Iterator[tuple[str, list[str], frozenset[int]]]) -> Iterator[Case]:
    """Cases that are command lines alone."""
    for name, arguments, allowed in names_and_arguments:
        yield Case(sort, name, lambda folder, whole, a=arguments: filled(a, whole), allowed)  # type: ignore[misc]
