"""Fields learned on the plane, by validity and inside an L-conv classifier: where they lie, what is said of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.errors import SymfindError
from symfind.fields.neural import NeuralFields
from symfind.fields.plane import Grid, image_space
from symfind.kinds.image.lconv import FieldLConv
from symfind.kinds.image.learned import LearnedOnPlane, _Plane, learn_on_plane
from symfind.nn import FieldGenerators, LConv
from symfind.progress import SilentProgress
from symfind.verbs.options import DiscoverOptions

SIDE = 12
GRID = Grid(SIDE, SIDE)


def blobs(n: int) -> Tensor:
    """Round blobs at random places near the centre."""
    centre = 0.8 * torch.rand(n, 1, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 0.4
    return torch.exp(-12 * (GRID.points - centre).square().sum(2)).reshape(n, 1, SIDE, SIDE).float()


class Height(nn.Module):
    """Two classes told apart by how high the blob is: sharp, so that every step up or down shows."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        at = 20 * (flat @ GRID.points[:, 1].float()) / flat.sum(1)
        return torch.stack([-at, at], 1)


class Asked:
    steps, seed, checkpoint, resume = 100, 0, None, False


class Timed:
    progress = SilentProgress()


def test_fields_that_keep_the_height_are_more_valid_than_those_that_change_it() -> None:
    x = blobs(300)
    rows = torch.arange(len(x))
    space = image_space("image-polynomial:0", 1)  # shifts, with two spare fields beyond them
    found = learn_on_plane(
        Asked(),
        x,
        [(Height(), rows)],
        space,
        GRID,
        torch.Generator().manual_seed(0),
        Timed(),  # type: ignore[arg-type]
    )
    along = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(GRID.points.shape)
    up = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(GRID.points.shape)
    vertical = found.values[:, :, 1].square().sum(0)  # share of ξ_y in the norm of each field
    assert list(found.divergences) == sorted(found.divergences)
    assert float(vertical[0]) < 0.1  # a field sideways has no divergence, whatever it does along the line
    assert found.share_of(along, 4) > found.share_of(up, 2)
    gram = torch.einsum("dka,dla->kl", found.values, found.values)
    torch.testing.assert_close(gram, torch.eye(4, dtype=torch.float64), atol=1e-8, rtol=0)


def test_the_share_of_a_field_in_a_span_is_a_cosine() -> None:
    weight = torch.full((SIDE**2,), 1 / SIDE**2, dtype=torch.float64)
    along = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(GRID.points.shape)
    values = (along * weight.sqrt()[:, None])[:, None]
    fields = NeuralFields.draw(2, 1, (4,), torch.Generator().manual_seed(0))
    learned = LearnedOnPlane(fields, torch.zeros(1), torch.zeros(1), values, weight, 1)
    assert learned.share_of(along, 1) == pytest.approx(1)
    for angle in (0.3, 1.0, math.pi / 2):
        turned = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64).expand(GRID.points.shape)
        assert learned.share_of(turned, 1) == pytest.approx(math.cos(angle), abs=1e-12)


def test_steepness_counts_alike_wherever_images_reach() -> None:
    """A field that is steep where one image of a hundred has something is held back as one in the middle."""
    x = blobs(300)
    at = torch.tensor([[0.8, 0.0]], dtype=torch.float64)
    x[:3, 0] = torch.exp(-12 * (GRID.points - at).square().sum(1)).reshape(SIDE, SIDE).float()
    plane = _Plane.of(x, GRID)

    class Edge:
        """A jump of ξ_x by ten spreads where x crosses a line, or a field of slope one."""

        def __init__(self, line: float | None) -> None:
            self.line = line

        def evaluate(self, points: Tensor) -> Tensor:
            along = points[:, 0] if self.line is None else 10 * plane.spread * (points[:, 0] > self.line)
            return torch.stack([along, torch.zeros_like(along)], 1)[:, None]

    def steepness(line: float | None) -> float:
        return float(plane.steepness(Edge(line), torch.Generator().manual_seed(0)))  # type: ignore[arg-type]

    assert steepness(None) == 0
    assert steepness(0.6) > 0.2 * steepness(0.0) > 0


def test_the_layer_is_the_l_conv_of_its_fields() -> None:
    space = image_space("image-affine", 1)
    x = blobs(20)
    network = FieldLConv(space, x, 2, torch.Generator().manual_seed(0))
    generators = FieldGenerators(3, (SIDE, SIDE), "smoothed")
    assert space.plane is not None
    table = torch.einsum("pk,pqa->kaq", network.span(), space.plane.table_of_fields)  # columns 1, x, y
    order = [space.plane.exponents.tolist().index(e) for e in ([0, 0], [1, 0], [0, 1])]
    with torch.no_grad():
        generators.coefficients.copy_(table[:, :, order])
        layer = LConv.of(generators, 1, 6)
        layer.weight.copy_(network.mixing)
        layer.bias.copy_(network.offset)
        expected = torch.relu(layer(x)).flatten(1) @ network.head.T + network.constant
        torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=1e-4)


def test_what_an_l_conv_learns_without_meaning_is_not_certified(tmp_path: Path) -> None:
    labels = torch.randint(2, (300,), generator=torch.Generator().manual_seed(1))
    path = tmp_path / "noise.h5"
    write(path, {"x": blobs(300).numpy(), "y": labels.numpy()}, {"kind": "image"})
    report = discover(DiscoverOptions(source=str(path), method="lconv"))
    assert not report.certified
    assert any("need be no symmetry" in note for note in report.notes)


@pytest.mark.parametrize(
    ("method", "space", "message"),
    [
        ("validity", "colour", "learns fields on the plane"),
        ("lconv", "colour", "learns fields on the plane"),
        ("validity", "image-polynomial:5", "42 fields; at most 14"),
    ],
)
def test_spaces_that_cannot_be_learned_are_told(tmp_path: Path, method: str, space: str, message: str) -> None:
    path = tmp_path / "few.h5"
    torch.jit.script(Total()).save(str(tmp_path / "total.pt"))
    write(path, {"x": blobs(40).numpy(), "y": torch.arange(40).remainder(2).numpy()}, {"kind": "image"})
    with pytest.raises(SymfindError, match=message):
        discover(DiscoverOptions(source=str(path), method=method, space=space, model=str(tmp_path / "total.pt")))


class Total(nn.Module):
    """Two classes told apart by the brightness of the image."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.flatten(1).mean(1, keepdim=True) - 0.1
        return torch.cat([-total, total], 1)
