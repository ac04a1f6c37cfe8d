"""Networks: movement along a span, training that can be interrupted, and the user's own networks."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from torch import nn

from symfind.api import promote
from symfind.errors import InputError
from symfind.fields.catalogue import make_space
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry
from symfind.lie_derivative import Bracket, Free, Invariant, OutputAction, Same
from symfind.promotion.checkpoint import Checkpoint
from symfind.promotion.moved import movement
from symfind.promotion.setting import Setting
from symfind.schema.store import to_json
from symfind.verbs.options import PromoteOptions

_F64 = torch.float64


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=_F64)


def setting(x: torch.Tensor, space: str, action: OutputAction, m: int) -> Setting:
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, 1)
    fields = make_space(space, x.shape[1], "xyz"[: x.shape[1]]).centred(geometry.mean, geometry.scale)
    return Setting(fields, action, (1, x.shape[1]), (1, m), geometry, torch.eye(m, dtype=_F64))


def rotations(noise: float) -> torch.Tensor:
    """so(3) in the basis of gl(3), whose entry x_j ∂_i is the (3j + i)-th."""
    found = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        a = torch.zeros(3, 3, dtype=_F64)
        a[j, i], a[i, j] = 1.0, -1.0
        found.append(a.flatten())
    return torch.stack(found, 1) + noise * normal(1, 9, 3)


def test_rows_are_moved_by_the_group_near_a_noisy_span() -> None:
    x = normal(0, 500, 3)
    moves = movement(setting(x, "linear", Invariant(), 1), rotations(0.03))
    assert moves is not None
    moved, _ = moves(x, x[:, :1], torch.Generator().manual_seed(2))
    assert float((moved - x).abs().max()) > 1.0
    # A group near so(3) preserves one quadratic polynomial, near |x|².
    quadratics = PolynomialFeatures.of_degree(Standardiser(torch.zeros(3, dtype=_F64), torch.ones(3, dtype=_F64)), 2)
    sigma = torch.linalg.svdvals((quadratics(moved) - quadratics(x))[:, 1:])
    assert float(sigma[-1]) < 1e-3 * float(sigma[0]) < 0.1 * float(sigma[-2])


@pytest.mark.parametrize("action", [Same(), Free(3)])
def test_outputs_are_moved_with_the_inputs(action: OutputAction) -> None:
    """F(x) = x turns with x, whether that is known or found."""
    x = normal(0, 50, 3) * 2
    vectors = rotations(0.0)
    if isinstance(action, Free):
        matrices = torch.stack([v.reshape(3, 3).T for v in vectors.T])
        vectors = torch.cat([vectors, matrices.flatten(1).T])
    scaled = setting(x, "linear", action, 3)
    unscaled = Setting(make_space("linear", 3, "xyz"), action, (1, 3), (1, 3), scaled.geometry, scaled.outputs)
    moves = movement(unscaled, vectors)
    assert moves is not None
    moved, y = moves(x, x, torch.Generator().manual_seed(2))
    torch.testing.assert_close(moved, y, atol=1e-8, rtol=1e-8)


def test_what_cannot_move_rows() -> None:
    x = normal(0, 50, 3)
    assert movement(setting(x, "polynomial:2", Invariant(), 1), normal(1, 30, 1)) is None
    assert movement(setting(x, "linear", Bracket(), 3), normal(1, 10, 1)) is None


@pytest.fixture
def circle(tmp_path: Path) -> Path:
    x = normal(0, 120, 2)
    with h5py.File(tmp_path / "circle.h5", "w") as file:
        file["x"] = x.numpy()
        file["y"] = (x.square().sum(1).sqrt() + 0.02 * normal(1, 120)).numpy()
        file.attrs["kind"] = "function"
    return tmp_path / "circle.h5"


def options(data: Path, **given: object) -> PromoteOptions:
    return PromoteOptions(data=str(data), space="so", hidden=(12,), steps=60, batch=32, **({"model": "mlp"} | given))  # type: ignore[arg-type]


def test_a_training_that_was_interrupted_ends_with_the_same_numbers(
    circle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = promote(options(circle), tmp_path / "whole.pt")
    kept, keep, calls = tmp_path / "state", Checkpoint.keep, []

    def interrupted(self: Checkpoint, *state: object) -> None:
        keep(self, *state)  # type: ignore[arg-type]
        calls.append(state)
        if len(calls) == 40:  # in the middle of the second stage
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "keep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            promote(options(circle, checkpoint=str(kept)))
    resumed = promote(options(circle, checkpoint=str(kept), resume=True), tmp_path / "resumed.pt")
    assert resumed.promotion is not None and whole.promotion is not None
    assert resumed.promotion.epochs == whole.promotion.epochs
    assert resumed.promotion.held_out == whole.promotion.held_out
    for a, b in zip(
        torch.jit.load(tmp_path / "whole.pt").parameters(), torch.jit.load(tmp_path / "resumed.pt").parameters(),
        strict=True,
    ):  # fmt: skip
        assert torch.equal(a, b)
    with pytest.raises(InputError, match="other data or options"):
        promote(options(circle, checkpoint=str(kept), resume=True, gamma=0.7))
    kept.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="no checkpoint"):
        promote(options(circle, checkpoint=str(kept), resume=True))


def test_the_users_network_is_trained_further(circle: Path, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    torch.jit.script(network).save(str(tmp_path / "own.pt"))
    report = promote(options(circle, model=str(tmp_path / "own.pt")), tmp_path / "out.pt")
    assert torch.jit.load(tmp_path / "out.pt")(normal(3, 5, 2)).shape == (5,)
    assert report.promotion is not None and report.promotion.epochs
    assert "refits" in to_json(report)
    torch.jit.freeze(torch.jit.script(network.eval())).save(str(tmp_path / "frozen.pt"))
    with pytest.raises(InputError, match="frozen"):
        promote(options(circle, model=str(tmp_path / "frozen.pt")))
    wide = nn.Linear(2, 3)
    torch.jit.script(wide).save(str(tmp_path / "wide.pt"))
    with pytest.raises(InputError, match="take a model of these data"):
        promote(options(circle, model=str(tmp_path / "wide.pt")))
