"""The state of a training in a file: tensors, numbers and text."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from symfind.data.archive import fresh_archive
from symfind.errors import InputError


def training_state(path: Path, settings: str, what: str) -> dict[str, Any]:
    """Return the state that a training left behind, made with the same settings.

    Only tensors, numbers, text and containers of these are unpickled.

    Parameters
    ----------
    path
        A file by ``torch.save``.
    settings
        What the numbers depend on, which the state has under this key.
    what
        What the file should be, for the message.

    Raises
    ------
    InputError
        The file is damaged, holds anything else, or is of other settings.
    """
    fault = InputError(f"{path}: no {what}; give another --checkpoint")
    try:
        with fresh_archive(path) as archive:
            held: dict[str, Any] = torch.load(archive.path, weights_only=True)
        same = held["settings"] == settings
    except (InputError, OSError, RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
        raise fault from None
    if not same:
        raise InputError(
            f"{path}: was written with other data or options; repeat those, or leave --resume out to begin anew"
        )
    return held
