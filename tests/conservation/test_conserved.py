"""What flows and maps conserve, against mechanics: counts, formulas, relations, and zero where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import symfind
from symfind.conservation.conserved import RATES, Conservation, evidence_of_values
from symfind.conservation.dependence import dependence
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.hamiltonian import brackets, poisson_matrix
from symfind.data.hdf5 import write
from symfind.decision.finding import decide
from symfind.errors import InputError, UsageError
from symfind.fields.expressions import parse_expression
from symfind.fits.geometry import Moments, input_geometry
from symfind.fits.surrogate import Samples
from symfind.samples.draws import euler_equations, hopf_equations
from symfind.samples.mechanics import kepler_equations, pendulum_equations


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conservation(
    x: torch.Tensor, value: torch.Tensor, degree: int, formulas: tuple[str, ...] = (), rate: str = "flow"
) -> Conservation:
    names = [f"x{i}" for i in range(x.shape[1])]
    space = FunctionSpace.of("library", names, degree, [parse_expression(f, names) for f in formulas])
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, 1)
    return Conservation.of(space.centred(geometry.mean, geometry.scale), RATES[rate], geometry, x, value)


def file_of(path: Path, kind: str, names: tuple[str, ...], **arrays: torch.Tensor) -> str:
    write(path, {role: array.numpy() for role, array in arrays.items()}, {"kind": kind, "names": names})
    return str(path)


def test_the_seven_quantities_of_kepler_are_exactly_the_nullspace() -> None:
    r = normal(1500, 3, 1)
    r = (
        r
        * (0.6 + torch.rand(1500, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
        / r.norm(dim=1, keepdim=True)
    )
    x = torch.cat([r, 0.7 * normal(1500, 3, 3)], 1)
    root = "sqrt(x0**2+x1**2+x2**2)"
    found = conservation(x, kepler_equations(x), 3, (f"1/{root}", *(f"x{i}/{root}" for i in range(3))))
    values = found.spectrum(x, kepler_equations(x)).values
    assert float(values[6]) < 1e-12 and float(values[7]) > 0.2


def test_the_defect_of_a_function_is_its_change_over_its_spread() -> None:
    # dx/dt = (1, 0): x0 changes at rate 1, and E‖F‖²_{G⁻¹} = 1/var x0, so that ρ² = 1/((1/2)(1/var)(var)) = 2.
    x = normal(4000, 2)
    value = torch.tensor([1.0, 0.0], dtype=torch.float64).expand_as(x)
    spectrum = conservation(x, value, 1).spectrum(x, value)
    assert float(spectrum.values[0]) < 1e-14  # x1
    assert float(spectrum.values[1]) == pytest.approx(2**0.5, rel=1e-3)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 100), st.floats(0.01, 100))
def test_neither_units_nor_the_speed_of_time_change_the_spectrum(seed: int, factor: float) -> None:
    x = normal(300, 3, seed)
    value = euler_equations(x, (1.0, 2.0, 3.0))
    mix = normal(3, 3, seed + 1) + 2 * torch.eye(3, dtype=torch.float64)
    plain = conservation(x, value, 2).spectrum(x, value).values
    y, moved = x @ mix + 5, factor * value @ mix
    other = conservation(y, moved, 2).spectrum(y, moved).values
    assert torch.allclose(plain, other, atol=1e-6)


def test_a_function_that_is_constant_on_the_data_is_trivial_not_conserved() -> None:
    x = torch.nn.functional.normalize(normal(500, 2), dim=1)
    spectrum = conservation(x, hopf_equations(x), 2).spectrum(x, hopf_equations(x))
    assert spectrum.trivial.shape[1] == 1  # x² + y² on the limit cycle
    assert float(spectrum.values[0]) > 0.3


def test_trajectories_near_a_limit_cycle_conserve_nothing() -> None:
    # Most points lie close to the cycle, where |x|² hardly changes; it hardly varies there either.
    angle = 6 * torch.rand(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    radius = 1 + 1e-3 * normal(2000, 1, 5)[:, 0]
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
    samples = Samples(x, hopf_equations(x))
    evidence = evidence_of_values(conservation(x, samples.y, 2), samples, torch.Generator().manual_seed(0), given=False)
    assert not [g for g in decide(evidence, 0.05, 0.05, 60, 0).generators if g.verdict == "certified"]


def test_one_trajectory_is_declined(tmp_path: Path) -> None:
    t = torch.linspace(0, 6, 400, dtype=torch.float64)
    x = torch.stack([t.cos(), -t.sin()], 1)[None] * 1.3
    source = file_of(tmp_path / "one.h5", "flow", ("q", "p"), x=x, t=t)
    report = symfind.conserve(symfind.ConserveOptions(source=source))
    assert not [c for c in report.conserved or () if c.verdict == "certified"]


def test_noise_is_averaged_out_by_a_fit_and_hides_in_the_rows(tmp_path: Path) -> None:
    x = normal(1500, 3)
    clean = euler_equations(x, (1.0, 2.0, 3.0))
    noisy = clean + 0.1 * clean.std(0) * normal(1500, 3, 9)
    source = file_of(tmp_path / "noisy.h5", "flow", ("u", "v", "w"), x=x, dx=noisy)
    counts = {}
    for surrogate in ("measured", "auto"):
        report = symfind.conserve(symfind.ConserveOptions(source=source, surrogate=surrogate, bootstrap=60))
        counts[surrogate] = sum(c.verdict == "certified" for c in report.conserved or ())
    assert counts == {"measured": 0, "auto": 2}


def test_pendulum_with_its_hamiltonian_and_flow(tmp_path: Path) -> None:
    x = 1.2 * normal(600, 2)
    source = file_of(tmp_path / "pendulum.h5", "flow", ("q", "p"), x=x, dx=pendulum_equations(x))
    library = tmp_path / "cosine.yaml"
    library.write_text("features: [cos(q), sin(q)]")
    options = symfind.ConserveOptions(source=source, library=f"polynomial:2+{library}", symplectic="canonical")
    report = symfind.conserve(options)
    assert report.conserved is not None and report.conservation is not None
    (energy,) = report.conserved
    assert energy.expression == "p² − 2 cos(q)" and energy.verdict == "certified" and energy.independent
    assert energy.symmetry == "the flow itself (I1 = 2 H)"
    found = report.conservation.hamiltonian
    assert found is not None and found.expression == "0.5 p² − cos(q)" and found.verdict == "certified"


def test_a_flow_with_friction_is_not_hamiltonian_and_conserves_nothing(tmp_path: Path) -> None:
    x = normal(800, 2)
    dx = torch.stack([x[:, 1], -x[:, 0] - 0.8 * x[:, 1]], 1)
    source = file_of(tmp_path / "damped.h5", "flow", ("q", "p"), x=x, dx=dx)
    report = symfind.conserve(symfind.ConserveOptions(source=source, symplectic="canonical"))
    assert report.conserved == () and report.conservation is not None
    found = report.conservation.hamiltonian
    assert found is not None and found.verdict == "undecided" and found.defect > 0.2


def test_powers_and_products_are_not_counted_again() -> None:
    x = normal(500, 3)
    a, b = x[:, 0], x[:, 1] + x[:, 2]
    unit = torch.zeros(500, 5, 3, dtype=torch.float64)
    unit[:, 0, 0] = 1
    unit[:, 1, 1:] = 1
    unit[:, 2] = 2 * a[:, None] * unit[:, 0]
    unit[:, 3] = b[:, None] * unit[:, 0] + a[:, None] * unit[:, 1]
    unit[:, 4] = a.cos()[:, None] * unit[:, 0]
    values = torch.stack([a, b, a**2, 3 * a * b, a.sin()], 1)
    found = dependence(values, unit, ["I1", "I2", "I3", "I4", "I5"], 0.05)
    assert found.independent == (True, True, False, False, False)
    assert found.function_of[2:] == ("I1²", "3 I1 I2", "a function of I1, I2")


def test_poisson_brackets_of_angular_momentum_are_those_of_so3() -> None:
    x = normal(300, 6)
    q, p = x[:, :3], x[:, 3:]
    values = torch.linalg.cross(q, p)
    eye = torch.eye(3, dtype=torch.float64).expand(300, 3, 3)
    by_q = torch.linalg.cross(eye, p[:, None].expand(-1, 3, -1)).transpose(1, 2)
    by_p = torch.linalg.cross(q[:, None].expand(-1, 3, -1), eye).transpose(1, 2)
    found = brackets(torch.cat([by_q, by_p], 2), values, poisson_matrix("canonical", 6), ["a", "b", "c"])
    assert found == ("{a, b} = c", "{a, c} = −b", "{b, c} = a")


def test_bad_input_is_told_in_a_line(tmp_path: Path) -> None:
    x = normal(200, 2)
    source = file_of(tmp_path / "flow.h5", "flow", ("x", "y"), x=x, dx=x)
    library = tmp_path / "log.yaml"
    library.write_text("features: [log(x)]")
    cases = [
        ({"library": str(library)}, InputError, "'log\\(x\\)' is not finite"),
        ({"library": "cubic"}, UsageError, "expected polynomial:k"),
        ({"library": "polynomial:9"}, InputError, "too few for the library"),
        ({"symplectic": "odd"}, UsageError, "expected canonical"),
    ]
    for options, fault, text in cases:
        with pytest.raises(fault, match=text):
            symfind.conserve(symfind.ConserveOptions(source=source, **options))
    function = file_of(tmp_path / "function.h5", "function", ("x", "y"), x=x, y=x[:, 0])
    with pytest.raises(UsageError, match="of kind function"):
        symfind.conserve(symfind.ConserveOptions(source=function))


class PendulumFlow(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 1], -torch.sin(x[:, 0])], 1)


def test_a_model_of_a_flow_is_asked_itself(tmp_path: Path) -> None:
    path = tmp_path / "pendulum.pt"
    torch.jit.script(PendulumFlow()).save(str(path))
    library = tmp_path / "cosine.yaml"
    library.write_text("features: [cos(x), sin(x)]")
    options = symfind.ConserveOptions(
        source=str(path), kind="flow", sample="normal", shape=(2,), n_samples=400, library=f"polynomial:2+{library}"
    )
    report = symfind.conserve(options)
    assert [c.expression for c in report.conserved or ()] == ["y² − 2 cos(x)"]
    turned = symfind.discover(
        symfind.DiscoverOptions(
            source=str(path), kind="flow", sample="normal", shape=(2,), n_samples=400, discrete="signed-permutations"
        )
    )
    # The half turn, and each reflection with time turned around.
    assert turned.discrete_group is not None and turned.discrete_group.order == 4


def test_nothing_conserved_ends_with_status_4_where_it_is_required(tmp_path: Path) -> None:
    from symfind.cli.commands.conserve import conserve
    from symfind.cli.output import Output
    from symfind.errors import NothingCertified

    x = normal(400, 2)
    source = file_of(tmp_path / "decay.h5", "flow", ("x", "y"), x=x, dx=-x)
    options = symfind.ConserveOptions(source=source, library="polynomial:1", require_symmetry=True)
    with pytest.raises(NothingCertified) as raised:
        conserve(options, Output(str(tmp_path / "report.json"), None, True))
    assert raised.value.exit_code == 4
