"""Classes whose invariants overflow on the rows are passed over; the search ends."""

from __future__ import annotations

import pytest
import torch

from symfind.decision.witness.fitting.parts import solved
from symfind.errors import NumericalError


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_a_gram_matrix_that_is_not_finite_is_refused(value: float) -> None:
    gram = torch.eye(3, dtype=torch.float64)
    gram[0, 1] = gram[1, 0] = value
    with pytest.raises(NumericalError, match="not finite"):
        solved(gram, torch.ones(3, 1, dtype=torch.float64), [1e-8])


def test_a_singular_one_is_solved_with_a_ridge() -> None:
    gram = torch.ones(3, 3, dtype=torch.float64)
    assert bool(torch.isfinite(solved(gram, torch.ones(3, 1, dtype=torch.float64), [1e-18])).all())
