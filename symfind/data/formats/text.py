"""Tables of text: CSV, TSV, and numbers between spaces."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np

from symfind.data.formats.contents import Array, Contents
from symfind.data.memory import check_memory
from symfind.errors import InputError

# So many lines say how a file is laid out.
_LOOKED_AT = 50
_DELIMITERS = ("\t", ";", ",", "|")
# A number of a file takes two characters at least and becomes eight bytes; reading holds it once more.
_GROWTH = 8


def read_text(path: Path) -> Contents:
    """Read columns of numbers under a line of names, if there is one; columns of texts are kept as texts.

    Raises
    ------
    InputError
        It is no text, or no table, or an entry of a column of numbers is none.
    """
    lines = _first_lines(path)
    check_memory(_GROWTH * path.stat().st_size, f"{path}: reading this table", "convert it to HDF5 in parts")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter([line for _, line in lines])
    rows = [(number, _entries(line, delimiter)) for number, line in lines]
    header = not all(_is_number(entry, delimiter) for entry in rows[0][1])
    body = rows[1:] if header else rows
    if not body:
        raise InputError(f"{path}: a line of names and no rows; write at least one row")
    width = len(body[0][1])
    names = [name.strip() for name in rows[0][1]] if header else [f"c{i + 1}" for i in range(width)]
    names = [name or f"c{i + 1}" for i, name in enumerate(names)]
    if len(names) == width - 1 and header:
        names.insert(0, "row")  # what R writes: row names without a name of their own
    if len(names) != width:
        raise InputError(f"{path}: {len(names)} names above {width} columns; give each column one name")
    if len(set(names)) < width:
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: two columns are called '{twice}'; give each column a name of its own")
    odd = next((number for number, row in body if len(row) != width), None)
    if odd is not None:
        raise InputError(f"{path}: line {odd + 1} has not {width} entries as the others; repair or remove that row")
    numeric = [i for i in range(width) if all(len(row) > i and _is_number(row[i], delimiter) for _, row in body)]
    texts = [i for i in range(width) if i not in numeric]
    skip = body[0][0]
    arrays: dict[str, Array] = {}
    if numeric:
        numbers = _loaded(path, delimiter, skip, numeric, float)
        arrays |= {names[i]: numbers[:, place] for place, i in enumerate(numeric)}
    if texts:
        words = _loaded(path, delimiter, skip, texts, str)
        arrays |= {names[i]: words[:, place] for place, i in enumerate(texts)}
    return Contents({name: arrays[name] for name in names}, table=True, named=header)


def looks_like_text(path: Path, head: bytes) -> bool:
    """Whether a file without an ending (a pipe) begins like a table of several columns, one of them numbers."""
    # JSON begins with a brace, a list of it with a bracket.
    if path.suffix or not head or b"\0" in head or head.lstrip()[:1] in (b"{", b"["):
        return False
    try:
        lines = _first_lines(path)
    except InputError:
        return False
    rows = [_entries(line, _delimiter([line for _, line in lines])) for _, line in lines]
    return len(rows) > 1 and len(rows[1]) > 1 and any(_is_number(entry, ";") for entry in rows[1])


def _first_lines(path: Path) -> list[tuple[int, str]]:
    """The first lines that are not blank, with how many stand before them; a comment before them may be the names."""
    try:
        with path.open(encoding="utf-8-sig", newline=None) as file:
            found = [(i, line.rstrip("\n")) for i, line in enumerate(islice(file, 4 * _LOOKED_AT)) if line.strip()]
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a table of text (its bytes are no UTF-8); save it as CSV in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if any(len(line) > 2**20 for _, line in found[:1]):
        raise InputError(f"{path}: a line of more than 1 MiB, expected a table of rows; check the file")
    comments = [entry for entry in found if entry[1].lstrip().startswith("#")]
    lines = [entry for entry in found if entry not in comments][:_LOOKED_AT]
    if not lines:
        raise InputError(f"{path}: no rows, expected a table such as CSV; write at least one row")
    above = [line.lstrip("# \t") for i, line in comments if i < lines[0][0]]
    delimiter = _delimiter([line for _, line in lines])
    if above and len(_entries(above[-1], delimiter)) == len(_entries(lines[0][1], delimiter)):
        lines.insert(0, (lines[0][0], above[-1]))
    return lines


def _delimiter(lines: list[str]) -> str | None:
    """What parts the entries of lines, alike in most; None is white space."""
    for delimiter in _DELIMITERS:
        (count, times), *_ = Counter(len(_entries(line, delimiter)) for line in lines).most_common(1)
        if count > 1 and 2 * times >= len(lines):
            return delimiter
    return None


def _entries(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return next(csv.reader([line], delimiter=delimiter), [])


def _is_number(entry: str, delimiter: str | None) -> bool:
    try:
        float(_with_point(entry, delimiter))
    except ValueError:
        return False
    return True


def _with_point(entry: str, delimiter: str | None) -> str:
    """1,5 as 1.5, where a comma does not part entries."""
    return entry.replace(",", ".") if delimiter in (";", "\t") else entry


def _loaded(path: Path, delimiter: str | None, skip: int, columns: list[int], kind: type) -> Array:
    convert = (lambda entry: float(_with_point(entry, delimiter))) if delimiter == ";" and kind is float else None
    try:
        return np.asarray(
            np.loadtxt(
                path,
                delimiter=delimiter,
                skiprows=skip,
                usecols=columns,
                dtype=kind,
                ndmin=2,
                quotechar='"',
                encoding="utf-8-sig",
                comments="#" if kind is float else None,
                converters=convert,
            )
        )
    except (ValueError, IndexError) as error:
        reason = " ".join(str(error).split("; ")[0].split()).rstrip(".")
        raise InputError(f"{path}: {reason} (rows counted below the names); repair or remove that row") from None
