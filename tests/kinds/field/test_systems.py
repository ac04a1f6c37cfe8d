"""Two components, two space axes, second order in t, explicit x: equations that are not given, from simulations."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import symfind
from benchmarks.field_suite.evolution import Evolution, modes, write_field
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report


def discovered(path: Path, evolution: Evolution, space: str = "point:1", rows: int | None = None) -> Report:
    u, t, x = evolution.solutions(2, rows)
    axes = [(name, x) for name in evolution.space]
    write_field(path, u, t, axes, evolution.components, ",".join(evolution.space))
    return symfind.discover(DiscoverOptions(source=str(path), space=space, bootstrap=40))


def counted(report: Report) -> tuple[int, int]:
    return len(report.certified), len(report.set_apart)


@pytest.mark.slow
def test_spirals(tmp_path: Path) -> None:
    """λ–ω: ∂t, ∂x, ∂y, the turn of the plane and that of (u, v)."""
    evolution = Evolution(
        "u_t = u_xx + u_yy + (1 - u**2 - v**2)*u + 0.6*(u**2 + v**2)*v; "
        "v_t = v_xx + v_yy + (1 - u**2 - v**2)*v - 0.6*(u**2 + v**2)*u",
        ("u", "v"), ("x", "y"), length=20.0, end=4.0, step=0.04, points=48, times=41, rows=4, mean=(0.0, 0.0),
        size=(0.7, 0.7),
    )  # fmt: skip
    report = discovered(tmp_path / "spirals.h5", evolution)
    assert counted(report) == (5, 0)
    assert {"∂t", "∂x", "∂y"} <= {g.expression for g in report.certified}


@pytest.mark.slow
@pytest.mark.parametrize(("space", "count"), [("point:1", 4), ("point:2", 5)])
def test_the_cubic_schrodinger_equation_as_a_pair(space: str, count: int, tmp_path: Path) -> None:
    evolution = Evolution(
        "u_t = -v_xx - 2*(u**2 + v**2)*v; v_t = u_xx + 2*(u**2 + v**2)*u", ("u", "v"), length=16.0, end=1.0, step=0.002,
        points=96, times=100, mean=(0.0, 0.0), size=(0.5, 0.5),
    )  # fmt: skip
    assert counted(discovered(tmp_path / "pair.h5", evolution, space)) == (count, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("space", "counts"), [("point:1", (3, 2)), ("point:2", (4, 3))])
def test_the_telegraph_equation_has_a_hidden_boost(space: str, counts: tuple[int, int], tmp_path: Path) -> None:
    """u = e^{−t/2}w with w_tt = w_xx + w/4: the boost of w is t∂x + x∂t − (x/2)u∂u."""
    k = torch.arange(6) * 2 * math.pi / 16
    root = torch.sqrt((0.25 - k.square()).to(torch.complex128))
    t, x = torch.linspace(0, 6, 120).double(), torch.arange(96).double() / 6
    rates, waves = torch.stack([-0.5 + root, -0.5 - root], 1), k.to(torch.complex128)
    u = modes(6, rates, waves, t, x, torch.Generator().manual_seed(2))[..., None]
    path = write_field(tmp_path / "telegraph.h5", u, t, [("x", x)], ["u"], "x")
    report = symfind.discover(DiscoverOptions(source=str(path), space=space, bootstrap=40))
    assert counted(report) == counts
    if space == "point:2":
        assert "x ∂t + t ∂x − 0.5 x·u ∂u" in {g.expression for g in report.certified} or any(
            "∂x" in g.expression and "x ∂t" in g.expression for g in report.certified
        )


@pytest.mark.slow
def test_a_field_that_is_turned(tmp_path: Path) -> None:
    """u_t = y u_x − x u_y on open axes: what of its infinite algebra is affine, six fields with ∂u."""
    generator = torch.Generator().manual_seed(2)
    t, x = torch.linspace(0, 1.5, 48).double(), torch.linspace(-2, 2, 40).double()
    times, xs, ys = torch.meshgrid(t, x, x, indexing="ij")
    a, b = xs * times.cos() + ys * times.sin(), ys * times.cos() - xs * times.sin()
    k, size, phase = (torch.randn(6, 6, s, generator=generator).double() for s in (2, 1, 1))
    u = torch.stack(
        [sum(s * torch.sin(1.5 * (q[0] * a + q[1] * b) + 3 * p) for q, s, p in zip(*row, strict=True))
         for row in zip(k, size, phase, strict=True)]
    )  # fmt: skip
    path = write_field(tmp_path / "turned.h5", u[..., None], t, [("x", x), ("y", x)], ["u"], "")
    report = symfind.discover(DiscoverOptions(source=str(path), bootstrap=40))
    assert sum(counted(report)) == 6
    assert {c.term for c in report.equation.coefficients} == {"y*u_x", "x*u_y"}  # type: ignore[union-attr]


ONE = {
    "kdv": (Evolution("u_t = -u*u_x - u_xxx", length=32.0, end=10.0, times=120, step=0.01), (4, 0)),
    "burgers": (Evolution("u_t = 0.1*u_xx - u*u_x", end=2.0), (4, 0)),
    "heat": (Evolution("u_t = u_xx", length=16.0, end=4.0, points=64, highest=5), (4, 2)),
    "ks": (Evolution("u_t = -u*u_x - u_xx - u_xxxx", length=32.0, end=16.0, points=96, times=120, step=0.02), (3, 0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE)
def test_one_simulated_solution(name: str, tmp_path: Path) -> None:
    evolution, expected = ONE[name]
    report = discovered(tmp_path / "one.h5", evolution, rows=1)
    assert counted(report) == expected
    assert any("of the identified equation" in note for note in report.notes)


@pytest.mark.slow
def test_a_soliton_alone_stays_undecided(tmp_path: Path) -> None:
    t, x = torch.linspace(0, 6, 100).double(), torch.arange(128).double() * 40 / 128
    place = (x - 20 - 0.5 * t[:, None] + 20) % 40 - 20
    u = 1.5 / torch.cosh(0.5 * math.sqrt(0.5) * place) ** 2
    path = write_field(tmp_path / "soliton.h5", u[None, ..., None], t, [("x", x)], ["u"], "x")
    report = symfind.discover(DiscoverOptions(source=str(path), bootstrap=40))
    assert not report.certified and any("left alone" in warning for warning in report.warnings)


def test_a_wrong_equation_is_told_in_the_first_line(tmp_path: Path) -> None:
    from symfind.render.summary import headline

    u, t, x = Evolution("u_t = u_xx + 0.05*u**3", length=16.0, end=1.0, points=48, times=48, highest=4).solutions(2)
    path = write_field(tmp_path / "wrong.h5", u, t, [("x", x)], ["u"], "x")
    report = symfind.discover(DiscoverOptions(source=str(path), equation="u_t = u_xx", bootstrap=10))
    label, text = next(iter(headline(report)))
    assert label == "undecided" and "term is missing" in text and not report.certified
