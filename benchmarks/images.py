"""Rotations learned from pairs of images, and Lie algebra convolution on turned and scrambled digits.

``python -m benchmarks.images --data FOLDER --output docs/images.md`` writes the page; ``--only so2``,
``mnist``, ``ranges`` or ``learned`` one part; ``--quick`` a few minutes' worth of it. Pictures go into the folder
``pictures`` beside the page. FOLDER holds mnist10k.npz (see sample_data/README.md). With
``--rows FILE`` results are kept there as they come, and those already there are not computed again: an interrupted run
goes on where it was. Every row of a comparison is computed on the same folds and seeds.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.image_suite import learned, ranges, scrambled
from benchmarks.image_suite.kept import Kept
from symfind.data.files import appearing_whole
from symfind.fields.plane import Grid, image_space
from symfind.kinds.pairs.lconv import plane_matrix, spectral_radius
from symfind.kinds.pairs.registration import register_together
from symfind.kinds.pairs.transport import Candidates, transport_known

ANGLE = math.pi / 10
TURN = torch.ones(1, dtype=torch.float64)


# ------------------------------------------------------------------ so(2) from random images


def random_images(count: int, side: int, *, band_limited: bool, seed: int) -> Tensor:
    x = torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if not band_limited:
        return x
    k = torch.fft.fftfreq(side, dtype=torch.float64)
    low = torch.exp(-(k[:, None].square() + k.square()) / (2 * 0.15**2))
    return torch.fft.ifft2(torch.fft.fft2(x) * low).real


def correlation(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def prediction_error(matrix: Tensor, x: Tensor, grid: Grid, angle: float) -> float:
    """‖exp(θL)x − x turned‖ / ‖x turned − x‖ inside the disc that no turn carries away."""
    turned = image_space("image-rotation", 1).moved(x, grid, TURN, angle)
    said = (x.flatten(1) @ torch.linalg.matrix_exp(angle * matrix).T).reshape(x.shape)
    inside = grid.disc()
    return float((said - turned)[..., inside].norm() / (turned - x)[..., inside].norm())


def so2(quick: bool) -> list[str]:
    lines = [
        "## so(2) from random images",
        "",
        "White and band-limited random images turned by π/10 (bilinear). The truth is x ∂y − y ∂x with a sinc stencil,",
        "which the coordinate fields share; the unrestricted L shares nothing with it. Published: correlation 0.70 at",
        "7 × 7 and 0.12 at 20 × 20 at best (Dehmamy et al. 2021). The coefficient is (c(x ∂y) − c(y ∂x))/2, truth 1.",
        "The columns of angles are ‖exp(θL)x − x turned‖/‖x turned − x‖ on fresh images inside the disc.",
        "",
        "| size | images | parametrisation | correlation | coefficient | θ = π/10 | π/5 | π/4 | s | remark |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for side in (7, 20):
        grid = Grid(side, side)
        truth = plane_matrix(image_space("image-rotation", 1), TURN, grid)
        for band in (False, True):
            count = 4 * side * side if quick else 10 * side * side
            x = random_images(count, side, band_limited=band, seed=1)
            moved = image_space("image-rotation", 1).moved(x, grid, TURN, ANGLE)
            fresh = random_images(100, side, band_limited=band, seed=2)
            for name, fit in (("coordinate field", _field), ("unrestricted", _unrestricted)):
                start = time.perf_counter()
                matrix, coefficient, remark = fit(x, moved, grid)
                seconds = time.perf_counter() - start
                errors = " | ".join(f"{prediction_error(matrix, fresh, grid, a):.2f}" for a in _ANGLES)
                value = "" if coefficient is None else f"{coefficient:.3f}"
                lines.append(
                    f"| {side} × {side} | {'band-limited' if band else 'white'} | {name} | "
                    f"{correlation(matrix, truth):.3f} | {value} | {errors} | {seconds:.1f} | {remark} |"
                )
            errors = " | ".join(f"{prediction_error(truth, fresh, grid, a):.2f}" for a in _ANGLES)
            kind = "band-limited" if band else "white"
            lines.append(f"| {side} × {side} | {kind} | the truth itself | 1.000 | 1.000 | {errors} | | |")
    return [*lines, ""]


_ANGLES = (math.pi / 10, math.pi / 5, math.pi / 4)


def _field(x: Tensor, moved: Tensor, grid: Grid) -> tuple[Tensor, float | None, str]:
    space = image_space("image-affine", 1)
    some = slice(0, 400)
    amounts = torch.full((len(x[some]),), ANGLE, dtype=torch.float64)
    vector = register_together(x[some], moved[some], amounts, space, grid).coefficients
    assert space.plane is not None
    a = torch.einsum("pab,p->ab", space.plane.matrices(), vector)
    return plane_matrix(space, vector, grid), float(a[1, 0] - a[0, 1]) / 2, "shares the stencil of the truth"


def _unrestricted(x: Tensor, moved: Tensor, grid: Grid) -> tuple[Tensor, float | None, str]:
    a, b = x.flatten(2), moved.flatten(2)
    amounts = torch.full((len(x),), ANGLE, dtype=torch.float64)
    scale = torch.ones(a.shape[2], dtype=torch.float64)
    found = transport_known(a, b, amounts, Candidates("so", None, orthogonal=True), scale)
    phase = ANGLE * spectral_radius(image_space("image-rotation", 1), TURN, grid) / math.pi
    remark = f"{found.ambiguous} of {a.shape[2]} phases near π"
    if phase > 1:
        remark += f"; the finest detail turns by {phase:.1f} π: not identifiable"
    return found.matrix, None, remark


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("so2", "mnist", "ranges", "learned"), help="one part")
    parser.add_argument("--quick", action="store_true", help="2,000 digits, one fold, one seed, few epochs")
    parser.add_argument("--data", type=Path, default=Path(), help="folder of mnist10k.npz")
    parser.add_argument("--folds", type=int, default=5, help="of five")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=Path, help="file of JSON lines in which results are kept as they come")
    parser.add_argument("--output", type=Path, help="the page to write; standard output if not given")
    given = parser.parse_args()
    kept = Kept(given.rows)
    drawn = None if given.output is None else given.output.parent / "pictures"
    page = ["# Images", "", f"Written by `python -m benchmarks.images`, torch {torch.__version__}, CPU, "
            f"{torch.get_num_threads()} threads{', --quick' if given.quick else ''}.", ""]  # fmt: skip
    if given.only in (None, "so2"):
        page += so2(given.quick)
    if given.only in (None, "mnist"):
        folds, seeds, epochs = (1, 1, 4) if given.quick else (given.folds, given.seeds, given.epochs)
        page += scrambled.page(given.data, folds, seeds, epochs, given.quick, kept)
    if given.only in (None, "ranges"):
        page += ranges.page(given.data, drawn, kept)
    if given.only in (None, "learned"):
        page += learned.page(given.data, 100 if given.quick else learned.STEPS, drawn, kept)
    text = "\n".join(page).rstrip() + "\n"
    if given.output is None:
        print(text)
        return
    with appearing_whole(given.output) as part:
        part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
