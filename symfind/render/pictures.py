"""Pictures of generators that act on images: the field over the pixels, L as a matrix, images moved, the validity.

Drawn with matplotlib, which is imported here alone, and only where a picture is asked for.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from symfind.data.files import appearing_whole, sha256
from symfind.errors import SymfindError, UsageError
from symfind.fields.plane import Grid, ImageFields, image_space
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.render.matrices import matrix_of
from symfind.schema.document import Report
from symfind.schema.validity import ValidityCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Smaller images have no inside to draw on; matrices of more pixels are too large to be looked at.
_SMALLEST_SIDE = 5
_MOST_PIXELS = 1024
_ARROWS = 13
_IMAGES = 4
# Where nothing says how far a generator holds, images are moved by this much both ways.
_STEP = 0.3
_DPI = 110
_TURN = "x ∂y − y ∂x"
# A grey that is read on white and on nearly black: 4 to 1 against either.
_INK = "#77808d"


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes
    ----------
    name
        Of its file, without the ending.
    caption
        What it shows.
    png
        Its bytes.
    """

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class _Moved:
    """One generator on images: its text, its coefficients and how far it holds."""

    expression: str
    vector: Tensor
    amount: float


def pictures(report: Report) -> list[Picture]:
    """What there is to draw; nothing for data that are no images.

    Raises
    ------
    UsageError
        Matplotlib is not installed.
    """
    grid = _grid(report)
    if grid is None:
        return []
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("pictures are drawn with matplotlib, which is not installed; install symfind[plots]") from None
    return list(_drawn(report, grid))


def write_pictures(report: Report, folder: Path) -> list[Path]:
    """Write every picture as a PNG file into a folder that is there.

    Raises
    ------
    UsageError
        The report has none, the folder is not there, or matplotlib is not installed.
    """
    if not folder.is_dir():
        raise UsageError(f"--pictures {folder}: there is no such folder; make it")
    drawn = pictures(report)
    if not drawn:
        raise UsageError(f"{report.source.path}: {report.source.kind} data have no pictures; {_drawable()} data do")
    paths = []
    for picture in drawn:
        path = folder / f"{picture.name}.png"
        with appearing_whole(path) as part:
            part.write_bytes(picture.png)
        paths.append(path)
    return paths


def _drawable() -> str:
    return " and ".join(sorted(kind.name for kind in KINDS if kind.pictures))


def _grid(report: Report) -> Grid | None:
    row = tuple(report.source.shapes.get("x", ()))[1:]
    kind = KINDS.get(report.source.kind)
    if kind is None or not kind.pictures or len(row) not in (2, 3) or min(row[-2:]) < _SMALLEST_SIDE:
        return None
    return Grid(row[-2], row[-1])


def _drawn(report: Report, grid: Grid) -> Iterator[Picture]:
    row = tuple(report.source.shapes["x"])[1:]
    channels = row[0] if len(row) == 3 else 1
    try:
        space: ImageFields | None = image_space(report.space.name, channels)
    except UsageError:
        space = None  # matrices on pixels, found from pairs
    images = _images(report)
    if space is None:
        for i, generator in enumerate(report.generators, start=1):
            matrix = matrix_of(generator.input_action)
            if matrix is not None and len(matrix) == grid.height * grid.width:
                yield from _of_matrix(i, generator.expression, torch.tensor(matrix), images)
    else:
        for i, moved in enumerate(_generators(report), start=1):
            yield from _of_field(i, moved, space, images, grid)
    for i, curve in enumerate(report.validity, start=1):
        yield Picture(f"validity-{i}-{_slug(curve.expression)}", f"validity along {curve.expression}", _validity(curve))


def _generators(report: Report) -> list[_Moved]:
    """Those that were followed, whatever the verdict; else those that are listed."""
    if report.validity:
        return [
            _Moved(c.expression, torch.tensor(c.coefficients, dtype=torch.float64), c.range or _STEP)
            for c in report.validity
            if c.coefficients
        ]
    return [_Moved(g.expression, torch.tensor(g.coefficients, dtype=torch.float64), _STEP) for g in report.generators]


def _of_field(i: int, moved: _Moved, space: ImageFields, images: Tensor | None, grid: Grid) -> Iterator[Picture]:
    text = moved.expression
    plane, _ = space.split(moved.vector)
    if space.plane is not None and bool((plane != 0).any()):
        velocity = torch.einsum("npa,p->na", space.plane.evaluate(grid.points), plane)
        yield Picture(f"field-{i}-{_slug(text)}", f"{text} over the image", field_png(velocity, grid))
        if grid.height * grid.width <= _MOST_PIXELS:
            # The change of unit images along the field: columns of L.
            unit = torch.eye(grid.height * grid.width, dtype=torch.float64).reshape(-1, 1, grid.height, grid.width)
            slope = grid.gradient(unit, "sinc")[:, 0]
            columns = -torch.einsum("da,nad->nd", velocity, slope.flatten(2))
            yield Picture(f"matrix-{i}-{_slug(text)}", f"{text} as a matrix on the pixels", matrix_png(columns.T))
    if images is not None:
        amounts = [moved.amount * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0)]
        rows = [space.moved(images, grid, moved.vector, t, "border") for t in amounts]
        yield Picture(f"moved-{i}-{_slug(text)}", f"images moved along {text}", orbit_png(rows, amounts, text))


def _of_matrix(i: int, text: str, matrix: Tensor, images: Tensor | None) -> Iterator[Picture]:
    yield Picture(f"matrix-{i}-{_slug(text)}", f"{text} as a matrix on the pixels", matrix_png(matrix))
    if images is not None:
        amounts = [-1.0, -0.5, 0.0, 0.5, 1.0]
        maps = [torch.linalg.matrix_exp(t * matrix).to(images) for t in amounts]
        rows = [(images.flatten(2) @ m.T).reshape(images.shape) for m in maps]
        yield Picture(f"moved-{i}-{_slug(text)}", f"images moved along {text}", orbit_png(rows, amounts, text))


def _images(report: Report) -> Tensor | None:
    """Some images of the file the report is about; None where it is not there or is not the same any more."""
    path, settings = Path(report.source.path), report.settings
    try:
        if report.source.sha256 is None or not path.is_file() or sha256(path) != report.source.sha256:
            return None
        mapping = settings.get("mapping")
        dataset = open_dataset(
            path,
            kind=report.source.kind,
            input=_text(settings, "input"),
            output_name=_text(settings, "output_name"),
            mapping=mapping if isinstance(mapping, str | Mapping) else None,
        )
        chosen = torch.linspace(0, dataset.n_rows - 1, min(_IMAGES, dataset.n_rows)).long()
        x = dataset.take(torch.arange(dataset.n_rows)[chosen], torch.float32)["x"]
    except (SymfindError, OSError):
        return None
    return x if x.dim() == 4 else x[:, None]


def _text(settings: Mapping[str, Any], name: str) -> str | None:
    value = settings.get(name)
    return value if isinstance(value, str) else None


def _slug(text: str) -> str:
    """A name for a file: letters and digits of an expression."""
    plain = text.replace("∂", "d").replace("−", "-")
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-")[:40] or "generator"


# ------------------------------------------------------------------ drawings


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.patch.set_alpha(0.0)
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
        axes.tick_params(colors=_INK)
        for spine in axes.spines.values():
            spine.set_edgecolor(_INK)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_color(_INK)
    # Without the version of the library the same report gives the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def field_png(velocity: Tensor, grid: Grid) -> bytes:
    """Arrows ξ ``(H·W, 2)`` over the pixels, about thirteen a side; lengths are relative."""
    figure = _figure(3.4, 3.4 * grid.height / grid.width if grid.height < grid.width else 3.4)
    axes = figure.subplots()
    step = max(1, round(max(grid.height, grid.width) / _ARROWS))
    keep = torch.zeros(grid.height, grid.width, dtype=torch.bool)
    keep[step // 2 :: step, step // 2 :: step] = True
    at, arrows = grid.points[keep.flatten()], velocity[keep.flatten()]
    longest = float(arrows.norm(dim=1).max()) or 1.0
    spacing = step / grid.half
    axes.quiver(
        at[:, 0].numpy(), at[:, 1].numpy(), arrows[:, 0].numpy(), arrows[:, 1].numpy(),
        angles="xy", scale_units="xy", scale=longest / (1.4 * spacing), color="#2463c9", width=0.006,
    )  # fmt: skip
    right, up = grid.width / 2 / grid.half, grid.height / 2 / grid.half
    axes.set(xlim=(-1.08 * right, 1.08 * right), ylim=(-1.08 * up, 1.08 * up), aspect="equal", xlabel="x", ylabel="y")
    return _png(figure)


def matrix_png(matrix: Tensor) -> bytes:
    """Entries ``(d, d)`` as colours: blue above zero, red below, white at zero."""
    figure = _figure(4.2, 3.6)
    axes = figure.subplots()
    # One pixel's entries may be far larger than the rest: colours end where 99.5 % of those that are not zero lie.
    entries = matrix.abs().flatten()
    entries = entries[entries > 1e-12 * float(entries.max())]
    some = entries[:: 1 + len(entries) // 100_000]
    size = float(torch.quantile(some.double(), 0.995)) if len(entries) else 1
    shown = axes.imshow(matrix.numpy(), cmap="RdBu", vmin=-size, vmax=size, interpolation="nearest")
    axes.set(xlabel="from pixel", ylabel="to pixel")
    figure.colorbar(shown, ax=axes)
    return _png(figure)


def orbit_png(images: Sequence[Tensor], amounts: Sequence[float], text: str) -> bytes:
    """Images ``(n, c, H, W)`` at every amount, a row for each image, the ones as they are in the middle."""
    count = len(images[0])
    figure = _figure(1.25 * len(amounts), 1.25 * count + 0.4)
    table = figure.subplots(count, len(amounts), squeeze=False)
    low, high = float(images[len(images) // 2].min()), float(images[len(images) // 2].max())
    for column, (moved, t) in enumerate(zip(images, amounts, strict=True)):
        for row in range(count):
            axes = table[row, column]
            picture = ((moved[row] - low) / max(high - low, 1e-300)).clamp(0, 1).permute(1, 2, 0)
            if picture.shape[2] in (3, 4):
                axes.imshow(picture.numpy())
            else:
                axes.imshow(picture[:, :, 0].numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        told = f"{math.degrees(t):+.0f}°" if text == _TURN else f"t = {t:+.2f}"
        table[0, column].set_title("as it is" if t == 0 else told.replace("-", "−"), fontsize=9)
    return _png(figure)


def _validity(curve: ValidityCurve) -> bytes:
    """Accuracy along a generator against forth and back."""
    figure = _figure(5.0, 3.0)
    axes = figure.subplots()
    turn = curve.expression == _TURN
    across = [math.degrees(t) if turn else t for t in curve.amounts]
    axes.plot(across, curve.control, "o--", color="#5c6675", ms=3, label="forth and back")
    axes.plot(across, curve.accuracy, "o-", color="#2463c9", ms=4, label="moved")
    held = math.degrees(curve.range) if turn else curve.range
    if held > 0:
        axes.axvspan(-held, held, color="#16794c", alpha=0.1, label="holds")
    axes.set(xlabel="degrees" if turn else "t of exp(tξ)", ylabel="accuracy", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower center")
    return _png(figure)
