"""The network of a model file of any kind: audited, then loaded from what was audited."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import torch

from symfind.beside import tried
from symfind.models.model_file import AuditedFile, audited
from symfind.models.network import Network


def load_network(path: Path, device: torch.device, *, trust: bool = False) -> Network:
    """Load the network of a file as it is stored, without conversion.

    Raises
    ------
    InputError
        The file is missing, damaged, unsafe, or no model; the message says what it is and what to do.
    """
    with audited(path, trust=trust) as file:
        if not trust and file.format != "hdf5":  # which holds no code
            if file.format == "torch.export":
                _import_reader()
            tried(path, lambda: _check_loads(file), "while loading", TRUST)
        return _loaded(file, device)


TRUST = "give --trust-model if you trust its author"


def _check_loads(file: AuditedFile) -> None:
    _loaded(file, torch.device("cpu"))


def _import_reader() -> None:
    """Import what torch imports when it reads its first exported program (3 s), lest the process beside does it too."""
    with suppress(ImportError):
        import_module("torch._export.serde.serialize")


def _loaded(file: AuditedFile, device: torch.device) -> Network:
    if file.format == "torchscript":
        from symfind.models.torchscript import load_torchscript

        return load_torchscript(file, device)
    if file.format == "torch.export":
        from symfind.models.exported import load_exported

        return load_exported(file, device)
    from symfind.models.checkpoint import load_checkpoint

    return load_checkpoint(file.contents, device)
