"""Rules for unitary groups against closed forms: ∫χ = 0 and ∫|χ|² = 1 for irreducible characters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from symfind.lie.groups.catalogue import parse_group


def symmetric_characters(name: str, degree: int, most: int) -> tuple[Tensor, list[Tensor]]:
    """Weights, and χ of Sym^k C^n at the nodes: the complete symmetric functions of the eigenvalues (Newton)."""
    rule = parse_group(name).haar(degree, max_nodes=10**6)
    n = rule.nodes.shape[-1] // 2
    g = torch.complex(rule.nodes[:, :n, :n], rule.nodes[:, n:, :n])
    powers = [torch.linalg.matrix_power(g, k).diagonal(dim1=-2, dim2=-1).sum(-1) for k in range(1, most + 1)]
    chi = [torch.ones_like(powers[0])]
    for k in range(1, most + 1):
        chi.append(sum((powers[i] * chi[k - 1 - i] for i in range(k)), torch.zeros_like(chi[0])) / k)
    return rule.weights.to(g.dtype), chi


@pytest.mark.parametrize(
    ("name", "degree"), [("u(1)", 8), ("u2", 6), ("u2", 9), ("u3", 3), ("su2", 12), ("su3", 4), ("su3", 6), ("su4", 2)]
)
def test_characters_are_orthonormal(name: str, degree: int) -> None:
    weights, chi = symmetric_characters(name, degree, degree)
    for k in range(1, degree + 1):
        assert abs(complex((weights * chi[k]).sum())) < 1e-10
    for k in range(degree // 2 + 1):
        assert abs(complex((weights * chi[k].abs() ** 2).sum()) - 1) < 1e-10
    if parse_group(name).degree > 2:  # the adjoint, |χ_V|² − 1, and the square of the vector into its two halves
        adjoint = chi[1].abs() ** 2 - 1
        assert abs(complex((weights * adjoint).sum())) < 1e-10
        if degree >= 4:
            assert abs(complex((weights * adjoint**2).sum()) - 1) < 1e-10


def test_a_lower_degree_misses() -> None:
    """What is asked of a rule is not trivially met: spin 4 squared needs degree 16."""
    weights, chi = symmetric_characters("su2", 8, 8)
    assert abs(complex((weights * chi[8].abs() ** 2).sum()) - 1) > 0.01


@pytest.mark.parametrize("name", ["u2", "su3"])
def test_the_rule_is_invariant_and_no_class_function_is_needed(name: str) -> None:
    group, degree = parse_group(name), 4
    rule, rng = group.haar(degree), torch.Generator().manual_seed(3)
    h = group.sample(1, rng)[0]
    u, v = torch.randn(2, group.degree, dtype=torch.float64, generator=rng)

    def integral(nodes: Tensor) -> float:
        return float(rule.weights @ (torch.einsum("i,nij,j->n", u, nodes, v) + 1) ** degree)

    assert rule.exact and len(rule.nodes) == group.node_count(degree)  # type: ignore[attr-defined]
    assert integral(h @ rule.nodes) == pytest.approx(integral(rule.nodes), rel=1e-12)
    assert integral(rule.nodes @ h) == pytest.approx(integral(rule.nodes), rel=1e-12)
