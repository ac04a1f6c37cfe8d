"""L_ξF and its pencil: exact symmetries, the defect written out as expectations, units, support, dead inputs."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from symfind.fields.catalogue import make_space
from symfind.fits.geometry import Moments, input_geometry
from symfind.kinds.frame import Frame
from symfind.kinds.maps.nullspace import lie_derivative
from symfind.kinds.questions import QUESTIONS
from symfind.lie_derivative import Free, Invariant, LieDerivative, Same, constant_slope
from symfind.linalg.nullspace import Dense, GeneralisedSpectrum, Streamed


@dataclass(frozen=True)
class Analytic:
    """F given by a torch function of one row ``(k, d)``; its Jacobian from torch."""

    f: object
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        assert callable(self.f)
        return torch.func.vmap(self.f)(x)

    def value_and_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n = x.shape[0]
        jacobian = torch.func.vmap(torch.func.jacrev(self.f))(x)
        return self(x).reshape(n, -1), jacobian.reshape(n, -1, x[0].numel())


def derivative_of(
    f: object, x: Tensor, *, space: str = "linear", action: object = None, kind: str = "function"
) -> LieDerivative:
    assert callable(f)
    shape = tuple(x.shape[1:])
    k, d = (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])
    out = tuple(f(x[0]).shape)
    outputs = (1, max(1, f(x[0]).numel())) if len(out) <= 1 else (out[0], out[1])
    moments = Moments(k * d)
    moments.add(x.flatten(1))
    geometry = input_geometry(moments, k)
    fields = make_space(space, d, tuple(f"x{i}" for i in range(d))).centred(geometry.mean, geometry.scale)
    chosen = action or (QUESTIONS[kind].action("auto", (k, d), outputs)[0] if kind != "function" else Invariant())
    frame = Frame(QUESTIONS[kind], (k, d), outputs, geometry, fields, chosen)  # type: ignore[arg-type]
    return lie_derivative(frame, Analytic(f, shape, out), x)


def spectrum(derivative: LieDerivative, x: Tensor) -> GeneralisedSpectrum:
    return Dense().solve([derivative.pencil(x)], derivative.unknowns)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def nullity(found: GeneralisedSpectrum) -> int:
    # Exact derivatives: what is zero comes out below 1e-12, what is not above 1e-3 in these problems.
    assert not bool(((found.values > 1e-12) & (found.values < 1e-3)).any())
    return int((found.values < 1e-12).sum())


def radial(x: Tensor) -> Tensor:
    return (1 + x.square().sum()).sqrt().exp()


def crooked(x: Tensor) -> Tensor:
    return x[0] + x[1] * x[2] + x[0] ** 2 * x[1] + x[2] ** 3 - x[1] ** 3 / 2


@pytest.mark.parametrize(("space", "expected"), [("linear", 3), ("affine", 3), ("so", 3), ("diagonal", 0)])
def test_a_function_of_the_radius(space: str, expected: int) -> None:
    x = normal(400, 3)
    assert nullity(spectrum(derivative_of(radial, x, space=space), x)) == expected


@pytest.mark.parametrize("space", ["linear", "affine", "so", "translations"])
def test_a_function_without_symmetry(space: str) -> None:
    x = normal(400, 3)
    found = spectrum(derivative_of(crooked, x, space=space), x)
    assert nullity(found) == 0
    assert found.trivial.shape[1] == 0


def test_minkowski_products_of_two_momenta_under_one_action() -> None:
    x = normal(300, 2, 4)
    signs = torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=torch.float64)

    def mass(p: Tensor) -> Tensor:
        return (signs * p.sum(0) ** 2).sum() + 0.3 * (signs * p[0] ** 2).sum() ** 2

    assert nullity(spectrum(derivative_of(mass, x), x)) == 6  # so(1,3)


def test_actions_on_a_vector_output() -> None:
    """Kepler's −x/|x|³: so(3) if y turns as x does, and the scaling too where any matrix may act on y."""
    x = normal(300, 3) + torch.tensor([0.1, 0.0, 0.0])

    def pull(z: Tensor) -> Tensor:
        return -z / z.norm() ** 3

    assert nullity(spectrum(derivative_of(pull, x, action=Same()), x)) == 3
    free = derivative_of(pull, x, action=Free(3))
    found = spectrum(free, x)
    assert nullity(found) == 4
    matrices = torch.stack([constant_slope(free.space, v) for v in found.vectors[:, :4].T])  # type: ignore[misc]
    outputs = torch.stack([free.action.matrix(free.space, v) for v in found.vectors[:, :4].T])  # type: ignore[misc]
    torch.testing.assert_close(  # the trace part of A acts on y by minus twice itself
        outputs.diagonal(dim1=1, dim2=2).sum(1), -2 * matrices.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(("inertia", "expected"), [((1.0, 2.0, 3.0), 1), ((1.0, 1.0, 2.0), 3)])
def test_rigid_bodies(inertia: tuple[float, float, float], expected: int) -> None:
    moments = torch.tensor(inertia, dtype=torch.float64)
    x = normal(400, 3)

    def euler(w: Tensor) -> Tensor:
        return torch.linalg.cross(moments * w, w) / moments

    assert nullity(spectrum(derivative_of(euler, x, kind="flow"), x)) == expected


def test_a_linear_flow_has_its_centraliser_and_the_rescaling_of_nothing_else() -> None:
    a = torch.diag(torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64))
    x = normal(300, 3)
    assert nullity(spectrum(derivative_of(lambda z: a @ z, x, kind="flow"), x)) == 3  # diagonal matrices commute


def test_maps_commute_with_one_step() -> None:
    x = normal(300, 2)

    def twist(z: Tensor) -> Tensor:
        t = 1 + z.square().sum() / 2
        return torch.stack([t.cos() * z[0] - t.sin() * z[1], t.sin() * z[0] + t.cos() * z[1]])

    assert nullity(spectrum(derivative_of(twist, x, kind="map"), x)) == 1


def test_the_defect_is_the_quotient_of_expectations() -> None:
    """ρ² for one candidate, from DESIGN §2 term by term with plain means and inverses."""
    x = normal(500, 2) * torch.tensor([3.0, 0.2]) + torch.tensor([1.0, -2.0])

    def f(z: Tensor) -> Tensor:
        return torch.stack([z[0] * z[1] + z[0], (z[0] - z[1]).sin(), z[1] ** 2])

    matrix = torch.tensor([[0.3, -1.0], [0.7, 0.1]], dtype=torch.float64)
    derivative = derivative_of(f, x, action=Free(3))
    b = normal(3, 3, seed=4)
    fields = derivative.space.evaluate(x).transpose(1, 2).reshape(1000, -1)
    c = torch.linalg.lstsq(fields, (x @ matrix.T).reshape(1000, 1)).solution[:, 0]
    pencil = derivative.pencil(x)
    vector = torch.cat([c, b.flatten()])
    found = (pencil.m @ vector).square().sum() / (pencil.s @ vector).square().sum()

    y, slope = derivative.map.value_and_jacobian(x)
    g, h = torch.cov(x.T, correction=0), torch.linalg.inv(torch.cov(y.T, correction=0))
    xi = x @ matrix.T
    lie = torch.einsum("nmd,nd->nm", slope, xi) - y @ b.T
    centred = xi - xi.mean(0)
    size = torch.einsum("nmd,de,nle,ml->n", slope, g, slope, h)
    length = torch.einsum("nd,de,ne->n", centred, torch.linalg.inv(g), centred)
    fibre = y @ b.T
    expected = torch.einsum("nm,ml,nl->n", lie, h, lie).mean() / (
        (size * length).mean() / 2 + torch.einsum("nm,ml,nl->n", fibre, h, fibre).mean()
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


@given(st.integers(0, 1000), st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-3, 3))
@settings(max_examples=15, deadline=None)
def test_units_change_nothing(seed: int, powers: list[float], output_power: float) -> None:
    x, units = normal(120, 3, seed=seed), 10.0 ** torch.tensor(powers, dtype=torch.float64)
    plain = spectrum(derivative_of(crooked, x), x)
    moved = spectrum(derivative_of(lambda z: 10.0**output_power * crooked(z / units), x * units), x * units)
    torch.testing.assert_close(moved.values, plain.values, rtol=1e-8, atol=1e-12)


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("space", ["linear", "affine"])
def test_linear_changes_of_basis_change_nothing(space: str, seed: int) -> None:
    x, t = normal(120, 3, seed=seed), normal(3, 3, seed=seed + 1) + 2 * torch.eye(3)
    back = torch.linalg.inv(t)
    plain = spectrum(derivative_of(crooked, x, space=space), x)
    moved = spectrum(derivative_of(lambda z: crooked(back @ z), x @ t.T, space=space), x @ t.T)
    scale = float(torch.linalg.cond(t))
    torch.testing.assert_close(moved.values, plain.values, rtol=1e-10 * scale**2, atol=1e-12)


def test_affine_does_not_depend_on_the_origin() -> None:
    x, shift = normal(200, 3), torch.tensor([30.0, -50.0, 10.0], dtype=torch.float64)
    plain = spectrum(derivative_of(crooked, x, space="affine"), x)
    moved = spectrum(derivative_of(lambda z: crooked(z - shift), x + shift, space="affine"), x + shift)
    torch.testing.assert_close(moved.values, plain.values, rtol=1e-9, atol=1e-12)


def test_far_from_the_origin_a_scaling_is_not_measured_as_a_translation() -> None:
    x = normal(2000, 2) + 30.0
    derivative = derivative_of(lambda z: (z[0] - z[1]).sin(), x)
    found = spectrum(derivative, x)
    # (a·x)(∂₁ + ∂₂) are the only two symmetries; uncentred the scaling x∂x + y∂y had ρ = 0.03.
    assert nullity(found) == 2
    assert float(found.values[2]) > 0.5


def test_fields_that_vanish_on_the_data_are_trivial() -> None:
    x = torch.nn.functional.normalize(normal(400, 3), dim=1)
    found = spectrum(derivative_of(crooked, x, space="polynomial:2"), x)
    assert found.trivial.shape[1] == 3  # (|x|² − 1)∂_a


def test_directions_off_the_support_are_trivial_and_f_is_not_differentiated_along_them() -> None:
    x = normal(300, 3)
    x[:, 2] = x[:, 0] + x[:, 1]
    off = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    plain = spectrum(derivative_of(crooked, x), x)
    changed = spectrum(derivative_of(lambda z: crooked(z) + 7 * (off @ z), x), x)  # equal on the support
    assert plain.trivial.shape[1] == 5  # 2 directions of the support times 2 linear functions on it remain
    torch.testing.assert_close(changed.values, plain.values, rtol=1e-9, atol=1e-12)


def test_dead_inputs_are_trivial() -> None:
    x = normal(300, 3)
    found = spectrum(derivative_of(lambda z: z[:2].square().sum().exp(), x), x)
    assert found.trivial.shape[1] == 3  # x_j ∂₃
    assert nullity(found) == 1  # the rotation of the other two


def test_a_constant_coordinate_is_trivial_in_all_its_parts() -> None:
    x = normal(300, 3)
    x[:, 2] = 0.1  # not a binary fraction: its mean carries rounding
    found = spectrum(derivative_of(lambda z: z[:2].square().sum().exp(), x), x)
    assert found.trivial.shape[1] == 5  # x_j ∂₃, and x₃ ∂₁, x₃ ∂₂, which are constants
    assert nullity(found) == 1


def test_a_constant_output_leaves_everything_trivial() -> None:
    x = normal(100, 3)
    found = spectrum(derivative_of(lambda z: 0 * z[0] + 0.1, x), x)
    assert found.values.numel() == 0
    assert found.trivial.shape[1] == 9


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_streamed_equals_dense_for_either_dtype_of_the_map(dtype: torch.dtype) -> None:
    x = normal(700, 3)
    derivative = derivative_of(crooked, x)

    @dataclass(frozen=True)
    class Rounded:
        input_shape: tuple[int, ...] = (3,)
        output_shape: tuple[int, ...] = ()

        def __call__(self, z: Tensor) -> Tensor:
            return derivative.map(z).to(dtype).double()

        def value_and_jacobian(self, z: Tensor) -> tuple[Tensor, Tensor]:
            y, slope = derivative.map.value_and_jacobian(z)
            return y.to(dtype).double(), slope.to(dtype).double()

    rounded = replace(derivative, map=Rounded())
    blocks = [rounded.pencil(part) for part in x.split(64)]
    dense, streamed = Dense().solve(blocks, 9), Streamed().solve(blocks, 9)
    torch.testing.assert_close(streamed.values, dense.values, rtol=1e-12, atol=1e-15)
    if dtype == torch.float32:
        torch.testing.assert_close(dense.values, spectrum(derivative, x).values, rtol=1e-5, atol=1e-6)


def test_blocks_of_rows_do_not_change_the_pencil() -> None:
    x = normal(50, 3)
    derivative = derivative_of(crooked, x)
    whole = derivative.pencil(x)
    parts = [derivative.pencil(part) for part in x.split(7)]
    torch.testing.assert_close(whole.m, torch.cat([p.m for p in parts]))
    torch.testing.assert_close(whole.s, torch.cat([p.s for p in parts]))


def test_constant_slope() -> None:
    affine = make_space("affine", 2, ("x", "y")).centred(torch.tensor([5.0, 1.0]).double(), torch.ones(2).double() * 3)
    c = normal(6)
    slope = constant_slope(affine, c)
    assert slope is not None
    torch.testing.assert_close(slope, torch.einsum("npab,p->nab", affine.jacobian(normal(4, 2)), c)[0])
    quadratic = make_space("polynomial:2", 2, ("x", "y"))
    assert constant_slope(quadratic, normal(12)) is None
