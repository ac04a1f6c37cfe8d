"""Small files with known answers, asked through the public function; principal cosines of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.schema.document import Generator, Report
from symfind.verbs.options import DiscoverOptions

# 80 refits are enough for a standard deviation (DESIGN §8); the default of 200 would cost as much again.
REFITS = 80


def ask(path: Path | str, **options: Any) -> Report:
    return discover(DiscoverOptions(source=str(path), **{"bootstrap": REFITS, **options}))


def file_of(path: Path, kind: str, **arrays: Tensor) -> Path:
    write(path, {role: array.numpy() for role, array in arrays.items()}, {"kind": kind})
    return path


def certified(report: Report) -> list[Generator]:
    return [g for g in report.generators if g.verdict == "certified"]


def matrices(generators: list[Generator]) -> Tensor:
    """Input actions as rows ``(k, d·d)``."""
    return torch.tensor([g.input_action for g in generators], dtype=torch.float64).flatten(1)


def principal_cosines(found: Tensor, truth: Tensor) -> Tensor:
    """Cosines of the principal angles between two row spans, descending."""
    a, b = (torch.linalg.qr(rows.T).Q for rows in (found, truth))
    return torch.linalg.svdvals(a.T @ b)


def rotations(d: int) -> Tensor:
    rows = []
    for i in range(d):
        for j in range(i + 1, d):
            a = torch.zeros(d, d, dtype=torch.float64)
            a[j, i], a[i, j] = 1.0, -1.0
            rows.append(a.flatten())
    return torch.stack(rows)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
