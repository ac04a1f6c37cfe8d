"""Finite symmetries imposed on fits by the orbits of their rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import symfind
from symfind.data.hdf5 import write
from symfind.errors import UsageError
from symfind.fits.surrogate import choose_family, fit_weights
from symfind.promotion.discrete import with_orbits
from symfind.promotion.reading import Ready, ready
from symfind.samples.draws import asymmetric_cubic


def prepared(path: Path, y: torch.Tensor, x: torch.Tensor) -> Ready:
    write(path, {"x": x.numpy(), "y": y.numpy()}, {"kind": "function", "names": ("x", "y", "z")})
    options = symfind.PromoteOptions(data=str(path), model="polynomial:3")
    return ready(options, path, None, torch.Generator().manual_seed(0))


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_fit_to_orbits_has_the_symmetry_exactly_and_errs_less(tmp_path: Path) -> None:
    x = normal(160, 3)
    clean = x[:, 0] * x[:, 1] + x[:, 2] ** 2
    given = prepared(tmp_path / "f.h5", clean + 0.3 * normal(160, 1, 1)[:, 0], x)
    moved = with_orbits(given, "reflections+permutations", torch.Generator().manual_seed(0))
    assert "z → −z" in moved.messages[-1] and "x ↔ y" in moved.messages[-1]
    assert "x ↔ z" not in moved.messages[-1]
    assert len(moved.train) == 4 * len(given.train)
    family = choose_family(given.train, "polynomial:3", 1, torch.Generator().manual_seed(0)).family
    fresh = normal(500, 3, 7)
    truth = fresh[:, 0] * fresh[:, 1] + fresh[:, 2] ** 2
    errors = []
    for rows in (given.train, moved.train):
        weights, _ = fit_weights(family, [(rows.x, rows.y)], 1)
        value = (family.features(fresh) @ weights)[:, 0]
        errors.append(float((value - truth).square().mean()))
    exchanged = (family.features(fresh[:, [1, 0, 2]] * torch.tensor([1.0, 1.0, -1.0]).double()) @ weights)[:, 0]
    assert torch.allclose(exchanged, value, atol=1e-10)
    assert errors[1] < 0.7 * errors[0]


def test_nothing_is_imposed_on_a_function_without_symmetry(tmp_path: Path) -> None:
    x = normal(400, 3)
    y = asymmetric_cubic(x)
    given = prepared(tmp_path / "f.h5", y + 0.05 * normal(400, 1, 1)[:, 0], x)
    moved = with_orbits(given, "reflections+permutations+inversion", torch.Generator().manual_seed(0))
    assert len(moved.train) == len(given.train) and "discrete: none imposed" in moved.messages[-1]


def test_a_search_is_not_imposed(tmp_path: Path) -> None:
    x = normal(100, 3)
    with pytest.raises(UsageError, match="is a search"):
        with_orbits(prepared(tmp_path / "f.h5", x[:, 0], x), "signed-permutations", torch.Generator().manual_seed(0))
