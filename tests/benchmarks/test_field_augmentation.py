"""Solutions moved along discovered generators teach a network more than few solutions alone do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.field_suite.augmentation import AHEAD, PAST, FourierOperator, measure_augmentation
from benchmarks.fields import PARTS, begin, document, earlier, end, into_page, part_of


def test_the_operator_commutes_with_translations() -> None:
    torch.manual_seed(0)
    net, past = FourierOperator(), torch.randn(2, PAST, 32)
    out = net(past)
    assert out.shape == (2, AHEAD, 32)
    torch.testing.assert_close(net(past.roll(5, -1)), out.roll(5, -1), rtol=1e-4, atol=1e-5)


def test_parts_of_the_page_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(document((), ""), encoding="utf-8")
    for name in PARTS:
        into_page(path, name, f"rows of {name}")
    path.write_text(document((), earlier(path)), encoding="utf-8")
    for name in PARTS:
        assert part_of(earlier(path), name).strip() == f"rows of {name}"
        assert earlier(path).count(begin(name)) == earlier(path).count(end(name)) == 1


@pytest.mark.slow
def test_augmentation_helps_as_much_as_the_true_generators_do(tmp_path: Path) -> None:
    row = measure_augmentation("kdv", 0, tmp_path)
    assert row.errors["closed form"] <= 0.9 * row.errors["none"]
    assert row.errors["closed form"] <= 1.05 * row.errors["true"]
    assert row.errors["wrong"] > row.errors["closed form"]
