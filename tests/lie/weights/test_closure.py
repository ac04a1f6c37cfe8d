"""What generators close to: dimensions and names of textbooks, and what does not close to them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml

from symfind import api
from symfind.errors import InputError
from symfind.lie.groups.families.generators import so_generators
from symfind.lie.weights.generated import generated_algebra
from symfind.lie.weights.pauli import pauli_closure, pauli_matrices
from symfind.linalg.subspaces import UnclearRank


def chain(terms: list[str], n: int) -> list[str]:
    """Words on neighbouring letters of an open chain."""
    return ["I" * i + t + "I" * (n - 2 - i) for t in terms for i in range(n - 1)]


def closed(path: Path, **document: object) -> api.Report:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return api.identify(str(path), close=True)


@pytest.mark.parametrize(
    ("words", "growth", "name"),
    [
        (["XI", "IX", "ZZ"], (3, 5, 6), "so(4)"),  # two free fermion modes
        (chain(["XX", "YY", "ZZ"], 3), (6, 12, 15), "su(4)"),  # Heisenberg, odd: su(2^(n−1))
        (chain(["XX", "YY", "ZZ"], 4), (9, 21, 39, 51, 60), "4 su(4)"),  # even: four times su(2^(n−2))
        (chain(["XX", "YZ"], 3), (4, 7, 9, 10), "so(5)"),  # sp(2), which is so(5)
        (chain(["XY", "XZ"], 4), (6, 17, 25, 29, 33, 34, 36), "usp(8)"),  # sp(2^(n−2))
        (["XI", "IX"], (2,), "2 u(1)"),
    ],
)
def test_pauli_strings_close_to_what_is_published(
    tmp_path: Path, words: list[str], growth: tuple[int, ...], name: str
) -> None:
    report = closed(tmp_path / "p.yaml", paulis=words)
    assert (report.algebra.growth, report.algebra.name) == (growth, name)
    # Strings alone count the same as matrices.
    assert pauli_closure(words).growth == growth


def test_all_of_su16_is_named(tmp_path: Path) -> None:
    report = closed(tmp_path / "p.yaml", paulis=chain(["XX", "XY", "YZ"], 4))
    assert (report.algebra.name, report.algebra.dimension) == ("su(16)", 255)
    assert report.algebra.representation is not None
    assert [p.dimension for p in report.algebra.representation.parts] == [16]


@pytest.mark.parametrize(
    ("terms", "dimension"),
    [
        (["XX", "YY", "XY"], lambda n: n * (2 * n - 1)),  # so(2n)
        (["XX", "XZ"], lambda n: (2 * n - 1) * (n - 1)),  # so(2n − 1)
        (["XY", "YX", "YZ"], lambda n: 2 ** (n - 1) * (2**n - 1)),  # so(2^n)
        (["XX"], lambda n: n - 1),
    ],
)
def test_strings_of_eight_letters_are_counted(terms: list[str], dimension: object) -> None:
    assert pauli_closure(chain(terms, 8)).dimension == dimension(8)  # type: ignore[operator]


def test_complex_matrices_are_read_from_each_format(tmp_path: Path) -> None:
    matrices = pauli_matrices(["XI", "IX", "ZZ"]).numpy()
    np.savez(tmp_path / "m.npz", generators=matrices)
    np.save(tmp_path / "m.npy", matrices)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["generators"] = matrices
    typed = [[[str(v).strip("()") for v in row] for row in m] for m in matrices.tolist()]
    (tmp_path / "m.json").write_text(yaml.safe_dump({"generators": typed}, default_flow_style=True), encoding="utf-8")
    for name in ("m.npz", "m.npy", "m.h5", "m.json"):
        assert api.identify(str(tmp_path / name), close=True).algebra.name == "so(4)", name


def test_two_turns_and_two_boosts_generate_the_whole(tmp_path: Path) -> None:
    two = so_generators(3)[:2].tolist()
    report = closed(tmp_path / "g.yaml", generators=two)
    assert (report.algebra.name, report.algebra.growth) == ("so(3)", (2, 3))
    assert len(report.certified) == 3
    boosts = [m.tolist() for m in so_generators(1, 3) if bool((m == m.T).all())]
    report = closed(tmp_path / "b.yaml", generators=boosts)
    assert (report.algebra.name, report.algebra.growth) == ("so(1,3)", (3, 6))


def test_two_random_matrices_are_no_small_algebra(tmp_path: Path) -> None:
    # Generic ones generate all of gl(4), of which nothing is special.
    g = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert closed(tmp_path / "g.yaml", generators=g.tolist()).algebra.dimension == 16


def test_noise_hides_whether_a_bracket_is_new() -> None:
    turn, other = so_generators(3)[:2]
    # [L₁, L₁ + 0.02 L₂] = 0.02 L₃ up to norms: of the size of the noise that is stated.
    with pytest.raises(UnclearRank, match="cannot be told"):
        generated_algebra(torch.stack([turn, turn + 0.02 * other]), 100, noise=0.01)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"paulis": ["XX", "XQ"]}, "no Pauli string"),
        ({"paulis": ["XX", "X"]}, "has 1 letters"),
        ({"paulis": ["XX"], "noise": 0.1}, "stand alone"),
        ({"paulis": ["X" * 40]}, "at most 13"),
        ({"generators": [[["1j", "x"], [0, 1]]]}, "not a list of rows"),
    ],
)
def test_what_cannot_be_closed_ends_with_a_line(tmp_path: Path, document: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        closed(tmp_path / "p.yaml", **document)
