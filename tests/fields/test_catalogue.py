"""Names of spaces: dimensions from combinatorics, spans from their definitions, errors that help."""

import math
from pathlib import Path

import pytest
import torch

from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space, space_names
from symfind.fields.polynomial import PolynomialFields, monomial_exponents


def named(d: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(d))


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_dimensions(d: int) -> None:
    def dim(name: str) -> int:
        return make_space(name, d, named(d)).dim

    assert dim("linear") == dim("gl") == d * d
    assert dim("affine") == dim("aff") == d * d + d
    assert dim("translations") == dim("diagonal") == d
    assert dim("se") == dim("killing") == d * (d + 1) // 2
    if d > 1:
        assert dim("so") == d * (d - 1) // 2
        assert dim("sl") == d * d - 1
    for k in range(5):
        assert dim(f"polynomial:{k}") == d * math.comb(d + k, k)
    assert dim("linear+translations") == d * d + d


def test_so_is_skew_and_sl_is_traceless_and_diagonal_is_diagonal() -> None:
    so, sl, diagonal = (make_space(n, 4, named(4)) for n in ("so", "sl", "diagonal"))
    assert isinstance(so, PolynomialFields) and isinstance(sl, PolynomialFields)
    assert isinstance(diagonal, PolynomialFields)
    a = so.matrices()
    torch.testing.assert_close(a, -a.transpose(1, 2))
    assert float(sl.matrices().diagonal(dim1=1, dim2=2).sum(1).abs().max()) == 0.0
    for space in (so, sl):
        assert torch.linalg.matrix_rank(space.matrices().flatten(1)) == space.dim
    assert float((diagonal.matrices() - torch.diag_embed(torch.eye(4, dtype=torch.float64))).abs().max()) == 0.0


def test_every_listed_name_but_the_pattern_can_be_made() -> None:
    for name in space_names():
        filled = name.replace(":k", ":2").replace(":i,j,k", ":2,1,1").replace(":m", ":5")
        assert make_space(filled, 3, named(3)).dim > 0


def test_monomials_are_counted_once_and_ascend() -> None:
    exponents = monomial_exponents(3, 0, 4)
    assert len(exponents) == math.comb(7, 4) == len(torch.unique(exponents, dim=0))
    assert bool((exponents.sum(1).diff() >= 0).all())
    assert monomial_exponents(2, 1, 1).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("name", "d", "says"),
    [
        ("lineer", 3, "did you mean linear"),
        ("polynomial:x", 3, "degree k from 0 to 8"),
        ("polynomial:9", 2, "degree k from 0 to 8"),
        ("polynomial:8", 20, "at most 20000"),
        ("so", 1, "empty in dimension 1"),
        ("linear+", 2, "unknown space ''"),
    ],
)
def test_names_that_cannot_be(name: str, d: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make_space(name, d, named(d))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.yaml"):
        make_space(str(tmp_path / "nowhere.yaml"), 2, named(2))
