"""Spaces from YAML and the formulas in them: values, refusals with a caret, nothing that is not arithmetic."""

import math
from pathlib import Path

import pytest
import torch

from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.expressions import parse_expression
from symfind.fields.space import finite_fields

X = torch.tensor([[0.5, 2.0], [1.5, -0.25]], dtype=torch.float64)


def values() -> dict[str, torch.Tensor]:
    return {"a": X[:, 0], "b": X[:, 1]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", lambda a, b: a),
        ("-a^2 + 3*b", lambda a, b: -(a**2) + 3 * b),
        ("2", lambda a, b: 2.0),
        ("pi*sin(a)/exp(b)", lambda a, b: math.pi * math.sin(a) / math.exp(b)),
        ("a**b", lambda a, b: a**b),
        ("sqrt(abs(b)) - +1e-3", lambda a, b: math.sqrt(abs(b)) - 1e-3),
        ("log(a) + tanh(b) + cosh(a) - sinh(b) + cos(a)*tan(a)",
         lambda a, b: math.log(a) + math.tanh(b) + math.cosh(a) - math.sinh(b) + math.sin(a)),
    ],
)  # fmt: skip
def test_a_formula_has_its_value(text: str, expected: object) -> None:
    found = parse_expression(text, ("a", "b"))(values())
    assert callable(expected)
    torch.testing.assert_close(found, torch.tensor([expected(*row) for row in X.tolist()], dtype=torch.float64))


def test_a_variable_hides_a_constant() -> None:
    assert parse_expression("e", ("e",))({"e": torch.tensor([5.0])}).tolist() == [5.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a +", "does not parse"),
        ("a + c", "unknown name 'c'"),
        ("sn(a)", "only arithmetic"),
        ("__import__('os')", "only arithmetic"),
        ("a.real", "only arithmetic"),
        ("True", "only arithmetic"),
        ("'a'", "only arithmetic"),
        ("a if b else 1", "only arithmetic"),
        ("1j", "only arithmetic"),
        ("(" * 500 + "a" + ")" * 500, "parse"),
        ("a+" * 1500 + "a", "2000"),
        ("", "does not parse"),
    ],
)
def test_anything_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_expression(text, ("a", "b"))


def test_the_caret_stands_under_the_fault() -> None:
    with pytest.raises(UsageError) as fault:
        parse_expression("a + 2*zz", ("a",))
    _, source, caret = str(fault.value).split("\n")
    assert source[caret.index("^")] == "z"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_space_of_formulas(tmp_path: Path) -> None:
    name = write(tmp_path / "own.yaml", "name: mine\nfields:\n- ['1', '0']\n- ['-b', a]\n- [0, 2]\n")
    space = make_space(name, 2, ("a", "b"))
    assert (space.name, space.dim, space.d, space.has_constants) == ("mine", 3, 2, True)
    expected = torch.stack([torch.tensor([[1.0, 0.0], [-row[1], row[0]], [0.0, 2.0]]).double() for row in X])
    torch.testing.assert_close(space.evaluate(X), expected)
    assert space.names(("a", "b"))[1] == "(-b) ∂a + (a) ∂b"
    assert space.expression(torch.tensor([0.0, 1.0, 0.0]).double(), ("a", "b")) == "[(-b) ∂a + (a) ∂b]"


def test_without_every_constant_a_field_is_measured_about_its_mean(tmp_path: Path) -> None:
    assert not make_space(write(tmp_path / "s.yaml", "fields:\n- ['1', '0']\n"), 2, ("a", "b")).has_constants


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("fields: 3", InputError, "list of lists"),
        ("", InputError, "list of lists"),
        ("fields:\n- ['a']\n", InputError, "list of 2 formulas"),
        ("fields:\n- ['a', 'zz']\n", UsageError, "unknown name"),
        ("fields:\n- ['a', 'b']\nnmae: x\n", InputError, "unknown key 'nmae'"),
        ("fields:\n- ['a', 'b']\nvariables: [a]\n", UsageError, "names 1 variables"),
        ("fields: [", InputError, "cannot be read"),
    ],
)
def test_files_that_are_no_space(tmp_path: Path, text: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        make_space(write(tmp_path / "s.yaml", text), 2, ("a", "b"))


def test_a_field_that_is_not_finite_on_the_data_is_refused(tmp_path: Path) -> None:
    space = make_space(write(tmp_path / "s.yaml", "name: inv\nfields:\n- ['1/a', '0']\n"), 2, ("a", "b"))
    finite_fields(space, X)
    with pytest.raises(InputError, match="'inv' is not finite"):
        finite_fields(space, torch.zeros(1, 2, dtype=torch.float64))
