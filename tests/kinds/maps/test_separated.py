"""S of polynomial fields factorises: the streamed spectrum equals that of all rows of (M, S)."""

from __future__ import annotations

import pytest
import torch

from symfind.fields.polynomial import PolynomialFields, linear_fields, matrix_fields, polynomial_fields
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Geometry, Moments, input_geometry
from symfind.fits.surrogate import LinearFit
from symfind.kinds.maps.nullspace import streamed_spectrum
from symfind.lie_derivative import Bracket, Invariant, LieDerivative, OutputAction, field_mean
from symfind.linalg.nullspace import generalised_spectrum

_D = 3
_TURNS = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 0]]]).double()
SPACES = [linear_fields(_D), polynomial_fields(_D, 1), polynomial_fields(_D, 2), matrix_fields("so", _TURNS)]


def derivative_and_points(
    space: PolynomialFields, objects: int, action: OutputAction, live: torch.Tensor | None
) -> tuple[LieDerivative, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    width = objects * _D
    units = torch.tensor([1.0, 1e-3, 1e2]).double().repeat(objects)
    x = torch.randn(400, width, generator=generator, dtype=torch.float64) * units + 2
    moments = Moments(width)
    moments.add(x)
    inputs = input_geometry(moments, objects)
    m = 1 if isinstance(action, Invariant) else _D
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), 3)
    weights = torch.randn(features.size, m, generator=generator, dtype=torch.float64)
    fit = LinearFit(features, weights, (width,), (m,))
    root = torch.eye(m, dtype=torch.float64)
    geometry = Geometry(inputs.mean, inputs.scale, inputs.inputs, inputs.support, root, inputs.rank)
    space = space.centred(geometry.mean, geometry.scale)
    mean = field_mean(space, geometry, x.reshape(-1, objects, _D), live)
    return LieDerivative(fit, space, action, geometry, (objects, _D), (1, m), mean, live), x


@pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)
@pytest.mark.parametrize(("objects", "action"), [(1, Invariant()), (2, Invariant()), (1, Bracket())])
@pytest.mark.parametrize("live", [None, torch.diag(torch.tensor([1.0, 0.0, 1.0])).double()], ids=["all", "dead input"])
def test_the_streamed_spectrum_is_that_of_all_rows(
    space: PolynomialFields, objects: int, action: OutputAction, live: torch.Tensor | None
) -> None:
    derivative, x = derivative_and_points(space, objects, action, live)
    streamed = streamed_spectrum(derivative, iter(torch.split(x, 150)), lambda rows: None)
    pencil = derivative.pencil(x)
    reference = generalised_spectrum(pencil.m.flatten(0, 1), pencil.s.flatten(0, 1))
    assert streamed.trivial.shape == reference.trivial.shape
    torch.testing.assert_close(streamed.values, reference.values, rtol=1e-10, atol=1e-12)


def test_only_full_polynomial_spaces_separate() -> None:
    whole, _ = derivative_and_points(linear_fields(_D), 1, Invariant(), None)
    part, _ = derivative_and_points(matrix_fields("so", _TURNS), 1, Invariant(), None)
    assert (whole.monomials, part.monomials) == (_D, None)
