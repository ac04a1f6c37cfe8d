"""Errors by degree, part and row: known functions on so(2), so(3), su(2) and a finite group, and what has no error."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import ScoreOptions
from symfind.equivariance.equivariance import Equivariance
from symfind.equivariance.scoring.spectrum import degrees_of, error_spectrum, parts_of
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.render.enforcement import quantity, score_table
from symfind.render.pages.documents import document_html
from symfind.schema.enforcement import ErrorSpectrum, Score

F64 = torch.float64


def spectrum(function, group: str, rep_in: str, rep_out: str, n: int = 24) -> ErrorSpectrum:  # type: ignore[no-untyped-def]
    made = parse_group(group)
    acts, gives = parse_representation(made, rep_in), parse_representation(made, rep_out)
    task = Equivariance(made, acts, gives, (acts.dim,), (gives.dim,))
    rng = torch.Generator().manual_seed(5)
    x = torch.randn(n, acts.dim, generator=rng, dtype=F64)
    found = error_spectrum(function, task, x, torch.arange(n), rng)
    assert isinstance(found, ErrorSpectrum)
    return found


@pytest.mark.parametrize(
    ("group", "rep", "function", "degree"),
    [
        ("so3", "V", lambda x: x[:, :1], 1),
        ("so3", "V", lambda x: x[:, :1] ** 2 - x.square().sum(1, keepdim=True) / 3, 2),
        # x₁x₂x₃ is a harmonic polynomial of degree three.
        ("so3", "V", lambda x: x.prod(1, keepdim=True), 3),
        ("so2", "V", lambda x: x[:, :1] * x[:, 1:], 2),
        # Re (x + iy)⁴
        ("so2", "V", lambda x: torch.complex(x[:, :1], x[:, 1:]).pow(4).real, 4),
        ("o3", "V", lambda x: x[:, :1], 1),
        # A spinor is of degree one in the entries of su(2), a vector made of it of degree two.
        ("su2", "V", lambda x: x[:, :1], 1),
        ("su2", "V", lambda x: x[:, :1] * x[:, 1:2], 2),
    ],
)
def test_all_error_is_at_the_degree_of_the_function(group: str, rep: str, function, degree: int) -> None:  # type: ignore[no-untyped-def]
    found = spectrum(function, group, rep, "1")
    shares = dict(zip(found.degrees, found.shares, strict=True))
    assert shares[degree] == pytest.approx(1.0, abs=1e-12)
    assert found.above < 1e-12 and found.quadrature_error < 1e-12
    assert found.relative == pytest.approx(1.0)  # nothing of F is invariant


def test_a_sum_has_the_squares_of_its_parts() -> None:
    """E over S² of x₁² is r²/3; of (x₁² − r²/3)² it is 4r⁴/45."""
    found = spectrum(lambda x: x[:, :1] + x[:, 1:2] ** 2, "so3", "V", "1")
    rng = torch.Generator().manual_seed(5)
    r2 = torch.randn(24, 3, generator=rng, dtype=F64).square().sum(1)
    one, two = float((r2 / 3).mean()), float((4 * r2**2 / 45).mean())
    assert found.rms == pytest.approx(math.sqrt(one + two))
    assert found.shares[:2] == pytest.approx((one / (one + two), two / (one + two)))


def test_the_error_is_that_of_its_part_and_of_no_other() -> None:
    """A vector and a tensor of degree two that are right, and a scalar that is not."""

    def function(x: Tensor) -> Tensor:
        vector = x * x.square().sum(1, keepdim=True)
        outer = torch.einsum("ni,nj->nij", x, x).flatten(1)
        return torch.cat([vector, outer, x[:, 2:]], 1)

    found = spectrum(function, "so3", "V", "V+V^2+1")
    assert {p.label: p.copies for p in found.parts} == {"spin 2": 1, "vector": 2, "scalar": 2}
    rms = {p.label: p.rms for p in found.parts}
    assert rms["spin 2"] == rms["vector"] == 0.0 and rms["scalar"] == pytest.approx(found.rms)


def test_the_parts_are_the_isotypic_ones() -> None:
    """Of V ⊗ V the trace, the antisymmetric and the traceless symmetric matrices, as projections."""
    made = parse_group("so3")
    rep = parse_representation(made, "V^2")
    parts = {p.label: p.basis @ p.basis.T for p in parts_of(Equivariance(made, rep, rep, (9,), (9,)))}
    swap = torch.einsum("il,jk->ijkl", torch.eye(3), torch.eye(3)).reshape(9, 9).double()
    trace = torch.outer(torch.eye(3).flatten(), torch.eye(3).flatten()).double() / 3
    one = torch.eye(9, dtype=F64)
    assert torch.allclose(parts["scalar"], trace, atol=1e-9)
    assert torch.allclose(parts["vector"], (one - swap) / 2, atol=1e-9)
    assert torch.allclose(parts["spin 2"], (one + swap) / 2 - trace, atol=1e-9)


@pytest.mark.parametrize(
    ("group", "function"),
    [
        ("so3", lambda x: x.norm(dim=1, keepdim=True)),
        ("so2", lambda x: x.norm(dim=1, keepdim=True).sin()),
        ("c4", lambda x: x.norm(dim=1, keepdim=True)),
        ("so3", lambda x: torch.ones_like(x[:, :1])),
    ],
)
def test_an_invariant_function_has_none(group: str, function) -> None:  # type: ignore[no-untyped-def]
    found = spectrum(function, group, "V", "1")
    assert found.rms == found.relative == found.above == 0.0
    assert not any(found.shares) and found.worst == ()


def test_four_fold_turns_have_what_so2_has_less_the_fourth_degree() -> None:
    assert spectrum(lambda x: x.pow(4).sum(1, keepdim=True), "c4", "V", "1").rms == 0.0
    found = spectrum(lambda x: x[:, :1], "c4", "V", "1")
    assert found.shares[0] == pytest.approx(1.0) and found.exact_to is None


def test_the_dimensions_are_those_of_peter_and_weyl() -> None:
    """(2l + 1)² matrix coefficients of degree l on so(3), two on so(2), (2j + 1)² on su(2)."""
    for name, degree, expected in (("so3", 8, [9, 25, 49, 81]), ("so2", 8, [2] * 4), ("su2", 8, [4, 9, 16, 25])):
        made = parse_group(name)
        assert isinstance(made, CompactGroup)
        assert [b.shape[1] for b in degrees_of(made.haar(degree), 4)] == expected


class Charges(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.square().sum(1, keepdim=True).cos() + 1e-3 * x[:, :1] * x


def test_score_names_the_worst_rows_in_the_users_units(tmp_path: Path) -> None:
    torch.jit.script(Charges()).save(str(tmp_path / "m.pt"))  # type: ignore[no-untyped-call]
    x = 0.1 * torch.randn(40, 3, generator=torch.Generator().manual_seed(3), dtype=F64)
    x[17] *= 40 / float(x[17].norm())
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = x.numpy()
    options = ScoreOptions(model=str(tmp_path / "m.pt"), group="so3", data=str(tmp_path / "d.h5"), units="eV/Å")
    document = symfind.score(options)
    assert isinstance(document, Score) and document.spectrum is not None
    # 1e-3 x₁x: the mean over the group of (g⁻¹e₁·x)… is zero, its square is r⁴/3.
    assert document.spectrum.worst[0].row == 17
    assert document.spectrum.worst[0].rms == pytest.approx(1e-3 * 1600 / math.sqrt(3))
    assert document.to_plain()["spectrum"]["worst"][0]["row"] == 17
    html = document_html(document)
    assert "Error by part and degree" in html and "degree 2" in html and "meV/Å" in html
    from rich.console import Console

    console = Console(width=160)
    with console.capture() as shown:
        console.print(score_table(document))
    assert "17 (924 meV/Å)" in shown.get()


def test_a_group_without_a_mean_has_no_degrees(tmp_path: Path) -> None:
    torch.jit.script(Charges()).save(str(tmp_path / "m.pt"))  # type: ignore[no-untyped-call]
    document = symfind.score(ScoreOptions(model=str(tmp_path / "m.pt"), group="so12", shape=(3,), rep_out="V"))
    assert isinstance(document, Score) and document.spectrum is None
    assert any("not compact" in note for note in document.notes)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.0123, "eV", "12.3 meV"),
        (2.5, "eV", "2.5 eV"),
        (4e-6, "eV/Å", "4 µeV/Å"),
        (0.01, "kg", "0.01 kg"),
        (0.01, "meV", "0.01 meV"),
        (0.01, "m^2", "0.01 m^2"),
        (0.01, None, "0.01"),
    ],
)
def test_small_numbers_take_a_prefix_where_the_unit_has_one(value: float, unit: str | None, shown: str) -> None:
    assert quantity(value, unit) == shown
