"""Dimensions of point symmetry algebras, from random points on the equations: exact, without any data."""

from __future__ import annotations

import pytest
import torch
from jet_samples import heat_jets, random_jets

from symfind.errors import UsageError
from symfind.fields.catalogue import make_space
from symfind.fields.expressions import parse_expression
from symfind.kinds.field.equation import parse_equation
from symfind.kinds.field.prolongation import Prolongation, Scales
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum
from symfind.linalg.subspaces import principal_cosines

TX, TXY = ("t", "x"), ("t", "x", "y")
NS = "u_t + u*u_x + v*u_y + p_x = 0.7*(u_xx + u_yy); v_t + u*v_x + v*v_y + p_y = 0.7*(v_xx + v_yy); u_x + v_y = 0"


def spectrum_of(text: str, space: str, independent=TX, dependent=("u",), rows: int = 300, jets=None):
    """(space, points, spectrum) of an equation."""
    equation = parse_equation(text, independent, dependent)
    jets = random_jets(equation, rows) if jets is None else equation.solved(jets)[0]
    z = torch.cat([jets.points, jets.values], 1)
    fields = make_space(space, z.shape[1], (*independent, *dependent)).centred(z.mean(0), z.std(0))
    prolongation = Prolongation(equation, fields, Scales.of(equation, jets, equation.linearised(jets)))
    parts = [prolongation.rows(jets.take(rows)) for rows in torch.arange(jets.rows).split(prolongation.rows_at_once)]
    m, s = (torch.cat([part[i].flatten(0, 1) for part in parts]) for i in (0, 1))
    return fields, z, generalised_spectrum(m, s)


def null(spectrum: GeneralisedSpectrum) -> int:
    assert not spectrum.trivial.shape[1]
    return int((spectrum.values < 1e-10).sum())


@pytest.mark.parametrize(
    ("text", "space", "dimension"),
    [
        ("u_t + u*u_x + u_xxx = 0", "point:1", 4),
        ("u_t + u*u_x + u_xxx = 0", "point:2", 4),
        ("u_t + u*u_x + u_xx + u_xxxx = 0", "point:2", 3),
        ("u_t + u*u_x = 0.3*u_xx", "point:1", 4),
        ("u_t + u*u_x = 0.3*u_xx", "point:2", 5),
        ("u_t = u_xx", "point:1", 6),
        ("u_t = u_xx", "point:2", 8),
        ("u_t = u_xx", "point:3", 10),
        ("u_t*exp(-t/50) + u*u_x + u_xxx = 0", "point:1", 2),
        ("u_t + u*u_x + u_xxx + u/(2*t+2) = 0", "point:1", 2),
        ("u_t = (1 + sin(3*t)*x)*u_xx + cos(x + 2*t)*u*u_x + u**2*x", "point:2", 0),
    ],
)
def test_dimensions(text: str, space: str, dimension: int) -> None:
    assert null(spectrum_of(text, space)[2]) == dimension


def test_two_space_dimensions_and_systems() -> None:
    assert null(spectrum_of("u_t = u_xx + u_yy", "point:2", TXY)[2]) == 14
    assert null(spectrum_of(NS, "point:2", TXY, ("u", "v", "p"), 200)[2]) == 12


def test_cylindrical_kdv_has_four_in_a_space_of_roots(tmp_path) -> None:
    path = tmp_path / "roots.yaml"
    path.write_text(
        "fields:\n  - ['t+1', '0', '0']\n  - ['(t+1)**1.5', '0', '0']\n  - ['0', '1', '0']\n  - ['0', 'x', '0']\n"
        "  - ['0', 'sqrt(t+1)', '0']\n  - ['0', 'sqrt(t+1)*x', '0']\n  - ['0', '0', 'u']\n"
        "  - ['0', '0', 'x/sqrt(t+1)']\n  - ['0', '0', '1/sqrt(t+1)']\n  - ['0', '0', 'sqrt(t+1)*u']\n"
    )
    text = "u_t + u*u_x + u_xxx + u/(2*t+2) = 0"
    fields, _, spectrum = spectrum_of(text, str(path))
    assert null(spectrum) == 4
    (generator,) = [c for c in spectrum_of(text, f"{path}+translations")[2].values if 1e-10 < c < 1e-9] or [None]
    assert generator is None  # ∂t and ∂u add nothing, ∂x is counted once as trivial


def test_the_nullspace_of_kdv_is_the_known_one() -> None:
    fields, z, spectrum = spectrum_of("u_t + u*u_x + u_xxx = 0", "point:2")
    values = dict(zip("txu", z.unbind(1), strict=True))
    rows = []
    for components in (("1", "0", "0"), ("0", "1", "0"), ("0", "t", "1"), ("3*t", "x", "-2*u")):
        rows.append(torch.stack([parse_expression(f, "txu")(values) for f in components], 1).flatten())
    found = torch.einsum("npa,pk->kna", fields.evaluate(z), spectrum.vectors[:, :4]).flatten(1)
    assert float(principal_cosines(found, torch.stack(rows)).min()) > 1 - 1e-10


def test_the_wave_equation_in_light_cone_form_is_the_wave_equation() -> None:
    """s = t + x, r = t − x turns u_tt = u_xx into u_sr = 0: a linear change keeps the dimension in point:1."""
    assert null(spectrum_of("u_tt = u_xx", "point:1")[2]) == null(spectrum_of("u_tx = 0", "point:1")[2])


def test_random_features_are_prolonged_like_formulas() -> None:
    equation = parse_equation("u_t + u*u_x + u_xxx = 0", TX, ("u",))
    jets = random_jets(equation, 40)
    space = make_space("random-features:2,0.4", 3, ("t", "x", "u"))
    text = [
        [f"tanh({'+'.join(f'({space.weights[a, i]:.17g})*{v}' for a, v in enumerate('txu'))}+({space.offsets[i]:.17g}))"
         if a == b else "0" for b in range(3)]
        for i in range(2) for a in range(3)
    ]  # fmt: skip
    from symfind.fields.user import UserFields

    typed = UserFields("t", 3, False, tuple(tuple(parse_expression(f, "txu") for f in row) for row in text))
    scales = Scales.of(equation, jets, equation.linearised(jets))
    m, s = Prolongation(equation, space, scales).rows(jets)
    m2, s2 = Prolongation(equation, typed, scales).rows(jets)
    assert torch.allclose(m[..., 3:], m2, atol=1e-10) and torch.allclose(s[..., 3:], s2, atol=1e-10)


def test_fields_that_are_too_rough_to_prolong_are_refused() -> None:
    class Rough:
        name, d, dim = "rough", 3, 1

    equation = parse_equation("u_t = u_xx", TX, ("u",))
    jets = heat_jets(20)
    prolongation = Prolongation(equation, Rough(), Scales.of(equation, jets, equation.linearised(jets)))
    with pytest.raises(UsageError, match="prolonged"):
        prolongation.rows(jets)


@pytest.mark.parametrize(
    "name",
    [
        "point:chebyshev:3,1",
        "point:chebyshev:3,1,x",
        "point:x",
        "random-features:0",
        "random-features:9,",
        "random-features:9,0",
    ],
)
def test_spaces_that_make_no_sense(name: str) -> None:
    with pytest.raises(UsageError, match="should be"):
        make_space(name, 3, ("t", "x", "u"))
