"""Values and Jacobians of loaded models against the eager network that was saved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import model_zoo as zoo
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from symfind.errors import UsageError
from symfind.linalg import batches as batches_module
from symfind.models import model as model_module
from symfind.models.autodiff import (
    along_by_double_backward,
    along_by_forward_mode,
    jacobian_by_columns,
    jacobian_by_rows,
    right_directional_derivative,
)
from symfind.models.checkpoint import write_checkpoint
from symfind.models.differentiable_map import DifferentiableMap
from symfind.models.model import Model, load_model
from symfind.models.network import Activation, Layer, Network

Save = Callable[[nn.Module, Path], Path]

NETWORKS = {
    "out of order": (zoo.OutOfOrder, (3,)),
    "one output": (lambda: zoo.OutOfOrder(1), (3,)),
    "convolutional": (zoo.Convolutional, (2, 5, 4)),
    "branching": (zoo.Branching, (3,)),
    "skipping": (zoo.Skipping, (3,)),
    "radius": (zoo.Radius, (3,)),
}
FORMS = ["scripted", "traced", "frozen", "exported", "exported for 4 rows", "exported for 2 to 5 rows"]


def save(form: str, network: nn.Module, path: Path, shape: tuple[int, ...]) -> Path:
    if form == "scripted":
        return zoo.script(network, path)
    if form == "traced":
        return zoo.trace(network, path, *shape)
    if form == "frozen":
        return zoo.freeze(network, path)
    rows = {"exported": None, "exported for 4 rows": (4, 4), "exported for 2 to 5 rows": (2, 5)}[form]
    return zoo.export(network, path, *shape, rows=rows)


def eager_jacobian(network: nn.Module, x: Tensor) -> Tensor:
    """dF row by row through the eager network: (n, m, D)."""
    rows = [torch.autograd.functional.jacobian(lambda row: network(row[None])[0], row) for row in x]
    return torch.stack([row.reshape(-1, x[0].numel()) for row in rows])


# Tracing and exporting follow one branch only, so they have no case of control flow.
CASES = [(name, form) for name in NETWORKS for form in FORMS if name != "branching" or form in ("scripted", "frozen")]


@pytest.mark.parametrize(("name", "form"), CASES)
def test_three_calls_agree_with_the_eager_network(name: str, form: str, tmp_path: Path) -> None:
    make, shape = NETWORKS[name]
    network = zoo.seeded(make)
    model = load_model(save(form, network, tmp_path / "model.pt", shape)).bind(shape)
    exact = copy.deepcopy(network).double()
    # A frozen network stays in float32; everything else is evaluated in float64.
    tolerance = 1e-5 if form == "frozen" and name != "radius" else 1e-12
    assert isinstance(model, DifferentiableMap)
    assert model.input_shape == shape
    for call in range(3):
        generator = torch.Generator().manual_seed(call)
        x = torch.randn(7, *shape, generator=generator, dtype=torch.float64)
        expected = exact(x).detach()
        assert model.output_shape == tuple(expected.shape[1:])
        torch.testing.assert_close(model(x), expected, rtol=tolerance, atol=tolerance)
        y, dy = model.value_and_jacobian(x)
        jacobian = eager_jacobian(exact, x)
        torch.testing.assert_close(y, expected.reshape(7, -1), rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(dy, jacobian, rtol=tolerance, atol=tolerance)
        v = torch.randn(7, *shape, generator=generator, dtype=torch.float64)
        along = model.value_and_directional_derivative(x, v)[1]
        torch.testing.assert_close(
            along, torch.einsum("nmd,nd->nm", jacobian, v.reshape(7, -1)), rtol=tolerance, atol=4 * tolerance
        )
        assert not y.requires_grad and not dy.requires_grad and not along.requires_grad


def test_one_output_needs_no_forward_mode(tmp_path: Path) -> None:
    network = zoo.seeded(lambda: zoo.OutOfOrder(1))
    model = load_model(zoo.script(network, tmp_path / "model.pt")).bind((3,))
    assert not model.forward_mode


def test_forward_mode_serves_more_outputs_than_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = zoo.seeded(zoo.OutOfOrder)  # 3 inputs, 5 outputs
    model = load_model(zoo.script(network, tmp_path / "model.pt")).bind((3,))
    assert model.forward_mode

    def refuse(*arguments: object) -> None:
        raise AssertionError("reverse mode was used")

    monkeypatch.setattr(model_module, "jacobian_by_rows", refuse)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(3):
        torch.testing.assert_close(model.value_and_jacobian(x)[1], eager_jacobian(network.double(), x))


@pytest.mark.parametrize("name", ["out of order", "branching", "convolutional"])
def test_profiling_mode_left_on_costs_speed_not_truth(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if torch had dropped the private switch: whatever forward mode then does, the Jacobian is right.
    if not hasattr(torch._C, "_jit_set_profiling_mode"):
        pytest.skip("this torch has no such switch")
    switch = torch._C._jit_set_profiling_mode
    make, shape = NETWORKS[name]
    network = zoo.seeded(make)
    path = zoo.script(network, tmp_path / "model.pt")
    before = switch(True)
    try:
        monkeypatch.delattr(torch._C, "_jit_set_profiling_mode")
        model = load_model(path).bind(shape)
        exact = copy.deepcopy(network).double()
        for call in range(4):
            x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(call), dtype=torch.float64)
            torch.testing.assert_close(model.value_and_jacobian(x)[1], eager_jacobian(exact, x))
    finally:
        switch(before)


@pytest.mark.parametrize("name", ["out of order", "branching", "convolutional"])
def test_the_method_chosen_for_a_bare_module_in_profiling_mode_is_right(name: str, tmp_path: Path) -> None:
    # Neither lock is set: profiling mode is on and the parameters ask for gradients.
    if not hasattr(torch._C, "_jit_set_profiling_mode"):
        pytest.skip("this torch has no such switch")
    make, shape = NETWORKS[name]
    network = zoo.seeded(make)
    path = zoo.script(network, tmp_path / "model.pt")
    before = torch._C._jit_set_profiling_mode(True)
    try:
        module = torch.jit.load(str(path)).double()
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(5, *shape, generator=generator, dtype=torch.float64)
        along = right_directional_derivative(module, x)
        jacobian = eager_jacobian(copy.deepcopy(network).double(), x)
        for _ in range(4):
            v = torch.randn(5, *shape, generator=generator, dtype=torch.float64)
            expected = torch.einsum("nmd,nd->nm", jacobian, v.reshape(5, -1))
            torch.testing.assert_close(along(module, x, v)[1], expected)
    finally:
        torch._C._jit_set_profiling_mode(before)


class WrongTangent(torch.autograd.Function):
    """x² whose forward-mode derivative is right on the first call only."""

    calls = 0

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
        (x,) = inputs
        ctx.save_for_backward(x)  # type: ignore[attr-defined]
        ctx.save_for_forward(x)  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return 2 * x * grad

    @staticmethod
    def jvp(ctx: object, tangent: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        WrongTangent.calls += 1
        return 2 * x * tangent if WrongTangent.calls == 1 else torch.zeros_like(x)


def test_forward_mode_that_fails_on_the_second_call_is_found() -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    WrongTangent.calls = 0
    assert right_directional_derivative(WrongTangent.apply, x) is along_by_double_backward
    assert WrongTangent.calls == 2
    assert right_directional_derivative(torch.sin, x) is along_by_forward_mode


def test_network_with_wrong_forward_mode_is_differentiated_by_rows() -> None:
    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([WrongTangent.apply(x), x], dim=1)

    WrongTangent.calls = 0
    model = Model("squares", Network(Squares(), "checkpoint", (), False), torch.device("cpu"), torch.float64).bind((2,))
    assert not model.forward_mode
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[[2.0, 0.0], [0.0, 4.0], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    torch.testing.assert_close(model.value_and_jacobian(x)[1], expected)


def test_missing_derivatives_are_replaced_by_reverse_passes() -> None:
    class Cube(torch.autograd.Function):
        """x³ without a forward-mode derivative; double-backward would drop it in silence."""

        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)  # type: ignore[attr-defined]
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: object, grad: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
            return 3 * x**2 * grad

    class Cubes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([Cube.apply(x), x], dim=1)

    model = Model("cubes", Network(Cubes(), "checkpoint", (), False), torch.device("cpu"), torch.float64).bind((1,))
    assert not model.forward_mode
    x = torch.tensor([[2.0]], dtype=torch.float64)
    assert model.value_and_jacobian(x)[1].tolist() == [[[12.0], [1.0]]]
    assert model.value_and_directional_derivative(x, 2 * x)[1].tolist() == [[48.0, 4.0]]


@given(seed=st.integers(0, 2**31), m=st.integers(1, 6), d=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_rows_and_columns_of_a_linear_map_are_its_matrix(seed: int, m: int, d: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(m, d, generator=generator, dtype=torch.float64)
    x = torch.randn(3, d, generator=generator, dtype=torch.float64)
    for jacobian in (jacobian_by_rows, jacobian_by_columns):
        y, dy = jacobian(lambda x: x @ w.t(), x)
        torch.testing.assert_close(y, x @ w.t())
        torch.testing.assert_close(dy, w.expand(3, m, d))


def test_constant_network_has_no_derivative(tmp_path: Path) -> None:
    layer = Layer("linear", None, torch.zeros(2, 3), torch.tensor([1.0, -2.0]))
    write_checkpoint(tmp_path / "constant.h5", [layer, Activation("tanh")], (3,))
    model = load_model(tmp_path / "constant.h5")
    y, dy = model.value_and_jacobian(torch.ones(4, 3))
    assert torch.equal(dy, torch.zeros(4, 2, 3, dtype=torch.float64))
    torch.testing.assert_close(y, torch.tensor([1.0, -2.0], dtype=torch.float64).tanh().expand(4, 2))


def test_chunks_do_not_change_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zoo.script(zoo.seeded(zoo.OutOfOrder), tmp_path / "model.pt")
    model = load_model(path).bind((3,))
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole, (y, dy) = model(x), model.value_and_jacobian(x)
    monkeypatch.setattr(batches_module, "_NUMBERS", 400)  # a few rows at a time
    model = load_model(path).bind((3,))
    torch.testing.assert_close(model(x), whole, rtol=1e-13, atol=1e-13)
    for part, together in zip(model.value_and_jacobian(x), (y, dy), strict=True):
        torch.testing.assert_close(part, together, rtol=1e-13, atol=1e-13)


def test_works_where_gradients_are_switched_off(tmp_path: Path) -> None:
    network = zoo.seeded(lambda: zoo.OutOfOrder(1))
    model = load_model(zoo.script(network, tmp_path / "model.pt")).bind((3,))
    x = torch.ones(2, 3, dtype=torch.float64)
    expected = eager_jacobian(network.double(), x)
    with torch.no_grad():
        torch.testing.assert_close(model.value_and_jacobian(x)[1], expected)
    with torch.inference_mode():
        torch.testing.assert_close(model.value_and_jacobian(x.clone())[1].clone(), expected)


def test_dtype(tmp_path: Path) -> None:
    path = zoo.script(zoo.seeded(zoo.OutOfOrder), tmp_path / "model.pt")
    single = load_model(path, dtype=torch.float32).bind((3,))
    assert single(torch.ones(2, 3)).dtype == torch.float32
    double = load_model(path).bind((3,))
    assert double(torch.ones(2, 3)).dtype == torch.float64
    assert double.compute_dtype == torch.float64
    frozen = load_model(zoo.freeze(zoo.seeded(zoo.OutOfOrder), tmp_path / "frozen.pt")).bind((3,))
    assert frozen(torch.ones(2, 3)).dtype == torch.float64
    assert frozen.compute_dtype == torch.float32
    analytic = load_model(zoo.freeze(zoo.Radius().eval(), tmp_path / "radius.pt")).bind((3,))
    assert analytic.compute_dtype == torch.float64


def test_objects_are_flattened_for_a_network_that_takes_all_their_numbers(tmp_path: Path) -> None:
    network = zoo.seeded(lambda: nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 1)))
    x = torch.randn(5, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = copy.deepcopy(network).double()(x.reshape(5, 8)).detach()
    for path in (zoo.script(network, tmp_path / "a.pt"), zoo.export(network, tmp_path / "b.pt2", 8)):
        model = load_model(path).bind((2, 4))
        assert model.input_width == 8
        assert model.input_shape == (2, 4)
        torch.testing.assert_close(model(x), expected)
        assert model.value_and_jacobian(x)[1].shape == (5, 1, 8)


def test_image_gets_its_one_channel(tmp_path: Path) -> None:
    network = zoo.seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 1)))
    model = load_model(zoo.script(network, tmp_path / "model.pt")).bind((4, 4))
    x = torch.ones(3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(model(x), network.double()(x[:, None]).detach())


def test_shape_must_be_known_before_use(tmp_path: Path) -> None:
    model = load_model(zoo.script(zoo.seeded(zoo.OutOfOrder), tmp_path / "model.pt"))
    with pytest.raises(UsageError, match="--shape"):
        model(torch.ones(2, 3))


@pytest.mark.gpu
def test_on_cuda(tmp_path: Path) -> None:
    for form in FORMS[:4]:
        network = zoo.seeded(zoo.OutOfOrder)
        model = load_model(save(form, network, tmp_path / "model.pt", (3,)), device="cuda").bind((3,))
        x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        y, dy = model.value_and_jacobian(x)
        assert y.device.type == dy.device.type == "cuda"
        torch.testing.assert_close(dy.cpu(), eager_jacobian(network.double(), x), rtol=1e-4, atol=1e-4)
