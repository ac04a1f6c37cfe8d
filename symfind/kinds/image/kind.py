"""Labelled images: transformations of the plane and of colours that leave the labels valid."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from symfind.kinds.image import DEFAULT_SPACE
from symfind.kinds.kind import Arrays, Kind, Layout

if TYPE_CHECKING:
    import h5py
    import torch

    from symfind.data.dataset import Dataset
    from symfind.data.mapping import RoleMapping
    from symfind.data.rows import Rows
    from symfind.decision.evidence import Examined
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock


def _read(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    from symfind.kinds.image.rows import image_rows

    del given
    return image_rows(file, arrays)


def _recognised(arrays: Arrays, present: Set[str]) -> bool:
    if not present >= {"x", "y"}:
        return False
    x, y = arrays["x"], arrays["y"]
    return len(x.shape) == 4 and len(y.shape) == 1 and "int" in y.dtype


def _examined(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    from symfind.kinds.image.image import evidence_of_images

    return evidence_of_images(request, dataset, stop, generator, clock)


IMAGE = Kind(
    name="image",
    datasets="`x` (N, C, H, W), labels `y` (N)",
    recognised=_recognised,
    layouts=(Layout(("x", "y"), ("group",), _read), Layout(("x",), ("group",), _read)),
    questions=(
        ("turns, shifts and scalings of the image that leave the labels valid, and how far", ""),
        ("changes of brightness, contrast and colour that do", " --space colour"),
    ),
    methods=("nullspace", "validity", "lconv"),
    space=DEFAULT_SPACE,
    examine=_examined,
    pictures=True,
    objects=False,
)
