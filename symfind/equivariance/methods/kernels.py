"""W ↦ the nearest W̄ that commutes with moves of a grid: kernels of dense layers and of convolutions.

A dense layer from c·G to c′·G numbers is a kernel K(x, y) on pairs of points. It commutes with the translations if and
only if it depends on x − y, modulo the period of an axis that closes (circulant: exact), inside an open axis else
(Toeplitz); with turns too if it is equal on the orbits of x − y under them. These are linear constraints: entries of
one class are equal, so that the orthogonal projection is the mean over each class, exact to rounding. Axis letters:
G points, c channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.data.axes import AxisSource
from symfind.equivariance.equivariance import Function, error_of, spread
from symfind.equivariance.measure import relative_change, task_loss, worse_by
from symfind.equivariance.subject import Subject, evaluated
from symfind.equivariance.writing import save_projection
from symfind.errors import UsageError
from symfind.models.network import Layer, Step
from symfind.schema.enforcement import ErrorMeasured, LossChange, LossMeasured

_TURNS = ("", "c4", "d4", "so2")
_NAMES = {"p4": "translations+c4", "p4m": "translations+d4", "se2": "translations+so2"}
# Squared distances on a lattice of unit step are whole numbers, or halves for kernels of even width.
_DIGITS = 6
# Beyond this multiple of its own error a projection is not near the model. Layers add up what one mean would do.
_FAR = 10.0
_UNLIKE = "the layers of this network are no kernels on that grid, or the task does not follow the group"
# Rows and moves on which errors are measured.
_ROWS, _ELEMENTS = 64, 64


@dataclass(frozen=True)
class GridGroup:
    """Translations of a grid, with turns about its points.

    Attributes
    ----------
    turns
        ``""``, ``c4``, ``d4`` (turns by 90°, and flips: exact on a square grid) or ``so2`` (kernels that depend on the
        distance alone: a constraint on the kernel, which finite turns confirm as far as the grid resolves them).
    shape
        Of the grid.
    periodic
        Which axes close.
    """

    turns: str
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    @property
    def name(self) -> str:
        """As on the command line."""
        return "translations" + (f"+{self.turns}" if self.turns else "")

    @property
    def components(self) -> int:
        """How many moves of the grid there are; those of ``so2`` that the grid has are those of d4."""
        return prod(self.shape) * {"": 1, "c4": 4, "d4": 8, "so2": 8}[self.turns]

    def __str__(self) -> str:
        """How functions on the grid are moved."""
        ends = ["periodic" if closes else "open" for closes in self.periodic]
        return f"functions on {' × '.join(str(n) for n in self.shape)} ({', '.join(ends)})"

    def moved(self, x: Tensor, element: Sequence[int]) -> Tensor:
        """Rows ``(n, …)`` of c·G numbers turned, flipped, then shifted by a random element."""
        u = x.reshape(len(x), -1, *self.shape)
        q = len(self.shape)
        if q == 2 and element[0]:
            u = torch.rot90(u, element[0], (-2, -1))
        if element[1]:
            u = u.flip(-1)
        return torch.roll(u, tuple(element[2:]), tuple(range(-q, 0))).reshape(x.shape)

    def elements(self, count: int, rng: torch.Generator) -> list[list[int]]:
        """Random (quarter turns, flip, shifts …); no shift of an open axis, which would carry fields over its end."""
        out = []
        for _ in range(count):
            turn = int(torch.randint(4, (), generator=rng)) if self.turns and len(self.shape) == 2 else 0
            flip = int(torch.randint(2, (), generator=rng)) if self.turns in ("d4", "so2") else 0
            shifts = [
                int(torch.randint(n, (), generator=rng)) if closes else 0
                for n, closes in zip(self.shape, self.periodic, strict=True)
            ]
            out.append([turn, flip, *shifts])
        return out

    def error(self, function: Function, x: Tensor, elements: Sequence[Sequence[int]], unit: float) -> ErrorMeasured:
        """‖F(gx) − gF(x)‖ over pairs of an element and a row, in units of the spread of F."""
        rows = x[torch.arange(len(elements)) % len(x)]
        moved = torch.cat([self.moved(row[None], g) for row, g in zip(rows, elements, strict=True)])
        values = function(rows)
        wanted = torch.cat([self.moved(y[None], g) for y, g in zip(values, elements, strict=True)])
        size = (function(moved) - wanted).reshape(len(rows), -1).double().norm(dim=1) / unit
        return error_of(size)

    def classes(self) -> Tensor:
        """Class of each pair of points ``(G, G)``: pairs of one class have one value of a kernel that commutes."""
        axes = []
        for n, closes in zip(self.shape, self.periodic, strict=True):
            i = torch.arange(n)
            offset = i[:, None] - i
            axes.append((offset + n // 2) % n - n // 2 if closes else offset)
        grids = [
            offset.reshape([n if k in (a, a + len(axes)) else 1 for k in range(2 * len(axes))])
            for a, (n, offset) in enumerate(zip(self.shape, axes, strict=True))
        ]
        points = prod(self.shape)
        offsets = torch.stack([g.expand(*self.shape, *self.shape).reshape(points, points) for g in grids], -1)
        modulus = [n if closes else 0 for n, closes in zip(self.shape, self.periodic, strict=True)]
        return _numbered(_representatives(offsets.double(), self.turns, modulus))

    def kernel_classes(self, size: Sequence[int]) -> Tensor:
        """Class of each entry of a convolution's kernel, ``size``."""
        axes = [torch.arange(k, dtype=torch.float64) - (k - 1) / 2 for k in size]
        offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        return _numbered(_representatives(offsets, self.turns, [0] * len(size)))


def _representatives(offsets: Tensor, turns: str, modulus: Sequence[int]) -> Tensor:
    """One offset ``(…, q)`` for each orbit under turns; its square for all turns."""
    if turns == "so2":
        return offsets.square().sum(-1, keepdim=True)
    if not turns:
        return offsets
    best: Tensor | None = None
    images = [offsets]
    if offsets.shape[-1] == 1:
        images = [offsets, -offsets] if turns == "d4" else [offsets]
    else:
        for _ in range(3):
            first, second = images[-1].unbind(-1)
            images.append(torch.stack([-second, first], -1))
        if turns == "d4":
            images += [image * image.new_tensor([1.0, -1.0]) for image in images]
    width = 4.0 * float(offsets.abs().max() + 1)
    for image in images:
        for a, n in enumerate(modulus):
            if n:
                image = image.clone()
                image[..., a] = torch.remainder(image[..., a] + n // 2, n) - n // 2
        code = image[..., 0] if image.shape[-1] == 1 else image[..., 0] * width + image[..., 1]
        best = code if best is None else torch.minimum(best, code)
    assert best is not None
    return best[..., None]


def _numbered(representatives: Tensor) -> Tensor:
    flat = torch.round(representatives.reshape(-1, representatives.shape[-1]), decimals=_DIGITS)
    numbers: Tensor = torch.unique(flat, dim=0, return_inverse=True)[1]
    return numbers.reshape(representatives.shape[:-1])


def class_means(values: Tensor, classes: Tensor) -> Tensor:
    """Each entry of ``(…, *classes.shape)`` replaced by the mean over its class."""
    label = classes.flatten()
    count = torch.bincount(label).double()
    flat = values.double().reshape(-1, label.numel())
    sums = flat.new_zeros(len(flat), len(count)).index_add_(1, label, flat)
    means: Tensor = (sums / count)[:, label]
    return means.reshape(values.shape)


def grid_group(name: str, sources: Sequence[AxisSource], row: Sequence[int]) -> GridGroup:
    """The group called ``name`` on the grid that the last axes of a row ``(…, *grid)`` are, as ``--grid`` says.

    Raises
    ------
    UsageError
        Another name; axes whose ends are not stated, or that are not those of the rows; turns of what is not square.
    """
    whole = _NAMES.get(name, name)
    head, _, turns = whole.partition("+")
    if head != "translations" or turns not in _TURNS:
        known = ", ".join(["translations", *(f"translations+{t}" for t in _TURNS[1:]), *_NAMES])
        raise UsageError(f"--group {name}: groups on a --grid are {known}")
    if sources[0].name == "t" or any(s.periodic is None for s in sources):
        raise UsageError(
            "--grid must say of each space axis whether it is periodic or open, such as 'x=0:1 periodic, y=0:1 open'"
        )
    q = len(sources)
    if len(row) < q:
        raise UsageError(f"--grid names {q} axes, a row of the model has shape {tuple(row)}; give --shape c,{'n,' * q}")
    shape = tuple(row[-q:])
    periodic = tuple(bool(s.periodic) for s in sources)
    if turns in ("c4", "so2") and q == 1:
        raise UsageError(f"--group {name}: a line has no turns; take translations, or translations+d4 for its flip")
    if turns and (len(set(shape)) > 1 or len(set(periodic)) > 1):
        raise UsageError(f"--group {name}: turns need a square grid with like ends, this one is {shape}")
    return GridGroup(turns, shape, periodic)


@dataclass(frozen=True, eq=False)
class KernelLayer:
    """One layer before and after, and how many numbers a kernel that commutes has."""

    before: Layer
    after: Layer
    dimension: int
    kernel: str

    @property
    def moved(self) -> float:
        """‖W̄ − W‖/‖W‖ with the bias."""
        before, after = (
            torch.cat([t.double().flatten() for t in (layer.weight, layer.bias) if t is not None])
            for layer in (self.before, self.after)
        )
        return float((after - before).norm() / before.norm().clamp(min=1e-300))


@dataclass(frozen=True, eq=False)
class KernelProjection:
    """A network whose kernels were projected."""

    steps: tuple[Step, ...]
    layers: tuple[KernelLayer, ...]
    notes: tuple[str, ...]


def project_kernels(steps: Sequence[Step], group: GridGroup) -> KernelProjection:
    """Every dense layer and convolution projected onto the kernels that commute with the group.

    Raises
    ------
    UsageError
        A layer that is not on the grid, or cannot be replaced.
    """
    done: list[KernelLayer] = []
    out: list[Step] = []
    notes: list[str] = []
    for step in steps:
        if not isinstance(step, Layer):
            out.append(step)
            continue
        if step.path is None:
            raise UsageError("a layer holds its weights as constants (a frozen module); save it without freezing it")
        layer = _dense(step, group) if step.kind == "linear" else _convolution(step, group)
        if step.kind != "linear" and any(any(ends) for ends in step.attributes["padding"]) and any(group.periodic):
            notes.append(
                f"'{step.path}' pads with zeros: near the border it does not commute with the translations of a "
                "periodic axis, whatever its kernel; pad circularly"
            )
        done.append(layer)
        out.append(layer.after)
    if not done:
        raise UsageError("the network has no dense layer or convolution whose kernel could be projected")
    return KernelProjection(tuple(out), tuple(done), tuple(notes))


def _dense(layer: Layer, group: GridGroup) -> KernelLayer:
    points = prod(group.shape)
    m, d = layer.weight.shape
    if m % points or d % points:
        raise UsageError(
            f"'{layer.path}' takes {d} numbers to {m}, not multiples of the {points} points of the grid: it is no "
            "kernel on it; give the --shape and --grid of its fields"
        )
    blocks = layer.weight.double().reshape(m // points, points, d // points, points).transpose(1, 2)
    classes = group.classes()
    weight = class_means(blocks, classes).transpose(1, 2).reshape(m, d)
    bias = None
    if layer.bias is not None:
        own = layer.bias.double().reshape(-1, points)
        bias = own.mean(1, keepdim=True).expand_as(own).reshape(-1)
    count = (m // points) * (d // points) * int(classes.max() + 1)
    return KernelLayer(layer, replace(layer, weight=weight, bias=bias), count, f"kernel on {group}")


def _convolution(layer: Layer, group: GridGroup) -> KernelLayer:
    size = layer.weight.shape[2:]
    if len(size) != len(group.shape):
        raise UsageError(f"'{layer.path}' is a {layer.kind}, the grid has {len(group.shape)} axes; give another --grid")
    if set(layer.attributes["stride"]) != {1}:
        raise UsageError(f"'{layer.path}' has the stride {layer.attributes['stride']} and leaves the grid; expected 1")
    if group.turns and len({*size}) > 1:
        raise UsageError(f"'{layer.path}' has a kernel of {tuple(size)}, which no turn maps to itself")
    classes = group.kernel_classes(size)
    weight = class_means(layer.weight.double(), classes)
    bias = None if layer.bias is None else layer.bias.double()
    count = layer.weight.shape[0] * layer.weight.shape[1] * int(classes.max() + 1)
    return KernelLayer(layer, replace(layer, weight=weight, bias=bias), count, f"convolution on {group}")


@dataclass(frozen=True)
class GridMeasured:
    """Errors and losses of a network before and after, and the change between them, on rows and moves of the grid."""

    before: ErrorMeasured
    after: ErrorMeasured
    loss_before: LossMeasured | None
    loss_after: LossMeasured | None
    change: float
    notes: tuple[str, ...]
    loss_change: LossChange | None = None
    whole: bool = True

    def obeyed(self, tolerance: float) -> bool:
        """Whether the model commutes already; the ends of an open axis hide whether it does."""
        return self.whole and self.before.largest <= tolerance

    def worse(self, tolerance: float) -> str:
        """Why the projection is of no use: an error or a loss that it raised, or what it did to F; else empty.

        The mean over the group moves F by at most its error (Jensen); a projection that moves it by far more reads the
        layers as something that they are not.
        """
        if self.after.largest > max(self.before.largest, tolerance):
            return f"the error over moves of the grid rises from {self.before.largest:.2g} to {self.after.largest:.2g}"
        if self.whole and self.change > _FAR * max(self.before.rms, tolerance):
            return (
                f"the model misses the group by {self.before.rms:.2g} of its spread, and the projection changes it by "
                f"{self.change:.2g}: hidden layers are not laid out as channels × grid"
            )
        if self.loss_change is not None and self.loss_change.why and self.loss_before and self.loss_after:
            before, after = self.loss_before, self.loss_after
            return f"the held-out {before.kind} rises from {before.value:.4g} to {after.value:.4g}"
        return ""


def enforce_kernels(
    subject: Subject, group: GridGroup, path: Path, provenance: Mapping[str, Any], rng: torch.Generator
) -> tuple[KernelProjection, GridMeasured]:
    """Project, write the model to ``path``, load it again and measure both on the same rows and elements.

    Raises
    ------
    UsageError
        A layer is no kernel on the grid, or the model does not give fields on it.
    """
    points = prod(group.shape)
    shape = subject.model.output_shape
    if prod(shape) % points:
        raise UsageError(
            f"the model gives {prod(shape)} numbers a row (shape {shape}), no fields on the grid of {points} points"
        )
    projection = project_kernels(subject.steps, group)
    save_projection(projection, subject, path, provenance)
    x = subject.x[torch.randperm(len(subject.x), generator=rng)[:_ROWS]]
    y = None if subject.y is None else subject.y[: len(subject.x)]
    projected = evaluated(path, x, subject.trust)
    values, moved = subject.model(x), projected(x)
    unit = spread(values)
    elements = group.elements(_ELEMENTS, rng)
    losses: list[LossMeasured | None] = [None, None]
    loss_change: LossChange | None = None
    if y is not None:
        outs = [model(subject.x) for model in (subject.model, projected)]
        loss = task_loss(outs[0], y, str(subject.path))
        losses = [loss.measured(out, y) for out in outs]
        mean, error = worse_by(loss.rows(outs[1], y), loss.rows(outs[0], y), subject.dtype)
        loss_change = LossChange(mean=mean, standard_error=error, why="" if mean <= error else _UNLIKE)
    notes = [f"errors over {_ELEMENTS} moves of the grid itself"]
    if not all(group.periodic):
        notes.append("an open axis is not shifted: its kernels depend on x − y, which is exact in the interior")
    if group.turns == "so2":
        notes.append("so2: kernels depend on the distance alone; turns but by 90° hold as far as the grid resolves")
    measured = GridMeasured(
        group.error(subject.model, x, elements, unit),
        group.error(projected, x, elements, unit),
        losses[0],
        losses[1],
        relative_change(moved, values, unit),
        tuple(notes),
        loss_change,
        all(group.periodic),
    )
    return projection, measured
