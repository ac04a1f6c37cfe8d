"""Whether the data can speak about a finite step: what it keeps among them, and what the best predictor says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.symmetries import Symmetries
from symfind.decision.witness.trial import Rows, Trial
from symfind.fields.space import VectorFieldSpace
from symfind.linalg.nullspace import generalised_spectrum


def kept_share(problem: Problem, algebra: Symmetries, rows: Rows, settings: WitnessSettings) -> float:
    """The least share, over generators and both ways, of rows that a finite step leaves among the data.

    A row and where the step takes it are compared with one another, whichever of the two is the first: near the rim of
    the data one of the ways leaves them, whatever the symmetry, and where nearly all rows have a partner one way or the
    other, that share counts. Along what does not lie in the data both ways leave them.
    """
    k, d = problem.objects
    n = min(len(rows), 2500)
    x, some = rows.x[:n], rows.x[:300]
    whole = _Support.of(x)
    # One object by itself has more rows in fewer dimensions: a mass shell shows there that is lost in the whole.
    alone = _Support.of(x.reshape(-1, d)[:4000]) if k > 1 else None
    least = 1.0
    for vector in algebra.vectors.T[:12]:
        c = vector[: problem.space.dim]
        field = torch.einsum("npd,p->nd", problem.space.evaluate(some.reshape(-1, d)), c).reshape(some.shape)
        size = whole.size(field)
        if size <= 0:
            continue
        among, among_alone = [], []
        for way in (1.0, -1.0):
            at = some.clone()
            steps = 4
            h = way * settings.step / size / steps
            for _ in range(steps):
                at = _runge_kutta(problem.space, c, at, h, d)
            among.append(whole.inside(at))
            if alone is not None:
                among_alone.append(alone.inside(at.reshape(-1, d)))
        least = min(least, *(_share(torch.stack(each), settings) for each in (among, among_alone) if each))
    return least


def _share(among: Tensor, settings: WitnessSettings) -> float:
    """Of rows that stay ``(ways, n)``: the lesser share of the two ways, or that of either if nearly all have one."""
    either = float(among.any(0).double().mean())
    return either if either >= settings.partnered else float(among.double().mean(1).min())


@dataclass(frozen=True)
class _Support:
    """Where the data are: no further from them than nearly all of them are from one another, as the spread counts."""

    mean: Tensor
    to_white: Tensor
    white: Tensor
    radius: float

    @staticmethod
    def of(x: Tensor) -> _Support:
        mean, scale = x.mean(0), x.std(0, correction=0)
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        unit = (x - mean) / scale
        _, sigma, vh = torch.linalg.svd(unit, full_matrices=False)
        keep = sigma > 1e-7 * sigma.max()
        to_white = (vh[keep].T / sigma[keep] * len(x) ** 0.5) / scale[:, None]
        white = (x - mean) @ to_white
        own = [torch.cdist(part, white).topk(2, largest=False).values[:, 1] for part in torch.split(white, 1024)]
        return _Support(mean, to_white, white, 1.5 * float(torch.quantile(torch.cat(own), 0.95)))

    def size(self, field: Tensor) -> float:
        """Root mean square of a field ``(n, D)`` in units of the spread."""
        return float((field @ self.to_white).square().mean().sqrt())

    def inside(self, x: Tensor) -> Tensor:
        """Which points ``(n, D)`` lie among the data."""
        moved = (x - self.mean) @ self.to_white
        near = torch.cat([torch.cdist(part, self.white).amin(1) for part in torch.split(moved, 1024)])
        return near <= self.radius


def visible(problem: Problem, slopes: Tensor, rows: Rows, vectors: Tensor, tolerance: float) -> Tensor:
    """The combinations of fields ``(P, k)`` that move x where y depends on it, ``(P, j)``.

    Directions of whitened x along which the variance of y changes by less than (δ/5)² are blind, at the size at which
    the data vary; collinear inputs have one, which is no axis. A field that moves the data along these alone says
    nothing.

    Parameters
    ----------
    slopes
        dF ``(n, m, D)`` at the first n rows, weighted as y is.
    """
    k, d = problem.objects
    n = slopes.shape[0]
    colour = torch.linalg.pinv(problem.whiten)
    unit = slopes.reshape(-1, d) @ colour
    values, axes = torch.linalg.eigh(unit.T @ unit)
    blind = values < (tolerance / 5) ** 2 * values.sum()
    if problem.flow or not bool(blind.any()) or vectors.shape[1] == 0:
        return vectors
    x = rows.x[:n].reshape(n * k, d)
    fields = torch.einsum("npd,pc->ndc", problem.space.evaluate(x), vectors[: problem.space.dim])
    white = torch.einsum("rd,ndc->nrc", problem.whiten, fields)
    seen = torch.einsum("rs,nrc->nsc", axes[:, ~blind], white).reshape(-1, vectors.shape[1])
    spectrum = generalised_spectrum(seen, white.reshape(-1, vectors.shape[1]))
    return vectors @ spectrum.vectors[:, spectrum.values >= tolerance]


def slopes_of(found: Trial, rows: Rows, count: int = 300) -> Tensor:
    """dF_g ``(n, m, D)`` at the first rows by central differences, weighted as y is."""
    x = rows.x[:count]
    step = 1e-3 * rows.x.std(0)
    out = []
    for j in range(x.shape[1]):
        move = torch.zeros_like(x)
        move[:, j] = step[j]
        size = float(step[j]) if float(step[j]) > 0 else 1.0
        out.append((found(x + move, rows.weights) - found(x - move, rows.weights)) / (2 * size))
    return torch.stack(out, -1)


def finite_defect(problem: Problem, trials: Sequence[Trial], rows: Rows, vector: Tensor) -> float:
    """‖F̂(x_t) − y_t‖/(√2‖F̂‖) less twice the error of F̂ itself, at a step of the size of the data; at least zero.

    F̂ is the best predictor known, y_t the value at x carried along. What F̂ lacks cannot speak against a symmetry.
    """
    if not trials:
        return 0.0
    best = min(trials, key=lambda t: t.share)
    x = rows.x[:400]
    d, p = problem.objects[1], problem.space.dim
    scale = rows.x.std(0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    field = torch.einsum("npd,p->nd", problem.space.evaluate(x.reshape(-1, d)), vector[:p]).reshape(x.shape)
    size = float((field / scale).square().mean().sqrt())
    if size <= 0:
        return 0.0
    weights = torch.where(rows.weights > 0, rows.weights, torch.ones_like(rows.weights))
    y = best(x, rows.weights) / weights
    h = 0.25 / size

    def slope(at: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        xi = torch.einsum("npd,p->nd", problem.space.evaluate(at.reshape(-1, d)), vector[:p]).reshape(at.shape)
        shaped = at.reshape(-1, *problem.objects)
        columns = problem.action.columns(problem.space, shaped, value.reshape(-1, *problem.output_objects))
        fibre = torch.zeros_like(value) if columns is None else (columns @ vector).reshape(value.shape)
        return xi, fibre

    at, value = x, y
    for _ in range(4):
        kx, ky = slope(at, value)
        mx, my = slope(at + 0.5 * h * kx, value + 0.5 * h * ky)
        at, value = at + h * mx, value + h * my
    inside = _Support.of(rows.x[:2500]).inside(at)
    if int(inside.sum()) < 30:
        return 0.0
    gap = ((best(at, rows.weights) - value * rows.weights)[inside]).square().sum(1).mean()
    spread = (y * rows.weights - (y * rows.weights).mean(0)).square().sum(1).mean()
    defect = float((gap / (2 * spread.clamp(min=1e-300))).sqrt())
    return max(0.0, defect - 2 * math.sqrt(max(best.share, 0.0)))


def _runge_kutta(space: VectorFieldSpace, c: Tensor, x: Tensor, h: float, d: int) -> Tensor:
    def slope(at: Tensor) -> Tensor:
        return torch.einsum("npd,p->nd", space.evaluate(at.reshape(-1, d)), c).reshape(at.shape)

    k1 = slope(x)
    k2 = slope(x + 0.5 * h * k1)
    k3 = slope(x + 0.5 * h * k2)
    k4 = slope(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
