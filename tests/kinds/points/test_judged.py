"""Points through the public function: what finite elements keep is certified, what they do not is told with its η."""

import math
from pathlib import Path

import torch
from torch import Tensor

from symfind.api import discover
from symfind.data.hdf5 import write
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report

N = 12_000


def uniform(n: int, seed: int) -> Tensor:
    return torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modulated(k: int, a: float) -> Tensor:
    t = 2 * math.pi * uniform(4 * N, 1)
    return t[2 * uniform(4 * N, 2) < 1 + a * torch.cos(k * t)][:N]


def ring(angle: Tensor) -> Tensor:
    """Of thickness a tenth about (3, −1)."""
    radius = 1 + 0.1 * normal(len(angle), seed=3)
    return torch.stack([3 + radius * torch.cos(angle), radius * torch.sin(angle) - 1], 1)


def report_on(folder: Path, x: Tensor, space: str | None = None, **arrays: Tensor) -> Report:
    write(folder / "p.h5", {"x": x.numpy(), **{k: v.numpy() for k, v in arrays.items()}}, {"kind": "points"})
    return discover(DiscoverOptions(source=str(folder / "p.h5"), space=space, bootstrap=80))


def test_a_ring_turns_about_its_centre(tmp_path: Path) -> None:
    report = report_on(tmp_path, ring(2 * math.pi * uniform(N, 1)))
    (turn,) = report.certified
    action = torch.tensor(turn.input_action, dtype=torch.float64)
    centre = torch.linalg.solve(action[:2, :2], -action[:2, 2])
    # Ten times the thickness over √N.
    torch.testing.assert_close(centre, torch.tensor([3.0, -1.0]).double(), atol=0.01, rtol=0)
    assert turn.upper is not None and turn.upper < 0.05
    assert any("finite elements" in note for note in report.notes)


def test_a_ring_of_sixteen_does_not_turn(tmp_path: Path) -> None:
    """Sixteen-fold, a = 0.5: η = 0.333, of which coarse test functions see nothing."""
    report = report_on(tmp_path, ring(modulated(16, 0.5)))
    first = report.spectrum[0]
    assert report.generators == () and report.algebra.dimension == 0
    assert first.lower is not None and first.upper is not None
    assert first.lower < 0.333 < first.upper
    assert any("order" in note and "refuted" in note for note in report.notes)


def test_a_faint_modulation_is_undecided_and_told(tmp_path: Path) -> None:
    """Sixteen-fold, a = 0.12: η = 0.085 is significant, and its lower bound is below the tolerance."""
    report = report_on(tmp_path, ring(modulated(16, 0.12)))
    (only,) = report.generators
    assert only.verdict == "undecided" and only.lower is not None and 0 < only.lower < 0.05
    assert any("order 16" in warning or "left over" in warning for warning in report.warnings)


def test_curved_fields_are_followed_too(tmp_path: Path) -> None:
    """No polynomial field but the turn keeps a ring; about a 40-fold one neighbours see that it is not kept."""
    report = report_on(tmp_path, ring(modulated(40, 0.9)) - torch.tensor([3.0, -1.0]), "polynomial:2")
    assert report.certified == ()


def test_groups_are_no_rows(tmp_path: Path) -> None:
    """Arcs of sixty points each: dependent, so that their clumps say nothing against the turn."""
    starts = (2 * math.pi * uniform(400, 5)).repeat_interleave(30)
    angle = starts + 0.02 * torch.arange(30, dtype=torch.float64).repeat(400)
    group = torch.arange(400).repeat_interleave(30)
    report = report_on(tmp_path, ring(angle), group=group)
    (only,) = report.generators
    assert only.lower == 0.0
