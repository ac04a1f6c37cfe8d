"""Model files, recognised and judged without running anything in them.

A pickle can run any program while it is loaded, a TorchScript archive can run its own ``__setstate__``, and its
code can write files. So the zip is read as text first.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from symfind.data.archive import foreign_globals, read_member
from symfind.data.files import HDF5_SIGNATURE
from symfind.errors import InputError
from symfind.models.export_audit import dangers_in_export

ModelFormat = Literal["torchscript", "torch.export", "hdf5"]

_ZIP_SIGNATURE = b"PK\x03\x04"
_REMEDY = "save it with torch.jit.script(model).save(...) or torch.export.save(...)"
# Words by which serialised TorchScript reaches files or runs while loading. Whole words, wherever they stand:
# a name can be aliased or handed to getattr, and the spelling of calls is free.
_CODE_DANGERS = {
    r"\bsave\b": "torch.save, which writes files",
    r"\bfrom_file\b": "torch.from_file, which maps files",
    r"\b__setstate__\b": "__setstate__, which runs while the file is loaded",
    r"\bprint\s*\(": "print, which writes into standard output",
    r"\brpc_(async|sync|remote)\b": "remote calls",
    r"(?<![\w.])ops\b(?!\s*\.\s*(prim|aten|quantized)\s*\.)": "operators outside torch (ops.*)",
    r"\btorch\s*\.\s*classes\b": "classes outside TorchScript (torch.classes)",
    r"getattr\s*\([^)\n]*\\": "an escaped name in getattr",
}


def model_format(path: Path, *, trust: bool = False) -> ModelFormat:
    """Say what the model file at ``path`` is, having looked for code that loading would run.

    Parameters
    ----------
    path
        TorchScript, ``torch.export`` or HDF5.
    trust
        True accepts code that touches files or runs on loading.

    Raises
    ------
    InputError
        Missing, a directory, empty, truncated, a ``state_dict`` or a pickled module, no model at all, or unsafe
        code without ``trust``.
    """
    head = _head(path)
    if head == HDF5_SIGNATURE:
        return "hdf5"
    if not head.startswith(_ZIP_SIGNATURE):
        kind = "a pickle" if head[:1] == b"\x80" else "neither a zip archive nor HDF5"
        raise InputError(f"{path}: not a model file ({kind}); {_REMEDY}")
    try:
        with zipfile.ZipFile(path) as archive:
            return _archive_format(path, archive, trust)
    except zipfile.BadZipFile:
        raise InputError(f"{path}: the zip archive is truncated or damaged; copy the file again or {_REMEDY}") from None
    # zipfile raises these for encrypted or exotic members and for damage that it meets late.
    except (OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: the zip archive cannot be read ({reason}); copy the file again") from None


def _head(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path of the model")
    if path.is_dir():
        raise InputError(f"{path}: a directory, expected a model file; name a file inside it")
    try:
        with path.open("rb") as file:
            head = file.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if not head:
        raise InputError(f"{path}: the file is empty (0 bytes), expected a model; {_REMEDY}")
    return head


def _archive_format(path: Path, archive: zipfile.ZipFile, trust: bool) -> ModelFormat:
    names = archive.namelist()
    inside = {name.partition("/")[2] for name in names} | set(names)
    if "constants.pkl" in inside and any(name.startswith("code/") for name in inside):
        _refuse(path, _dangers_in_code(archive), trust)
        return "torchscript"
    if "archive_format" in inside:
        if "models/model.json" not in inside:
            raise InputError(f"{path}: a .pt2 archive without 'models/model.json'; {_REMEDY}")
        _refuse(path, chain(_twice(archive), dangers_in_export(archive)), trust)
        return "torch.export"
    if "data.pkl" in inside:
        data = next(name for name in names if name.partition("/")[2] == "data.pkl" or name == "data.pkl")
        classes = foreign_globals(read_member(archive, data))
        if classes:
            raise InputError(
                f"{path}: a pickled object of class '{classes[0].replace(' ', '.')}' (torch.save), which is not "
                f"loaded because a pickle can run any program; {_REMEDY}"
            )
        raise InputError(
            f"{path}: a state_dict (weights without the network), expected a model; load it into its module and "
            f"{_REMEDY}"
        )
    raise InputError(f"{path}: a zip archive, but neither TorchScript nor torch.export; {_REMEDY}")


def _refuse(path: Path, dangers: Iterator[str], trust: bool) -> None:
    danger = None if trust else next(dangers, None)
    if danger is not None:
        raise InputError(f"{path}: refused, the model uses {danger}; give --trust-model if you trust its author")


def _dangers_in_code(archive: zipfile.ZipFile) -> Iterator[str]:
    yield from _twice(archive)
    for name in archive.namelist():
        # torch finds members whatever their case.
        if "/code/" in f"/{name}".lower() and name.lower().endswith(".py"):
            code = read_member(archive, name).decode("utf-8", errors="replace")
            for pattern, danger in _CODE_DANGERS.items():
                if re.search(pattern, code):
                    yield f"{danger} ('{name}')"
        elif name.lower().endswith(".pkl"):
            for found in foreign_globals(read_member(archive, name)):
                if found.startswith("__torch__.torch.classes"):
                    yield f"classes outside TorchScript ('{found}')"


def _twice(archive: zipfile.ZipFile) -> Iterator[str]:
    """Find members of one name, of which torch might load another than the one looked into."""
    seen: set[str] = set()
    for name in archive.namelist():
        if name.lower() in seen:
            yield f"two members of one name ('{name}')"
        seen.add(name.lower())
