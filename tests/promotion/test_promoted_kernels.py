"""Kernels between fields fitted with the nuclear norm: a convolution becomes one exactly, another kernel does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from symfind.api import promote
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.models.model import load_model
from symfind.promotion.kernels import CommutatorMap
from symfind.verbs.options import PromoteOptions

LINE = -1 + 2 * torch.arange(32, dtype=torch.float64) / 32
WAVES = torch.pi * torch.fft.fftfreq(32, 1 / 32, dtype=torch.float64)


def pairs(path: Path, weight: Tensor, rows: int = 60) -> Path:
    """Weighted heat of waves up to k = 6, with 10 % of noise."""
    generator = torch.Generator().manual_seed(0)
    hat = torch.fft.fft(torch.randn(rows, 32, generator=generator, dtype=torch.float64)) * (WAVES.abs() < 20)
    u = torch.fft.ifft(hat).real
    v = weight * torch.fft.ifft(hat * torch.exp(-0.005 * WAVES.square())).real
    v = v + 0.1 * v.std() * torch.randn(v.shape, generator=generator, dtype=torch.float64)
    arrays = {"x": u.numpy(), "y": v.numpy(), "grid_x": LINE.numpy()}
    write(path, arrays, {"kind": "operator", "periodic": ("x",)})
    return path


def test_a_noisy_convolution_becomes_one_exactly(tmp_path: Path) -> None:
    data = pairs(tmp_path / "heat.h5", torch.ones(32, dtype=torch.float64))
    report = promote(PromoteOptions(data=str(data)), tmp_path / "kernel.pt")
    assert [g.expression for g in report.generators if g.verdict == "certified"] == ["∂x"]
    assert report.promotion is not None and report.promotion.symmetries == 1
    assert report.promotion.held_out.promoted < report.promotion.held_out.plain
    model = load_model(tmp_path / "kernel.pt").bind((1, 32))
    u = torch.sin(torch.pi * 3 * LINE + 0.4)[None, None]
    moved = model(u.roll(5, -1)) - model(u).roll(5, -1)
    assert model(u).shape == (1, 1, 32) and moved.abs().max() < 1e-4 * model(u).abs().max()
    truth = torch.exp(torch.tensor(-0.005 * (3 * torch.pi) ** 2, dtype=torch.float64)) * u
    assert (model(u) - truth).norm() < 0.1 * truth.norm()


def test_a_kernel_that_depends_on_the_place_is_not_certified(tmp_path: Path) -> None:
    data = pairs(tmp_path / "varying.h5", 1 + torch.sin(torch.pi * LINE))
    report = promote(PromoteOptions(data=str(data)))
    assert not [g for g in report.generators if g.verdict == "certified"]


def test_what_promotion_of_kernels_declines(tmp_path: Path) -> None:
    data = pairs(tmp_path / "few.h5", torch.ones(32, dtype=torch.float64), rows=12)
    with pytest.raises(InputError, match="pairs are too few"):
        promote(PromoteOptions(data=str(data)))
    with pytest.raises(UsageError, match="a kernel is fitted"):
        promote(PromoteOptions(data=str(data), model="mlp"))


def test_the_map_its_adjoint_and_its_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    m, e, w, v = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 3, 3), (2, 4, 4), (12,), (12, 2))
    )
    lie = CommutatorMap(m, e)
    assert torch.allclose((lie(w) * v).sum(), lie.adjoint(v) @ w)
    assert torch.allclose(w @ lie.gram() @ w, lie(w).square().sum())
    assert torch.allclose(lie.dense()(w), lie(w))
    assert torch.allclose(w @ lie.squares(torch.ones(2, 1, dtype=m.dtype)) @ w, lie(w).sum(1).square().sum())
