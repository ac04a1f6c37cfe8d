"""Maps between fields whose symmetries follow from their kernels: fitted to pairs, or given as networks."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from symfind.api import discover, sample
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.kinds.operator.frame import operator_frame
from symfind.kinds.operator.integral_operator import coefficients, fit_operator, wave_modes
from symfind.kinds.operator.pencil import ModePencil, OperatorSide
from symfind.kinds.operator.spatial import SpatialGrid
from symfind.schema.document import Report
from symfind.verbs.options import DiscoverOptions

LINE = -1 + 2 * torch.arange(64, dtype=torch.float64) / 64
WAVES = torch.pi * torch.fft.fftfreq(64, 1 / 64, dtype=torch.float64)


def ask(path: Path, **options: object) -> Report:
    return discover(DiscoverOptions(source=str(path), bootstrap=40, **options))  # type: ignore[arg-type]


def certified(report: Report) -> list[str]:
    return [g.expression for g in report.generators if g.verdict == "certified"]


def random_waves(rows: int, seed: int, channels: int = 1, highest: int = 9) -> Tensor:
    """Periodic fields on a line ``(rows, channels, 64)``."""
    generator = torch.Generator().manual_seed(seed)
    hat = torch.fft.fft(torch.randn(rows, channels, 64, generator=generator, dtype=torch.float64))
    field: Tensor = torch.fft.ifft(hat * (WAVES.abs() <= torch.pi * highest)).real
    return field


def bells(rows: int, seed: int) -> Tensor:
    """Fields on a line that vanish towards its ends ``(rows, 1, 64)``."""
    generator = torch.Generator().manual_seed(seed)
    centre = 0.5 * torch.rand(rows, 6, 1, generator=generator, dtype=torch.float64) - 0.25
    size = torch.randn(rows, 6, 1, generator=generator, dtype=torch.float64)
    return (size * torch.exp(-((LINE - centre) ** 2) / 0.02)).sum(1)[:, None]


def line_file(path: Path, x: Tensor, y: Tensor) -> Path:
    arrays = {"x": x.numpy(), "y": y.numpy(), "grid_x": LINE.numpy()}
    write(path, arrays, {"kind": "operator", "periodic": ("x",)})
    return path


def heat(u: Tensor, time: float = 0.005) -> Tensor:
    out: Tensor = torch.fft.ifft(torch.fft.fft(u) * torch.exp(-time * WAVES.square())).real
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dimension", "algebra"),
    [("heat-operator", 3, "e(2)"), ("anisotropic-operator", 3, "e(2)"), ("fourfold-operator", 2, "R^2"),
     ("varying-operator", 0, None), ("heat-operator-waves", 2, "R^2")],
)  # fmt: skip
def test_the_samples(tmp_path: Path, name: str, dimension: int, algebra: str | None) -> None:
    sample(name, tmp_path / "op.h5")
    report = ask(tmp_path / "op.h5")
    assert report.algebra.dimension == dimension and report.algebra.name == algebra


def test_heat_on_a_line_commutes_with_its_translation_alone(tmp_path: Path) -> None:
    u = random_waves(150, 0)
    report = ask(line_file(tmp_path / "heat.h5", u, heat(u)))
    assert certified(report) == ["∂x"]
    assert report.fit is not None and "kernel" in report.fit.surrogate and report.fit.r2 > 0.999999


def test_a_kernel_that_depends_on_the_place_has_none(tmp_path: Path) -> None:
    u = random_waves(150, 1)
    report = ask(line_file(tmp_path / "varying.h5", u, (1 + 0.5 * torch.sin(torch.pi * LINE)) * heat(u)))
    assert certified(report) == []


def test_white_inputs_are_read_in_the_waves_of_the_grid(tmp_path: Path) -> None:
    """64 unknowns a row and 120 pairs: principal modes of white noise are no basis, the lowest waves are."""
    u = torch.randn(120, 1, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    report = ask(line_file(tmp_path / "white.h5", u, heat(u, 0.02)))
    assert certified(report) == ["∂x"]
    assert report.fit is not None and "lowest waves" in report.fit.surrogate


def test_noise_on_the_outputs_does_not_hide_the_translation(tmp_path: Path) -> None:
    u = random_waves(400, 3, highest=6)
    v = heat(u)
    v = v + 0.01 * v.std() * torch.randn(v.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    report = ask(line_file(tmp_path / "noisy.h5", u, v))
    assert certified(report) == ["∂x"]


def test_what_leaves_the_fields_support_is_not_scaled(tmp_path: Path) -> None:
    """The Hilbert transform has a long range: its images reach the ends of the torus, where x ∂x jumps."""
    u = bells(200, 5)
    v = torch.fft.ifft(torch.fft.fft(u) * -1j * torch.sign(WAVES)).real
    assert certified(ask(line_file(tmp_path / "hilbert.h5", u, v))) == ["∂x"]


def test_densities_move_with_the_divergence() -> None:
    """∫u is kept by moves of densities, −div(ξu), and not by those of functions."""
    u = bells(30, 6)
    grid = SpatialGrid((LINE,), (True,), (True,))
    sizes = []
    for density in ("none", "input"):
        frame = operator_frame((None, "auto", density), ("x",), grid, u, 1)
        sizes.append(float(frame.moved(u, 0).sum(-1).abs().max()))
    assert sizes[1] < 1e-8 < 1e-2 < sizes[0]


def test_channels_that_are_mixed_alike(tmp_path: Path) -> None:
    """Two channels through one kernel: any matrix commutes that acts on both ends alike."""
    u = random_waves(150, 7, channels=2, highest=5)
    report = ask(line_file(tmp_path / "pair.h5", u, heat(u)), output_action="same")
    assert report.algebra.dimension == 4 and len(report.set_apart) == 1  # ∂x and sl(2); the scaling is apart
    assert "linear" in report.set_apart[0].reason


def test_too_few_pairs_and_wrong_methods(tmp_path: Path) -> None:
    u = random_waves(4, 8)
    with pytest.raises(InputError, match="too few to fit"):
        ask(line_file(tmp_path / "few.h5", u, heat(u)))
    with pytest.raises(UsageError, match="does not go with maps between fields"):
        ask(tmp_path / "few.h5", method="weak")
    with pytest.raises(InputError, match="zero"):
        ask(line_file(tmp_path / "zero.h5", random_waves(40, 9), torch.zeros(40, 1, 64, dtype=torch.float64)))


# ------------------------------------------------------------------ networks


def network(path: Path, padding: str) -> Path:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv1d(1, 4, 5, padding=2, padding_mode=padding), nn.Tanh(),
        nn.Conv1d(4, 1, 5, padding=2, padding_mode=padding),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module.double().eval()), str(path))
    return path


def test_circular_padding_is_told_from_zero_padding(tmp_path: Path) -> None:
    u = random_waves(60, 10, highest=4)
    data = line_file(tmp_path / "u.h5", u, u)
    circular = ask(data, model=str(network(tmp_path / "circular.pt", "circular")))
    zeros = ask(data, model=str(network(tmp_path / "zeros.pt", "zeros")))
    assert certified(circular) == ["∂x"]
    assert certified(zeros) == [] and zeros.spectrum[0].lower is not None and zeros.spectrum[0].lower > 0.05


def test_a_network_must_give_fields_on_the_grid(tmp_path: Path) -> None:
    data = line_file(tmp_path / "u.h5", random_waves(20, 11), random_waves(20, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.trace(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double(), u0 := random_waves(2, 0))
        assert u0.shape == (2, 1, 64)
        torch.jit.save(module, str(tmp_path / "head.pt"))
    with pytest.raises(InputError, match="fields of shape"):
        ask(data, model=str(tmp_path / "head.pt"))


# ------------------------------------------------------------------ the pieces


def test_waves_of_the_grid_are_orthonormal() -> None:
    grid = SpatialGrid((LINE[:16], LINE[:10]), (True, False), (False, False))
    u = torch.randn(40, 160, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    columns = wave_modes(grid, u).columns
    assert torch.allclose(columns.T @ columns, torch.eye(columns.shape[1], dtype=torch.float64), atol=1e-12)


def test_the_fitted_kernel_is_that_of_heat() -> None:
    grid = SpatialGrid((LINE,), (True,), (False,))
    u = random_waves(120, 13)[:, 0]
    fit = fit_operator(grid, u, heat(u), [grid.gradient(heat(u))[:, 0]], torch.arange(120) % 4)
    c = coefficients(fit.x.T @ fit.x, fit.x.T @ fit.y)
    fresh = random_waves(5, 14)[:, 0]
    assert ((fit.in_modes(fresh) @ c.T) @ fit.outputs.columns.T - heat(fresh)).abs().max() < 1e-6


def test_a_side_weighs_its_blocks() -> None:
    """Equal weights give the Gram matrices of the rows; M is formed from the fit under the same weights."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(40, k, generator=generator, dtype=torch.float64) for k in (3, 2))
    moved = torch.randn(40, 2, 3, generator=generator, dtype=torch.float64)
    outputs = torch.randn(2, 2, 2, generator=generator, dtype=torch.float64)
    block = torch.arange(40) % 8
    side = OperatorSide(ModePencil(x, moved, outputs, moved, outputs), block, x, y, block, 0.0)
    weights = torch.ones(1, 8, dtype=torch.float64)
    numerator, denominator = side.along(torch.eye(2, dtype=torch.float64)).grams(weights)
    c = torch.linalg.lstsq(x, y).solution.T
    left, right = moved @ c.T, torch.einsum("pac,nc->npa", outputs, x @ c.T)
    gap = (left - right).transpose(0, 1).flatten(1)
    assert torch.allclose(numerator[0], gap @ gap.T, rtol=1e-9)
    both = torch.cat([left, right], 2).transpose(0, 1).flatten(1)
    assert torch.allclose(denominator[0], both @ both.T, rtol=1e-9)
