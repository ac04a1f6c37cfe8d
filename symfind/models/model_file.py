"""Model files, recognised and judged without running anything in them.

A pickle can run any program while it is loaded, a TorchScript archive can run its own ``__setstate__``, and its
code can write files. So its members are read as text first, and torch is given a fresh archive of just these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from symfind.data.archive import FreshArchive, damaged, foreign_globals, fresh_archive
from symfind.data.files import HDF5_SIGNATURE, check_regular
from symfind.data.zip_layout import ArchiveFault
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


@dataclass(frozen=True)
class AuditedFile:
    """A model file that was looked into.

    Attributes
    ----------
    path
        As the user named it, for messages.
    format
        Which loader it needs.
    contents
        What that loader may read: for archives a copy with exactly what was looked into, for HDF5 the file itself.
    trusted
        Whether the user vouches for what its code does.
    """

    path: Path
    format: ModelFormat
    contents: Path
    trusted: bool


@contextmanager
def audited(path: Path, *, trust: bool = False) -> Iterator[AuditedFile]:
    """Say what the model file at ``path`` is, having looked for code that loading would run, and give what to load.

    Parameters
    ----------
    path
        TorchScript, ``torch.export`` or HDF5.
    trust
        True accepts code that touches files or runs on loading.

    Raises
    ------
    InputError
        Missing, a directory, empty, truncated, damaged, ambiguous, a ``state_dict`` or a pickled module, no model at
        all, or unsafe code without ``trust``.
    """
    head = _head(path)
    if head == HDF5_SIGNATURE:
        yield AuditedFile(path, "hdf5", path, trust)
        return
    if not head.startswith(_ZIP_SIGNATURE):
        kind = "a pickle" if head[:1] == b"\x80" else "neither a zip archive nor HDF5"
        raise InputError(f"{path}: not a model file ({kind}); {_REMEDY}")
    with fresh_archive(path) as archive:
        try:
            form = _archive_format(path, archive, trust)
        except ArchiveFault as fault:
            raise damaged(path, fault) from None
        yield AuditedFile(path, form, archive.path, trust)


def require_format(file: AuditedFile, form: ModelFormat) -> None:
    """Refuse to load a file by another loader than the one that it was audited for.

    Raises
    ------
    InputError
        Its format is another; it may have been another file when it was looked at before.
    """
    if file.format != form:
        raise InputError(f"{file.path}: is {file.format}, expected {form}; give a file of that format")


def _head(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path of the model")
    if path.is_dir():
        raise InputError(f"{path}: a directory, expected a model file; name a file inside it")
    check_regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if not head:
        raise InputError(f"{path}: the file is empty (0 bytes), expected a model; {_REMEDY}")
    return head


def _archive_format(path: Path, archive: FreshArchive, trust: bool) -> ModelFormat:
    names = archive.names
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        _refuse(path, _dangers_in_code(archive), trust)
        return "torchscript"
    if "archive_format" in names:
        if "models/model.json" not in names:
            raise InputError(f"{path}: a .pt2 archive without 'models/model.json'; {_REMEDY}")
        _refuse(path, dangers_in_export(archive), trust)
        return "torch.export"
    if "data.pkl" in names:
        classes = foreign_globals(archive.text("data.pkl"))
        if classes:
            raise InputError(
                f"{path}: a pickled object of class '{classes[0].replace(' ', '.')}' (torch.save), which is not "
                f"loaded because a pickle can run any program; {_REMEDY}"
            )
        raise InputError(
            f"{path}: a state_dict (weights without the network), expected a model; name its class with "
            f"--architecture FILE.py:Class --trust-model, or load it into its module and {_REMEDY}"
        )
    raise InputError(f"{path}: a zip archive, but neither TorchScript nor torch.export; {_REMEDY}")


def _refuse(path: Path, dangers: Iterator[str], trust: bool) -> None:
    danger = None if trust else next(dangers, None)
    if danger is not None:
        raise InputError(f"{path}: refused, the model uses {danger}; give --trust-model if you trust its author")


def _dangers_in_code(archive: FreshArchive) -> Iterator[str]:
    for name in archive.names:
        lower = name.lower()  # torch finds members whatever their case
        if lower.startswith("code/") and lower.endswith(".py"):
            code = archive.text(name).decode("utf-8", errors="replace")
            for pattern, danger in _CODE_DANGERS.items():
                if re.search(pattern, code):
                    yield f"{danger} ('{name}')"
        elif lower.endswith(".pkl"):
            for found in foreign_globals(archive.text(name)):
                if found.startswith("__torch__.torch.classes"):
                    yield f"classes outside TorchScript ('{found}')"
        elif lower == "model.json":
            yield "the format of torch before 1.2, which names where its code is ('model.json')"
