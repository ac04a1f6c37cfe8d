"""The state of a training in a file, so that it goes on after an interruption with the same numbers."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from symfind.data.archive import fresh_archive
from symfind.data.files import appearing_whole
from symfind.errors import InputError


def held_state(path: Path | None, settings: str, what: str, *, resume: bool) -> dict[str, Any] | None:
    """What a file holds, if it is there and to be gone on from.

    Only tensors, numbers, text and containers of these are unpickled, from an archive whose members were checked.

    Parameters
    ----------
    path
        A file by :func:`keep_state`; None for none.
    settings
        What the numbers depend on, which the state has under this key.
    what
        It is a checkpoint of, for the message.
    resume
        Whether to go on from it.

    Raises
    ------
    InputError
        The file is damaged, holds anything else, or was written with other ``settings``: the numbers would not be
        the same.
    """
    if path is None or not resume or not path.exists():
        return None
    fault = InputError(f"{path}: no checkpoint of {what}; give another --checkpoint")
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


def keep_state(path: Path | None, state: Mapping[str, Any]) -> None:
    """Write the state, whole or not at all; without a path nothing is kept."""
    if path is not None:
        with appearing_whole(path) as part:
            held = io.BytesIO()  # the writer of torch ends the process where a disk is full
            torch.save(dict(state), held)
            part.write_bytes(held.getbuffer())
