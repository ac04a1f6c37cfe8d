"""Equations of second order in t from solutions alone: waves of speed 3/2, with and without a mass."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import pytest
import torch

import symfind
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions


def discovered(path: Path, mass: float) -> Report:
    """From Σ (a cos ωt + b sin ωt) cos(kx + p) with ω² = 9k²/4 + m², exact, on 64 × 32 points of a circle."""
    generator = torch.Generator().manual_seed(2)
    t = torch.linspace(0.0, 2.0, 64, dtype=torch.float64)
    x = torch.arange(32, dtype=torch.float64) * 2 * math.pi / 32
    k = torch.arange(1.0, 4.0, dtype=torch.float64)
    omega = (2.25 * k.square() + mass).sqrt()
    a, b, phase = torch.randn(3, 6, 3, generator=generator, dtype=torch.float64)
    course = torch.stack([torch.cos(omega * t[:, None]), torch.sin(omega * t[:, None])])
    waves = torch.cos(k * x[:, None] + 3 * phase[:, None])  # (6, nx, 3)
    u = torch.einsum("crk,ctk,rxk->rtx", torch.stack([a, b]), course, waves)
    with h5py.File(path, "w") as file:
        file.attrs["kind"], file.attrs["periodic"] = "field", "x"
        file["u"], file["t"], file["x"] = u.numpy(), t.numpy(), x.numpy()
    return symfind.discover(DiscoverOptions(source=str(path), bootstrap=40))


@pytest.mark.slow
def test_waves_have_the_similarities_of_their_plane(tmp_path: Path) -> None:
    report = discovered(tmp_path / "wave.h5", 0.0)
    assert report.equation is not None and report.equation.text.startswith("u_tt = ")
    assert {c.term: c.value for c in report.equation.coefficients} == pytest.approx({"u_xx": 2.25}, rel=1e-3)
    # s = x − ct and r = x + ct are moved and stretched alone, u is stretched; 1, t, x and more are superpositions.
    assert len(report.certified) == 5 and len(report.set_apart) == 3
    assert {"∂t", "∂x", "u ∂u", "t ∂t + x ∂x"} <= {g.expression for g in report.certified}


@pytest.mark.slow
def test_a_mass_leaves_no_scaling(tmp_path: Path) -> None:
    report = discovered(tmp_path / "mass.h5", 4.0)
    assert report.equation is not None and report.equation.text.startswith("u_tt = ")
    assert {c.term: c.value for c in report.equation.coefficients} == pytest.approx({"u_xx": 2.25, "u": -4.0}, rel=1e-3)
    assert len(report.certified) == 4 and not report.set_apart
    assert {"∂t", "∂x", "u ∂u"} <= {g.expression for g in report.certified}
