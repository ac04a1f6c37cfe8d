"""Every space of vector fields: values, derivatives, tables and texts agree with one another and with differences."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from symfind.fields.catalogue import SPACES, make_space
from symfind.fields.expressions import parse_expression
from symfind.fields.space import VectorFieldSpace, lie_bracket

YAML = "fields:\n- ['1', '0', '0']\n- ['sin(a)', 'b*c', '0']\n- ['-b', 'a', 'exp(-c^2)']\nvariables: [a, b, c]\n"
# Of families with a degree or a size in their name. Random features are written f1, f2, … and are others where they are
# centred: no text reads back as them, and no span is kept.
EXAMPLES = {
    "polynomial": ("polynomial:0", "polynomial:2", "polynomial:3"),
    "point": ("point:1", "point:chebyshev:2,1,1"),
    "random-features": (),
}
NAMES = (
    *(name for family in SPACES for name in (EXAMPLES[family.name] if family.shown else (family.name,))),
    "so+translations", "diagonal+polynomial:2", "YAML", "YAML+so",
)  # fmt: skip
COORDINATES = ("u", "v", "w")


@pytest.fixture(scope="module", params=NAMES)
def space(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorFieldSpace:
    path: Path = tmp_path_factory.mktemp("spaces") / "own.yaml"
    path.write_text(YAML, encoding="utf-8")
    return make_space(request.param.replace("YAML", str(path)), 3, COORDINATES)


@pytest.fixture(params=["as named", "centred"])
def placed(request: pytest.FixtureRequest, space: VectorFieldSpace) -> VectorFieldSpace:
    if request.param == "as named":
        return space
    return space.centred(
        torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), torch.tensor([0.5, 3.0, 1.0], dtype=torch.float64)
    )


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_shapes_and_dtypes(placed: VectorFieldSpace) -> None:
    x, p = points(5, 3), placed.dim
    assert placed.evaluate(x).shape == (5, p, 3)
    assert placed.jacobian(x).shape == (5, p, 3, 3)
    assert placed.along(x, x).shape == (5, p, 3)
    assert placed.push(x, points(5, 2, 3)).shape == (5, 2, p)
    assert placed.push(x, points(5, 0, 3)).shape == (5, 0, p)
    assert len(placed.names(COORDINATES)) == p
    single = placed.evaluate(x.float())
    assert single.dtype == torch.float32
    # 1e-5: a few roundings of float32 in polynomials of degree three.
    torch.testing.assert_close(single.double(), placed.evaluate(x), rtol=1e-4, atol=1e-4)


def test_jacobian_is_the_limit_of_differences(placed: VectorFieldSpace) -> None:
    x, h = points(6, 3), 1e-5
    for b in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[b] = h
        difference = (placed.evaluate(x + step) - placed.evaluate(x - step)) / (2 * h)
        # Central differences: h² times third derivatives, and rounding over h.
        torch.testing.assert_close(placed.jacobian(x)[..., b], difference, rtol=1e-6, atol=1e-7)


def test_along_is_the_jacobian_times_a_vector(placed: VectorFieldSpace) -> None:
    x, v = points(6, 3), points(6, 3, seed=1)
    expected = torch.einsum("npab,nb->npa", placed.jacobian(x), v)
    torch.testing.assert_close(placed.along(x, v), expected, rtol=1e-12, atol=1e-12)


def test_push_is_the_pairing_with_covectors(placed: VectorFieldSpace) -> None:
    x, w = points(6, 3), points(6, 4, 3, seed=1)
    expected = torch.einsum("nmd,npd->nmp", w, placed.evaluate(x))
    torch.testing.assert_close(placed.push(x, w), expected, rtol=1e-12, atol=1e-12)


def test_centring_keeps_the_span(space: VectorFieldSpace) -> None:
    mean, scale = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([0.5, 3.0, 1.0]).double()
    x = points(60, 3)
    plain, moved = space.evaluate(x), space.centred(mean, scale).evaluate(x)
    a, b = plain.transpose(1, 2).reshape(180, -1), moved.transpose(1, 2).reshape(180, -1)
    rest = b - a @ torch.linalg.lstsq(a, b, driver="gelsd").solution
    assert float(rest.abs().max()) < 1e-10 * float(b.abs().max())
    assert torch.linalg.matrix_rank(a) == torch.linalg.matrix_rank(b)


def test_table_is_linear_and_does_not_depend_on_the_placing(placed: VectorFieldSpace, space: VectorFieldSpace) -> None:
    """A generator has one row in the user's coordinates, whatever the space is centred on."""
    x = points(80, 3)
    c = points(placed.dim, 2, seed=4)
    a = placed.evaluate(x).transpose(1, 2).reshape(240, -1)
    b = space.evaluate(x).transpose(1, 2).reshape(240, -1)
    same = torch.linalg.lstsq(b, a @ c, driver="gelsd").solution  # the same fields in the space as it was named
    rows = placed.table(c)
    assert rows.shape[0] == 2
    if torch.linalg.matrix_rank(b) == space.dim:  # a sum with a field in both parts has no unique coefficients
        torch.testing.assert_close(rows, space.table(same), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(placed.table(c @ torch.tensor([[2.0], [-1.0]]).double()), 2 * rows[:1] - rows[1:])


def test_expression_reads_back_as_the_field(placed: VectorFieldSpace) -> None:
    """Every printed term is coefficient · monomial · ∂: parsed and summed it is the field again."""
    if "own" in placed.name:
        pytest.skip("formulas of the user's are printed as typed")
    c = points(placed.dim, seed=2)
    x = points(20, 3)
    field = torch.einsum("npd,p->nd", placed.evaluate(x), c)
    text = placed.expression(c, COORDINATES)
    total = torch.zeros_like(field)
    values = dict(zip(COORDINATES, x.unbind(1), strict=True))
    for term in text.replace("− ", "+ −").split(" + "):
        body, _, direction = term.strip().rpartition("∂")
        sign = -1.0 if body.startswith("−") else 1.0
        product = body.lstrip("−").replace("²", "^2").replace("³", "^3").strip().replace(" ", "*")
        number = parse_expression(product or "1", COORDINATES)(values)
        total[:, COORDINATES.index(direction)] += sign * number
    # Numbers are printed with four digits.
    torch.testing.assert_close(total, field, rtol=0, atol=2e-3 * float(field.abs().max()))


def test_bracket_is_antisymmetric_and_is_that_of_derivatives(placed: VectorFieldSpace) -> None:
    x, c = points(7, 3), points(placed.dim, 2, seed=3)
    fields, brackets = lie_bracket(placed, c, x)
    a, b = fields.reshape(2, 7, 3)
    slopes = torch.einsum("npij,pk->knij", placed.jacobian(x), c)
    expected = torch.einsum("nij,nj->ni", slopes[1], a) - torch.einsum("nij,nj->ni", slopes[0], b)
    torch.testing.assert_close(brackets[0, 1].reshape(7, 3), expected, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(brackets, -brackets.transpose(0, 1))


def test_constants_are_in_the_span_where_the_space_says_so(placed: VectorFieldSpace) -> None:
    x = points(40, 3)
    a = placed.evaluate(x).transpose(1, 2).reshape(120, -1)
    constants = torch.eye(3, dtype=torch.float64).repeat(40, 1)
    rest = constants - a @ torch.linalg.lstsq(a, constants, driver="gelsd").solution
    assert placed.has_constants == (float(rest.abs().max()) < 1e-9)


def test_random_features_have_the_derivatives_of_their_values() -> None:
    fields = make_space("random-features:4", 3, COORDINATES)
    x, step = points(8, 3), 1e-6
    assert fields.evaluate(x).shape == (8, fields.dim, 3)
    for i in range(3):
        shift = step * torch.eye(3, dtype=torch.float64)[i]
        slope = (fields.evaluate(x + shift) - fields.evaluate(x - shift)) / (2 * step)
        torch.testing.assert_close(fields.jacobian(x)[..., i], slope, rtol=1e-6, atol=1e-8)
