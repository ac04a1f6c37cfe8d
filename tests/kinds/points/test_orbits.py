"""Orbits given as few points: their dimension, not that of a sphere around them, and the representation."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind import api
from symfind.kinds.points.level_sets import exact_codimension
from symfind.lie.groups.irreps import quaternion_of_rotation, rotation_generators, wigner

F64 = torch.float64


def spin_two_orbit(n: int, seed: int) -> Tensor:
    """One orbit of SO(3) in R⁵, three-dimensional in the sphere S⁴, in coordinates turned at random."""
    g = torch.Generator().manual_seed(seed)
    r = torch.linalg.qr(torch.randn(n, 3, 3, generator=g, dtype=F64)).Q
    r = r * torch.linalg.det(r)[:, None, None]
    start = torch.randn(5, generator=g, dtype=F64)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=g, dtype=F64)).Q
    return wigner(quaternion_of_rotation(r), rotation_generators(4)) @ (start / start.norm()) @ turn


def test_800_points_of_an_orbit_in_r5_are_spin_2() -> None:
    for seed in (4, 7):
        report = api.discover(x=spin_two_orbit(800, seed), kind="points", method="tangent", space="linear")
        assert len(report.certified) == 3 and report.algebra.name == "so(3)"
        assert report.algebra.representation is not None and report.algebra.representation.text == "spin 2"


def test_a_whole_sphere_is_not_taken_for_an_orbit() -> None:
    x = torch.randn(800, 5, generator=torch.Generator().manual_seed(2), dtype=F64)
    x = x / x.norm(dim=1, keepdim=True)
    eye = torch.eye(5, dtype=F64)
    assert exact_codimension(x[:400], x[400:], eye) == 1
    noisy = x + 0.01 * torch.randn(800, 5, generator=torch.Generator().manual_seed(3), dtype=F64)
    assert exact_codimension(noisy[:400], noisy[400:], eye) == 0
    report = api.discover(x=x, kind="points", method="tangent", space="linear")
    assert report.algebra.name == "so(5)"
