"""Reports as bytes: JSON and HDF5, read and written without loss; files that appear only when they are whole."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symfind.beside import TrialLimits, tried
from symfind.data.files import HDF5_SIGNATURE, appearing_whole
from symfind.errors import InputError
from symfind.schema.document import Report
from symfind.small_input import json_of, small_bytes, text_of
from symfind.untrusted_text import shown_in_json

_FORM = "give, as JSON or HDF5, a report that symfind wrote"


def to_json(report: Report) -> str:
    """Return the report as JSON text; equal reports give equal text but for ``timing``.

    Numbers are written in the shortest form that reads back exactly; a list of scalars stands on one line.
    """
    text = shown_in_json(json_text(report.to_plain())) + "\n"
    # A file name that is not Unicode holds lone surrogates; JSON's escape for one is Python's backslash escape.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def from_json(text: str, name: str) -> Report:
    """Return the report that JSON text holds; ``name`` is the file it came from.

    Raises
    ------
    InputError
        The text is not JSON, or no report.
    """
    return Report.read(json_of(text, name, _FORM), name)


def to_hdf5(report: Report) -> bytes:
    """Return the report as the bytes of an HDF5 file: groups, attributes and datasets by the same names."""
    import h5py  # 0.14 s, which `symfind --help` need not pay

    from symfind.schema.hdf5_tree import write_mapping

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_mapping(file, report.to_plain())
    return buffer.getvalue()


def from_hdf5(content: bytes, name: str) -> Report:
    """Return the report that the bytes of an HDF5 file hold; ``name`` is the file they came from.

    Raises
    ------
    InputError
        The file is damaged or unsafe, or holds no report.
    """
    return Report.read(_tree(content, name), name)


def _tree(content: bytes, name: str) -> Any:
    import h5py

    from symfind.schema.hdf5_tree import UnsafeTree, read_mapping

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return read_mapping(file)
    except UnsafeTree as fault:
        raise InputError(f"{name}: {fault}; give a report that symfind wrote") from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError, MemoryError):
        # h5py has no common error for damage: which of these it raises depends on where the damage is.
        raise InputError(f"{name}: the HDF5 file is damaged or holds no report; write it again") from None


# A report of 1 MB takes 20 MB as plain values: what asks for more than a gigabyte beyond its copies is damaged.
_LIMITS = TrialLimits(memory=2**30)


def read_report(path: str) -> Report:
    """Return the report in a JSON or HDF5 file, told apart by content; ``"-"`` is standard input.

    Raises
    ------
    InputError
        The file cannot be read, or holds no report.
    """
    name = "standard input" if path == "-" else path
    content = small_bytes(path, _FORM)
    if content.startswith(HDF5_SIGNATURE):
        import symfind.schema.hdf5_tree  # noqa: F401 (before the fork, lest it is imported twice)

        # Nothing of the library stays in this process: on some damage it loops or crashes.
        plain = tried(Path(name), lambda: json.dumps(_tree(content, name)), "reading it", _FORM, _LIMITS)
        return from_hdf5(content, name) if plain is None else Report.read(json.loads(plain), name)
    return from_json(text_of(content, name, _FORM), name)


def write_file(path: str, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole, and not at all upon an error.

    Raises
    ------
    InputError
        The folder does not exist, or cannot be written to.
    """
    try:
        with appearing_whole(Path(path)) as part:
            part.write_bytes(content)
    except OSError as fault:
        raise InputError(f"{path}: cannot be written ({fault.strerror}); choose another --output") from None


def json_text(value: Any, indent: str = "") -> str:
    """Return plain values as indented JSON with every list of scalars on one line.

    Raises
    ------
    ValueError
        A number is NaN or infinite, which JSON cannot say.
    """
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        members = (f"{json.dumps(k, ensure_ascii=False)}: {json_text(v, deeper)}" for k, v in value.items())
        return "{\n" + ",\n".join(deeper + member for member in members) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple | Mapping) for item in value):
        return "[\n" + ",\n".join(deeper + json_text(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
