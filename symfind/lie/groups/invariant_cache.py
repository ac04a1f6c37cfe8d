"""Bases of invariants kept on disk: one JSON line with shape and SHA-256, then little-endian float64.

Nothing in a file is executed. A file that cannot be read, or whose digest, key or shape is not what was asked, is as
good as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

_VERSION = 1
_MAX_HEADER = 1000


@dataclass(frozen=True)
class InvariantCache:
    """A directory of bases; ``directory=None`` keeps nothing.

    Attributes
    ----------
    directory
        Where the files lie; made when the first is written.
    """

    directory: Path | None

    @staticmethod
    def of_user() -> InvariantCache:
        """$XDG_CACHE_HOME/symfind/invariants, or ~/.cache in its place; none where SYMFIND_CACHE is "off"."""
        if os.environ.get("SYMFIND_CACHE", "").lower() in ("off", "0", "no", "false"):
            return InvariantCache(None)
        base = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification asks that a relative path be ignored.
        root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
        return InvariantCache(root / "symfind" / "invariants")

    def _path(self, key: str) -> Path | None:
        if self.directory is None or sys.byteorder != "little":
            return None
        return self.directory / f"{hashlib.sha256(key.encode()).hexdigest()}.basis"

    def load(self, key: str, rows: int) -> Tensor | None:
        """The basis ``(rows, r)`` stored under ``key``, or None."""
        path = self._path(key)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                header = json.loads(file.readline(_MAX_HEADER))
                payload = file.read(rows * rows * 8 + 1)
            count = header["columns"]
            fits = (header["version"], header["rows"], header["key"]) == (_VERSION, rows, _short(key))
            if not fits or not isinstance(count, int) or not 0 <= count <= rows or len(payload) != rows * count * 8:
                return None
            if hashlib.sha256(payload).hexdigest() != header["sha256"]:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if count == 0:
            return torch.zeros(rows, 0, dtype=torch.float64)
        return torch.frombuffer(bytearray(payload), dtype=torch.float64).reshape(rows, count)

    def store(self, key: str, basis: Tensor) -> None:
        """Write ``basis`` whole or not at all; a directory that cannot be written is no error."""
        path = self._path(key)
        if path is None:
            return
        payload = basis.contiguous().numpy().tobytes()
        header = {"version": _VERSION, "key": _short(key), "rows": basis.shape[0], "columns": basis.shape[1],
                  "sha256": hashlib.sha256(payload).hexdigest()}  # fmt: skip
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(json.dumps(header).encode() + b"\n" + payload)
            Path(file.name).replace(path)
        except OSError:
            return


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
