"""Outputs that share no covariants are fitted apart, to the same solution as all at once."""

import torch

from symfind.decision.witness.fitting.parts import normal_equations, parts_of
from symfind.decision.witness.fitting.regression import design
from symfind.decision.witness.proposals import Shape, catalogue, general


def rows(n: int, d: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flow(d: int) -> Shape:
    return Shape((1, d), d, True, True, False)


def test_outputs_that_do_not_turn_are_copies_of_one() -> None:
    k = general(flow(5)).covariants(rows(50, 5)) * (1 + torch.arange(5.0).double())
    (part,) = parts_of(k)
    assert part.covariants.shape == (5, 1)
    assert torch.allclose(part.factors[:, 0], 1 + torch.arange(5.0).double())


def test_velocities_and_forces_are_made_of_the_same_vectors() -> None:
    turned = next(s for s in catalogue(flow(6)) if s.name == "so(3) on 2 vectors, stacked")
    (part,) = parts_of(turned.covariants(rows(50, 6)))
    assert part.covariants.shape == (2, 3)  # q, p and q × p, for each of both
    assert part.outputs.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_covariants_that_link_all_outputs_are_one_part() -> None:
    turned = next(s for s in catalogue(flow(3)) if s.name == "so(3)")
    (part,) = parts_of(turned.covariants(rows(50, 3)))
    assert (part.copies, part.outputs.shape[1]) == (1, 3)


def test_the_parts_are_solved_as_the_whole_is() -> None:
    """Least squares of the dense design by QR, against Gram matrices that copies with other weights share."""
    x = rows(400, 6)
    turned = next(s for s in catalogue(flow(6)) if s.name == "so(3) on 2 vectors, stacked")
    k = turned.covariants(x) * torch.tensor([1.0, 2, 3, 0.5, 1, 4]).double()
    y, z = rows(400, 6, seed=2), turned.invariants(x)
    found = normal_equations(lambda at: at, z, k, y, parts_of(k)).solved(1e-13)
    dense = torch.linalg.lstsq(design(z, k), y.reshape(-1, 1)).solution.reshape(found.shape)
    assert torch.allclose(found, dense, atol=1e-8)
