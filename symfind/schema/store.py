"""Reports as bytes: JSON and HDF5, read and written without loss; files that appear only when they are whole."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symfind.data.files import HDF5_SIGNATURE, appearing_whole
from symfind.errors import InputError
from symfind.schema.document import Report


def to_json(report: Report) -> str:
    """Return the report as JSON text; equal reports give equal text but for ``timing``.

    Numbers are written in the shortest form that reads back exactly; a list of scalars stands on one line.
    """
    text = json_text(report.to_plain()) + "\n"
    # A file name that is not Unicode holds lone surrogates; JSON's escape for one is Python's backslash escape.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def from_json(text: str, name: str) -> Report:
    """Return the report that JSON text holds; ``name`` is the file it came from.

    Raises
    ------
    InputError
        The text is not JSON, or no report.
    """
    try:
        plain = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as fault:
        place = f" at line {fault.lineno}" if isinstance(fault, json.JSONDecodeError) else ""
        raise InputError(f"{name}: neither JSON{place} nor HDF5; give a report that symfind wrote") from None
    return Report.read(plain, name)


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
    import h5py

    from symfind.schema.hdf5_tree import UnsafeTree, read_mapping

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            plain = read_mapping(file)
    except UnsafeTree as fault:
        raise InputError(f"{name}: {fault}; give a report that symfind wrote") from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError):
        # h5py has no common error for damage: which of these it raises depends on where the damage is.
        raise InputError(f"{name}: the HDF5 file is damaged or holds no report; write it again") from None
    return Report.read(plain, name)


def read_report(path: str) -> Report:
    """Return the report in a JSON or HDF5 file, told apart by content; ``"-"`` is standard input.

    Raises
    ------
    InputError
        The file cannot be read, or holds no report.
    """
    name = "standard input" if path == "-" else path
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as fault:
        raise InputError(f"{name}: cannot be read ({fault.strerror}); give a report that symfind wrote") from None
    if content.startswith(HDF5_SIGNATURE):
        return from_hdf5(content, name)
    try:
        return from_json(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise InputError(f"{name}: neither JSON nor HDF5; give a report that symfind wrote") from None


def write_file(path: str, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole, and not at all upon an error.

    A pipe or a device (``/dev/stdout``) has no other content to protect and is written to directly.

    Raises
    ------
    InputError
        The folder does not exist, or cannot be written to.
    """
    try:
        # A link is followed, so that the file it names is replaced and not the link.
        target = Path(path).resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        with appearing_whole(target) as part:
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
