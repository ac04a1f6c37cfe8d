"""Every sample: of a kind that there is, with a line that says what it holds and one that says its symmetry."""

from __future__ import annotations

from pathlib import Path

import pytest

from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.samples.catalogue import SAMPLES, write_sample


def test_every_sample_says_what_it_is() -> None:
    for name, sample in SAMPLES.items():
        assert sample.kind in KINDS, name
        assert sample.about and sample.symmetry and sample.rows >= 1, name


# The others are read in tests/samples, with the bytes of equal and of unlike seeds.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.kind == "field"])
def test_fields_can_be_read_as_what_they_say(name: str, tmp_path: Path) -> None:
    for file in ("one.h5", "two.h5"):
        write_sample(name, tmp_path / file, rows=1, times=16, grid_size=32, seed=3)
    dataset = open_dataset(tmp_path / "one.h5")
    assert (dataset.kind, dataset.n_rows, dataset.warnings) == ("field", 1, ())
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
