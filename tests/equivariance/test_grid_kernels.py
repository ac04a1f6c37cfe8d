"""Kernels on grids: classes counted by Burnside's lemma, projections that commute to rounding, files that are right."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from symfind.data.axes import parse_grid
from symfind.equivariance.methods.kernels import GridGroup, class_means, grid_group
from symfind.errors import UsageError
from symfind.models.model import load_model
from symfind.verbs.enforce import enforce
from symfind.verbs.options import EnforceOptions

TORUS = "x=0:1 periodic, y=0:1 periodic"


def group(turns: str, shape: tuple[int, ...], periodic: bool = True) -> GridGroup:
    return GridGroup(turns, shape, tuple(periodic for _ in shape))


def kernel(points: int) -> Tensor:
    return torch.randn(points, points, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("turns", "shape", "periodic", "count"),
    [
        ("", (8, 8), True, 64),  # offsets modulo the periods
        ("", (5,), False, 9),  # −4 … 4
        ("", (3, 4), False, 35),  # 5 · 7
        ("c4", (8, 8), True, 18),  # (64 + 4 + 2 + 2)/4
        ("d4", (8, 8), True, 15),  # 0 ≤ |b| ≤ |a| ≤ 4
        ("so2", (8, 8), True, 15),  # squares a² + b² of 0 … 4 are all different
        ("so2", (16, 16), True, 42),  # of 45 pairs those of 25 = 3² + 4², 50 = 1² + 7², 65 = 1² + 8² fall together
        ("d4", (6,), True, 4),  # |offset| 0 … 3
    ],
)
def test_classes_of_offsets(turns: str, shape: tuple[int, ...], periodic: bool, count: int) -> None:
    assert int(group(turns, shape, periodic).classes().max()) + 1 == count


@pytest.mark.parametrize("turns", ["", "c4", "d4", "so2"])
def test_the_projection_commutes_and_is_orthogonal(turns: str) -> None:
    g = group(turns, (6, 6))
    w = kernel(36)
    projected = class_means(w, g.classes())
    assert torch.allclose(class_means(projected, g.classes()), projected, atol=1e-15)
    assert abs(float(((w - projected) * projected).sum())) < 1e-12
    x = torch.randn(1, 36, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for element in g.elements(12, torch.Generator().manual_seed(2)):
        moved = g.moved(x @ projected.T, element)
        assert (g.moved(x, element) @ projected.T - moved).abs().max() < 1e-13


def test_a_kernel_that_commutes_stays() -> None:
    """The discrete Laplacian of a torus is isotropic among its neighbours."""
    shift = torch.roll(torch.eye(6, dtype=torch.float64), 1, 0)
    line = shift + shift.T - 2 * torch.eye(6, dtype=torch.float64)
    eye = torch.eye(6, dtype=torch.float64)
    laplacian = torch.kron(line, eye) + torch.kron(eye, line)
    assert torch.allclose(class_means(laplacian, group("d4", (6, 6)).classes()), laplacian, atol=1e-15)


def test_an_open_axis_gives_diagonals() -> None:
    w = kernel(7)
    projected = class_means(w, group("", (7,), False).classes())
    for k in range(-6, 7):
        assert torch.allclose(projected.diagonal(k), w.diagonal(k).mean().expand(7 - abs(k)))


def saved(module: nn.Module, path: Path, shape: tuple[int, ...]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(module.double().eval(), torch.zeros(2, *shape, dtype=torch.float64)), str(path))
    return path


def test_dense_layers_through_the_verb(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 72), nn.Tanh(), nn.Linear(72, 36), nn.Unflatten(1, (1, 6, 6)))
    path = saved(net, tmp_path / "dense.pt", (1, 6, 6))
    options = EnforceOptions(model=str(path), group="p4", grid=TORUS, shape=(1, 6, 6))
    done = enforce(options, tmp_path / "out.pt")
    assert done.error_before.largest > 0.1 and done.error_after.largest < 1e-12
    # (36 + 4 + 2 + 2)/4 = 11 orbits of offsets, one output channel to two and back.
    assert [layer.dimension for layer in done.layers] == [22, 22] and done.group.name == "translations+c4"
    model = load_model(tmp_path / "out.pt").bind((1, 6, 6))
    x = torch.randn(3, 1, 6, 6, dtype=torch.float64)
    assert torch.allclose(model(x.roll((2, 1), (2, 3))), model(x).roll((2, 1), (2, 3)), atol=1e-12)
    assert torch.allclose(model(x.rot90(1, (2, 3))), model(x).rot90(1, (2, 3)), atol=1e-12)


def test_zero_padding_is_told(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = saved(nn.Conv2d(1, 1, 3, padding=1), tmp_path / "zeros.pt", (1, 8, 8))
    done = enforce(EnforceOptions(model=str(path), group="translations+d4", grid=TORUS, shape=(1, 8, 8)))
    assert done.error_after.largest > 1e-3 and "pads with zeros" in done.warnings[0]
    assert done.layers[0].dimension == 3  # centre, edges, corners


def test_what_cannot_be_asked() -> None:
    sources = parse_grid(TORUS)
    with pytest.raises(UsageError, match="groups on a --grid are"):
        grid_group("so3", sources, (1, 8, 8))
    with pytest.raises(UsageError, match="square grid"):
        grid_group("p4", sources, (1, 8, 6))
    with pytest.raises(UsageError, match="periodic or open"):
        grid_group("translations", parse_grid("x=0:1, y=0:1"), (1, 8, 8))


def test_a_layer_that_is_no_kernel_on_the_grid(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 40), nn.Tanh(), nn.Linear(40, 36), nn.Unflatten(1, (1, 6, 6)))
    path = saved(net, tmp_path / "head.pt", (1, 6, 6))
    with pytest.raises(UsageError, match="no kernel"):
        enforce(EnforceOptions(model=str(path), group="translations", grid=TORUS, shape=(1, 6, 6)), tmp_path / "no.pt")
    assert not (tmp_path / "no.pt").exists()
