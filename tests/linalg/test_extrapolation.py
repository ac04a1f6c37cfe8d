"""Anderson's extrapolation against linear algebra."""

from __future__ import annotations

import torch

from symfind.linalg.extrapolation import Extrapolation

_F64 = torch.float64


def test_a_linear_map_of_five_eigenvalues_is_solved_in_few_steps() -> None:
    """For x ↦ x + (b − Ax), A with 5 distinct eigenvalues, a Krylov space of 5 dimensions holds the solution."""
    generator = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=_F64)).Q
    a = q * torch.tensor([0.02, 0.1, 0.3, 0.7, 1.0], dtype=_F64).repeat(8) @ q.T
    b = torch.randn(40, generator=generator, dtype=_F64)
    x, ahead = torch.zeros(40, dtype=_F64), Extrapolation()
    for _ in range(12):
        x = ahead(x, b - a @ x)
    assert float((b - a @ x).norm()) < 1e-5 * float(b.norm())
    plain = torch.zeros(40, dtype=_F64)
    for _ in range(12):
        plain = plain + b - a @ plain
    assert float((b - a @ plain).norm()) > 0.1 * float(b.norm())


def test_a_point_at_which_the_step_has_grown_is_taken_back() -> None:
    ahead = Extrapolation()
    x = torch.ones(3, dtype=_F64)
    plain = ahead(x, torch.full((3,), 0.5, dtype=_F64))
    torch.testing.assert_close(plain, torch.full((3,), 1.5, dtype=_F64))
    back = ahead(plain + 1, torch.full((3,), 5.0, dtype=_F64))
    torch.testing.assert_close(back, plain)


def test_nothing_to_extrapolate_at_a_fixed_point() -> None:
    ahead = Extrapolation()
    x = torch.ones(3, dtype=_F64)
    for _ in range(4):
        x = ahead(x, torch.zeros(3, dtype=_F64))
    torch.testing.assert_close(x, torch.ones(3, dtype=_F64))
