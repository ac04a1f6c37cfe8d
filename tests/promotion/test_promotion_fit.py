"""Paths, refits inside the exact nullspace, what is refused, and data without any symmetry."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry, output_root
from symfind.fits.surrogate import Samples
from symfind.lie_derivative import Invariant
from symfind.promotion.convex import ConvexFit, Promoted
from symfind.promotion.library import read_library
from symfind.promotion.setting import Setting, check_memory

_F64 = torch.float64


def setting(x: torch.Tensor, y: torch.Tensor, space: str, metric: str = "whitened") -> Setting:
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, 1)
    fields = make_space(space, x.shape[1], [f"x{i}" for i in range(x.shape[1])])
    fields = fields.centred(geometry.mean, geometry.scale)
    shape = (1, y.shape[1])
    return Setting(fields, Invariant(), (1, x.shape[1]), shape, geometry, output_root([y.reshape(-1, *shape)]), metric)


def fitted(x: torch.Tensor, y: torch.Tensor, space: str, degree: int, **given: float) -> Promoted:
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), degree)
    fit = ConvexFit(setting(x, y, space), features, Samples(x, y), 0.0, torch.Generator().manual_seed(0))
    return fit.chosen(given.get("gamma"))


def cubic_of_two(noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A cubic of two of four directions: two translations leave it unchanged, 10 of its 35 parameters are free."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(60, 4, generator=generator, dtype=_F64)
    u = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=_F64)).Q
    z = x @ u[:, :2]
    y = (z[:, 0] ** 3 - z[:, 0] * z[:, 1] + z[:, 1])[:, None]
    return x, y + noise * y.std() * torch.randn(60, 1, generator=generator, dtype=_F64), u


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_translations_that_do_nothing_are_found_exactly(noise: float) -> None:
    x, y, u = cubic_of_two(noise)
    done = fitted(x, y, "translations", 3)
    assert done.refitted and done.symmetries.shape == (4, 2) and done.freedom == 10
    span = torch.linalg.qr(done.symmetries).Q
    # Off by the noise of the fit; exact without noise up to the accuracy of the solver.
    assert float(torch.linalg.matrix_norm(u[:, :2].T @ span, 2)) < (0.1 if noise else 1e-5)
    assert float(done.spectrum[1]) < 1e-6 < float(done.spectrum[2])
    fresh = torch.randn(500, 4, generator=torch.Generator().manual_seed(9), dtype=_F64)
    z = fresh @ u[:, :2]
    truth = z[:, 0] ** 3 - z[:, 0] * z[:, 1] + z[:, 1]
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), 3)
    missed = [float((features(fresh) @ w - truth[:, None]).square().mean()) for w in (done.weights, done.plain)]
    assert missed[0] <= missed[1] if noise else missed[0] < 1e-8


def test_without_symmetry_none_is_promoted() -> None:
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0), dtype=_F64)
    a, b, c = x.T
    y = (a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4)[:, None]
    y = y + 0.02 * torch.randn(80, 1, generator=torch.Generator().manual_seed(1), dtype=_F64)
    done = fitted(x, y, "se", 3)
    assert done.symmetries.shape[1] == 0 and done.freedom == 20


def test_a_turn_about_a_centre_is_kept_where_rows_are_few() -> None:
    """Where the penalty of the refit doubled at every step the span was left behind, and none of these was kept."""
    generator = torch.Generator().manual_seed(1)
    x = 2 * torch.rand(18, 2, generator=generator, dtype=_F64) - 1
    clean = (x - torch.tensor([0.4, -0.3], dtype=_F64)).square().sum(1).square()[:, None]
    y = clean + 0.02 * clean.std() * torch.randn(18, 1, generator=generator, dtype=_F64)
    done = fitted(x, y, "se", 4)
    assert done.symmetries.shape[1] == 1 and done.freedom == 3  # 1, |x − c|², |x − c|⁴
    fresh = 2 * torch.rand(4000, 2, generator=generator, dtype=_F64) - 1
    truth = (fresh - torch.tensor([0.4, -0.3], dtype=_F64)).square().sum(1).square()[:, None]
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), 4)(fresh)
    missed = [float((features @ w - truth).square().mean() / truth.var()) for w in (done.weights, done.plain)]
    assert missed[0] < 0.004 < 0.03 < missed[1]  # three parameters from 18 noisy rows, and fifteen


def test_a_weight_that_is_given_is_the_whole_path() -> None:
    x, y, _ = cubic_of_two(0.05)
    assert [p.gamma for p in fitted(x, y, "translations", 2, gamma=0.25).path] == [0.25]


def test_negative_weights_are_refused() -> None:
    x, y, _ = cubic_of_two(0.0)
    with pytest.raises(UsageError, match="--gamma is -1"):
        fitted(x, y, "translations", 2, gamma=-1.0)
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), 2)
    with pytest.raises(UsageError, match="--sparsity is -1"):
        ConvexFit(setting(x, y, "translations"), features, Samples(x, y), -1.0, torch.Generator())


def test_memory_is_told_before_it_is_taken() -> None:
    x = torch.randn(50, 40, generator=torch.Generator().manual_seed(0), dtype=_F64)
    with pytest.raises(InputError, match="features of 1 outputs with 820 candidates need .* GB"):
        check_memory(setting(x, x[:, :1], "se"), 10_000_000, 50)


def library(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "library.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_library_of_formulas_with_its_derivative(tmp_path: Path) -> None:
    features = read_library(library(tmp_path, "features: [1, x, x*y, sin(y)]"), ("x", "y"))
    at = torch.tensor([[2.0, 0.5]], dtype=_F64)
    torch.testing.assert_close(features(at), torch.tensor([[1.0, 2.0, 1.0, 0.5]], dtype=_F64).index_put(
        (torch.tensor(0), torch.tensor(3)), torch.tensor(0.5, dtype=_F64).sin()))  # fmt: skip
    slopes = features.derivative(at, torch.eye(4, dtype=_F64))[0]
    expected = torch.tensor([[0, 0], [1, 0], [0.5, 2.0], [0, float(torch.tensor(0.5, dtype=_F64).cos())]], dtype=_F64)
    torch.testing.assert_close(slopes, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("terms: [x]", "should hold 'features:'"),
        ("features: [x]\nmore: 1", "unknown key 'more'"),
        ("features: [x]\nvariables: [x]", "names 1 variables, the data have 2"),
        ("features: [x, z]", "unknown name 'z'"),
        ("features: [", "cannot be read"),
    ],
)
def test_libraries_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        read_library(library(tmp_path, text), ("x", "y"))


def test_a_formula_that_is_not_finite_on_the_data(tmp_path: Path) -> None:
    features = read_library(library(tmp_path, "features: [log(x)]"), ("x", "y"))
    with pytest.raises(InputError, match="not finite"):
        features(-torch.ones(3, 2, dtype=_F64))
