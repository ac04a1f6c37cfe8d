"""Models that cannot be used end with one line that names the fault and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import model_zoo as zoo
import pytest
import torch
from torch import nn

from symfind.errors import InputError
from symfind.models.model import Model, load_model


def refused(action: Callable[[], object], *words: str) -> str:
    with pytest.raises(InputError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message, "no remedy"
    for word in words:
        assert word in message, f"'{word}' is not in: {message}"
    return message


def loaded(network: nn.Module, folder: Path) -> Model:
    return load_model(zoo.script(network.eval(), folder / "model.pt"))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (zoo.Pair(), ("returns a tuple", "one tensor")),
        (zoo.Named(), ("returns a dict", "one tensor")),
        (zoo.Label(), ("torch.int64", "no derivative")),
        (zoo.Total(), ("shape ()", "6 rows")),
        (zoo.BatchCentred(), ("mixes rows",)),
        (zoo.Noisy(), ("different values for the same rows", "eval mode")),
        (zoo.Detached(), ("derivative", "detach")),
        (zoo.Staircase(), ("derivative", "rounding")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_returned(network: nn.Module, words: tuple[str, ...], tmp_path: Path) -> None:
    model = loaded(network, tmp_path)
    refused(lambda: model.bind((3,)), *words)


def test_mixing_in_batch_normalisation_is_found_in_training_mode_only(tmp_path: Path) -> None:
    norm = nn.BatchNorm1d(3, track_running_stats=False)  # uses the statistics of the batch even in eval mode
    refused(lambda: loaded(norm, tmp_path).bind((3,)), "mixes rows")
    assert loaded(nn.BatchNorm1d(3), tmp_path).bind((3,)).output_shape == (3,)


def test_squeeze_of_a_single_row_is_no_fault(tmp_path: Path) -> None:
    class Squeezing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * x).sum(-1, keepdim=True).squeeze()

    model = load_model(zoo.trace(Squeezing(), tmp_path / "model.pt", 3)).bind((3,))
    assert model.output_shape == ()
    assert model(torch.full((1, 3), 2.0)).tolist() == [12.0]
    assert model.value_and_jacobian(torch.full((1, 3), 2.0))[1].tolist() == [[[4.0, 4.0, 4.0]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_rounding_is_not_taken_for_mixing(offset: float, dtype: torch.dtype, tmp_path: Path) -> None:
    network = zoo.seeded(lambda: nn.Sequential(nn.Linear(200, 400), nn.Tanh(), nn.Linear(400, 1)))
    with torch.no_grad():
        network[2].bias.fill_(offset)
    model = load_model(zoo.script(network, tmp_path / "model.pt"), dtype=dtype).bind((200,))
    assert model.output_shape == (1,)


def test_narrow_coordinates_far_from_the_origin_are_no_fault(tmp_path: Path) -> None:
    scale, mean = torch.tensor([1e-3, 1.0, 1e5]), torch.tensor([1e3, 0.0, -1e6])

    class Standardised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", scale)
            self.register_buffer("mean", mean)
            self.layer = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sin(self.layer((x - self.mean) / self.scale))

    path = zoo.trace(zoo.seeded(Standardised), tmp_path / "model.pt", 3)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scale + mean
    assert load_model(path).bind((3,), x).output_shape == (2,)


def test_weak_mixing_is_found_in_float32(tmp_path: Path) -> None:
    class Leaking(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 0.05 * x.mean(0)

    path = zoo.trace(Leaking(), tmp_path / "model.pt", 3)
    refused(lambda: load_model(path, dtype=torch.float32).bind((3,)), "mixes rows")


@pytest.mark.parametrize("save", [zoo.script, zoo.freeze])
def test_wrong_width_names_both_widths(save: Callable[..., Path], tmp_path: Path) -> None:
    model = load_model(save(zoo.seeded(zoo.OutOfOrder), tmp_path / "model.pt"))
    message = refused(lambda: model.bind((7,)), "takes 3", "have 7", "first layer")
    assert len(message) < 300 + len(str(tmp_path))


def test_wrong_width_of_exported_model_and_of_convolution(tmp_path: Path) -> None:
    exported = load_model(zoo.export(zoo.seeded(zoo.OutOfOrder), tmp_path / "model.pt2", 3))
    refused(lambda: exported.bind((7,)), "(7,)", "(3,)")
    convolution = load_model(zoo.script(zoo.seeded(zoo.Convolutional), tmp_path / "model.pt"))
    refused(lambda: convolution.bind((3, 5, 4)), "takes 2 channels", "have 3")
    # The channels fit, the linear layer behind them does not: only torch can tell.
    refused(lambda: convolution.bind((2, 9, 9)), "fails on rows of shape (2, 9, 9)")


def test_width_that_only_the_network_knows(tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("w", torch.ones(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.w).sum(-1)

    model = load_model(zoo.trace(Weighted(), tmp_path / "model.pt", 5))
    refused(lambda: model.bind((7,)), "fails on rows of shape (7,)", "size")
    assert model.bind((5,)).output_shape == ()


def test_two_inputs(tmp_path: Path) -> None:
    refused(lambda: loaded(zoo.TwoInputs(), tmp_path), "takes 2 inputs", "x, t")
    program = torch.export.export(zoo.TwoInputs(), (torch.ones(2, 3), torch.ones(2, 3)))
    torch.export.save(program, tmp_path / "two.pt2")
    refused(lambda: load_model(tmp_path / "two.pt2"), "x, t", "one tensor")


def test_values_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    model = loaded(zoo.Logarithm(), tmp_path).bind((2,))
    x = torch.ones(10, 2)
    x[[3, 7], 0] = -1
    for action in (lambda: model(x), lambda: model.value_and_jacobian(x)):
        refused(action, "values", "2 of 10 rows", "first is row 3")


def test_derivatives_that_are_not_finite_are_counted(tmp_path: Path) -> None:
    model = loaded(zoo.SquareRoot(), tmp_path).bind((1,), torch.ones(3, 1))
    x = torch.tensor([[1.0], [0.0], [2.0]])
    assert bool(torch.isfinite(model(x)).all())
    refused(lambda: model.value_and_jacobian(x), "derivatives", "1 of 3 rows", "first is row 1")


def test_rows_of_another_shape(tmp_path: Path) -> None:
    model = loaded(zoo.Radius(), tmp_path).bind((3,))
    refused_shapes = [torch.ones(2, 4), torch.ones(3), torch.ones(0, 3), torch.tensor(1.0)]
    for x in refused_shapes:
        with pytest.raises(InputError, match="expected"):
            model(x)


def test_a_failed_bind_leaves_the_model_unbound_and_usable(tmp_path: Path) -> None:
    network = zoo.seeded(zoo.OutOfOrder)
    model = load_model(zoo.script(network, tmp_path / "model.pt"))
    refused(lambda: model.bind((7,)), "takes 3")
    x = torch.ones(2, 3, dtype=torch.float64)
    torch.testing.assert_close(model.bind((3,))(x), network.double()(x).detach())


def test_files_that_are_no_models(tmp_path: Path) -> None:
    network = zoo.seeded(zoo.OutOfOrder)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    torch.save({"epoch": 3, "model": network.state_dict()}, tmp_path / "training.pt")
    torch.save(network, tmp_path / "pickled.pt")
    torch.save(network.state_dict(), tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "text.pt").write_text("not a model at all")
    (tmp_path / "empty.pt").touch()
    whole = zoo.script(network, tmp_path / "whole.pt").read_bytes()
    (tmp_path / "short.pt").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[60:260] = bytes(200)
    (tmp_path / "damaged.pt").write_bytes(damaged)
    exported = zoo.export(network, tmp_path / "whole.pt2", 3).read_bytes()
    (tmp_path / "short.pt2").write_bytes(exported[: len(exported) // 2])
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = [[1.0, 2.0]]
    expected = {
        "absent.pt": "no such file",
        ".": "directory",
        "state.pt": "state_dict",
        "training.pt": "state_dict",
        "pickled.pt": "model_zoo.OutOfOrder",
        "legacy.pt": "a pickle",
        "text.pt": "neither a zip archive nor HDF5",
        "empty.pt": "empty",
        "short.pt": "truncated",
        "short.pt2": "truncated",
        "damaged.pt": "damaged.pt",
        "data.h5": "no network in it",
    }
    for name, word in expected.items():
        refused(lambda name=name: load_model(tmp_path / name), str(tmp_path / name), word)


def test_archive_of_something_else(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("holiday.txt", "sun")
    refused(lambda: load_model(tmp_path / "photos.zip"), "neither TorchScript nor torch.export")
