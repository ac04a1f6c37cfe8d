"""How directions are shown: sparse where that is true to them, and never as something else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import torch

from symfind.decision.evidence import Evidence
from symfind.decision.finding import canonical_in_span, canonical_vectors
from symfind.fields.polynomial import polynomial_fields
from symfind.linalg.nullspace import GeneralisedSpectrum

F64 = torch.float64


def far_from_the_origin(values: list[float]) -> Evidence:
    """∂x, (x − 1000) ∂x, ((x − 1000)² − 1) ∂x, orthonormal over x of mean 1000 and spread 1, in powers of x."""
    vectors = torch.tensor([[1.0, 0, 0], [-1000.0, 1, 0], [999999.0, -2000, 1]], dtype=F64).T
    spectrum = GeneralisedSpectrum(torch.tensor(values, dtype=F64), vectors, torch.zeros(3, 0, dtype=F64))
    return cast(Evidence, SimpleNamespace(space=polynomial_fields(1, 2), spectrum=spectrum))


def test_a_small_direction_is_not_shown_as_the_symmetries_before_it() -> None:
    # To 2 % of its largest coefficient (x − 1000) ∂x is −1000 ∂x, which has no defect and was found already.
    evidence = far_from_the_origin([0.0, 0.02, 0.2])
    vectors, strayed = canonical_in_span(evidence, 1, torch.eye(1, dtype=F64), 0.02, 0.03)
    mix = torch.linalg.solve(evidence.spectrum.vectors, vectors)[:, 0]
    assert abs(float(mix[1])) > 1e-4 and abs(float(mix[2])) < 1e-6 * abs(float(mix[1]))
    assert strayed[0] < 1e-6


def test_two_directions_that_have_a_sparse_basis_are_shown_by_it() -> None:
    # ∂x and x ∂x, which is a thousand times more of ∂x than of (x − 1000) ∂x.
    evidence = far_from_the_origin([0.0, 0.02, 0.2])
    vectors, _ = canonical_in_span(evidence, 0, torch.eye(2, dtype=F64), 1e-8, 0.03)
    rows = vectors / vectors.abs().amax(0)
    torch.testing.assert_close(rows.abs().sort(1).values, torch.eye(3, dtype=F64)[:, :2].sort(1).values)


def test_directions_that_differ_in_their_last_digits_alone_are_shown_as_they_are() -> None:
    space = polynomial_fields(2, 1)
    bare = SimpleNamespace(space=space, bracket_points=torch.zeros(0, 2, dtype=F64))
    first = torch.arange(1.0, 7.0, dtype=F64)
    beside = torch.tensor([0.0, 1, 0, -1, 0, 2], dtype=F64)
    span = torch.stack([first, first + 1e-10 * beside], 1)
    vectors = canonical_vectors(cast(Evidence, bare), span, 1e-10)
    assert vectors.shape == span.shape and bool(torch.isfinite(vectors).all())
    apart = canonical_vectors(cast(Evidence, bare), torch.stack([first, beside], 1), 1e-10)
    assert int(torch.linalg.matrix_rank(apart)) == 2
