"""Scalings of laws of physics with their exponents, what has none, and units that do and do not explain them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from symfind import api
from symfind.data.units import dimensions
from symfind.decision.witness.fitting.exponents import PowerLawSettings, Scalings, rational
from symfind.decision.witness.power_laws import Found, scalings_of
from symfind.errors import InputError, UsageError
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report

F64 = torch.float64


def positive(n: int, d: int, seed: int, width: float = 2.0) -> Tensor:
    return torch.exp(width * (torch.rand(n, d, generator=torch.Generator().manual_seed(seed), dtype=F64) - 0.5))


def noisy(y: Tensor, noise: float, seed: int = 9) -> Tensor:
    return y * (1 + noise * torch.randn(len(y), generator=torch.Generator().manual_seed(seed), dtype=F64))


def drag(x: Tensor) -> Tensor:
    """Force on a sphere by density, speed, size, viscosity: two sides of one curve in the Reynolds number."""
    rho, v, size, mu = x.T
    reynolds = rho * v * size / mu
    return rho * v**2 * size**2 * (0.4 + 24 / (reynolds + 1) + 6 / (1 + reynolds.sqrt()))


def spans(found: Found, rows: list[list[float]]) -> bool:
    """Whether the scalings of x and y span the given ones."""
    assert found.scalings is not None
    both = torch.cat([found.scalings.matrix(), torch.tensor(rows, dtype=F64)])
    return int(torch.linalg.matrix_rank(both, rtol=1e-9)) == len(rows) == found.scalings.rank


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_drag_has_the_scalings_of_mass_length_and_time(noise: float) -> None:
    x = positive(1500, 4, 3, 3.0)
    found = scalings_of(x, noisy(drag(x), noise), None, 0.05, 0)
    assert found.verdict is not None and found.verdict.word == "certified"
    # kg, m and s in density, speed, size, viscosity, force.
    assert spans(found, [[1, 0, 0, 1, 1], [-3, 1, 1, -1, 1], [0, -1, 0, -1, -2]])
    assert found.scalings is not None and found.scalings.rational


def test_a_power_law_has_all_scalings_and_its_exponents() -> None:
    x = positive(400, 3, 4)
    found = scalings_of(x, noisy(3 * x[:, 0] ** 1.5 * x[:, 1] ** -2 * x[:, 2] ** (1 / 3), 0.02), None, 0.05, 0)
    assert found.verdict is not None and found.verdict.word == "certified"
    assert spans(found, [[1, 0, 0, 1.5], [0, 1, 0, -2], [0, 0, 1, 1 / 3]])


def test_a_sum_of_unlike_terms_has_no_scaling() -> None:
    x = positive(600, 2, 5, 3.0)
    found = scalings_of(x, x[:, 0] + torch.exp(x[:, 1]), None, 0.05, 0)
    assert found.verdict is None or found.verdict.word == "undecided"
    assert any(said.word == "refuted" for _, said in found.fallen)


def _pendulum(path: Path, units: list[str]) -> Report:
    x = positive(1200, 4, 6)
    m, length, g, angle = x.T
    y = 2 * math.pi * (length / g).sqrt() * (1 + (0.4 * angle) ** 2)
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x.numpy(), noisy(y, 0.01).numpy()
        file.attrs["names"], file.attrs["units"], file.attrs["output_units"] = ["m", "l", "g", "angle"], units, "s"
    return api.discover(DiscoverOptions(source=str(path), space="scalings"))


def test_units_explain_the_pendulum(tmp_path: Path) -> None:
    report = _pendulum(tmp_path / "d.h5", ["kg", "m", "m/s^2", "rad"])
    assert [g.expression for g in report.certified] == ["m ∂m", "2 l ∂l", "2 g ∂g"]
    assert [g.output_action for g in report.certified] == [((0.0,),), ((1.0,),), ((-1.0,),)]
    assert [v.expression for v in report.algebra.invariants] == ["y l^(−1/2) g^(1/2)", "angle"]
    assert any("kg, m, s are scalings that were found (3 of 3)" in note for note in report.notes)
    assert Report.read(report.to_plain(), "again") == report


def test_a_wrong_unit_is_told(tmp_path: Path) -> None:
    notes = _pendulum(tmp_path / "d.h5", ["kg", "m", "m/s", "rad"]).notes
    assert any("the unit s does not explain the data" in note for note in notes)
    assert any("kg, m are scalings that were found (2 of 3)" in note for note in notes)


def test_negative_numbers_have_no_scalings(tmp_path: Path) -> None:
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
    with pytest.raises(InputError, match="multiply positive numbers"):
        api.discover(x=x, y=x.square().sum(1, keepdim=True) + 1, space="scalings")
    with pytest.raises(UsageError, match="functions y of x"):
        api.discover(x=x, dx=x, kind="flow", space="scalings")


@pytest.mark.parametrize(
    ("unit", "same"),
    [
        ("N", "kg m/s^2"),
        ("kJ/mol", "kg m^2 s^-2 mol^-1"),
        ("m s-1", "m/s"),
        ("W/m²", "kg s^-3"),
        ("Pa·s", "kg m^-1 s^-1"),
    ],
)
def test_units_are_read_as_they_are_written(unit: str, same: str) -> None:
    assert dimensions(unit) == dimensions(same) != dimensions("1")


def test_words_that_are_no_units_are_told() -> None:
    with pytest.raises(InputError, match="none of the SI"):
        dimensions("furlong/s")


def test_exponents_that_are_no_fractions_stand_as_they_were_fitted_with_their_errors() -> None:
    x = positive(400, 2, 11, 3.0)
    found = scalings_of(x, noisy(x[:, 0] ** 0.41 * x[:, 1] ** -1.21, 0.02), None, 0.05, 0)
    assert found.verdict is not None and found.verdict.word == "certified"
    assert found.scalings is not None and not found.scalings.rational and found.scalings.errors is not None
    off = (found.scalings.outputs - torch.tensor([0.41, -1.21], dtype=F64)).abs()
    assert bool((off < 4 * found.scalings.errors[:, 0]).all()) and float(found.scalings.errors.max()) < 0.02


def test_a_fraction_is_certified_only_where_no_other_as_simple_lies_within_the_errors() -> None:
    given = Scalings((0,), (), torch.zeros(1, 0, dtype=F64), torch.tensor([0.72], dtype=F64))
    settings = PowerLawSettings()
    # 2/3 with 1/2 and 1 within three errors, then 2/3 alone; 0.72 is none where errors are small.
    for error, fraction, told in ((0.1, 2 / 3, False), (0.03, 2 / 3, True), (0.005, None, True), (0.0092, None, False)):
        found, sure = rational(replace(given, errors=torch.tensor([[error]], dtype=F64)), settings)
        assert (None if found is None else float(found.outputs[0])) == (None if fraction is None else fraction)
        assert sure is told


def test_what_noise_leaves_open_is_undecided_with_its_errors(tmp_path: Path) -> None:
    """A law so near a power law that its group of variables cannot be told from neighbouring ones."""
    x = positive(300, 3, 13, 3.0)
    y = noisy(x[:, 0] * (1 + x[:, 1] / x[:, 2]) ** 0.3, 0.05)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"], file["y"] = x.numpy(), y.numpy()
    report = api.discover(DiscoverOptions(source=str(tmp_path / "d.h5"), space="scalings"))
    assert not report.certified
    assert any("is not told by these rows; as they were fitted" in note and "±" in note for note in report.notes)
