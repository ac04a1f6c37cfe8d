"""Fields on the image plane learned by validity: what their flows make of images is still told apart as before.

A field is a network on the plane, without a basis. Validity is the divergence D(p(u) ‖ p(u ∘ exp(−tξ))) of a
classifier's probabilities p after a finite step. The loss is that of Ko, Kim and Lee (2024, arXiv 2410.21853, §4): the
mean over the fields of the logarithm of validity, plus ten times max(‖Δξ‖/‖Δz‖ − τ, 0) over pairs of points; where they
punish overlap, the fields here are orthonormal by construction. Were the divergence of a combination c of the fields a
form cᵀQc, the mean of logarithms would be least, over the orthonormal bases of a span, at the eigenvectors of Q
(Hadamard's inequality): training tells apart what the span holds. Positions count by the gradient energy of the images,
w ∝ E‖∇u‖², so that no field is valid by living where images have nothing; lengths are in units of the spread of w. The
pairs are drawn evenly from where any image has something: by w, a field could be as steep as it likes where few do. A
step moves the typical image (geometric mean) by a given length: divergences saturate, and by the mean square a field
that tears few images and leaves the others would count as valid.

The derivative does not tell these fields from others: for digits and a classifier trained on affine images its six
least valid directions among cubic fields have cosines of 0.99 to 0.1 with the affine ones. Steps of half a spread and
more do.

Axis letters: n images, k fields, d = H·W pixels, m classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.fields.neural import NeuralFields
from symfind.fields.plane import Grid, ImageFields
from symfind.fits.training import Recipe, train
from symfind.kinds.image.ranges import Candidate
from symfind.kinds.image.settings import SETTINGS

if TYPE_CHECKING:
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

# Two fields more than the space has: they show what is not a symmetry.
_SPARE = 2
_MOST_FIELDS = 16
_WIDTHS = (64, 64)
# Images of a step, steps between two looks, and images looked at.
_BATCH = 24
_STRETCH = 150
_HELD_OUT = 200
# Images whose gradients are the measure.
_MEASURED = 2000
# Pairs of places at which steepness is asked.
_PAIRS = 256

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LearnedOnPlane:
    """Fields in the order of their validity.

    Attributes
    ----------
    fields
        k of them.
    divergences
        Mean D of each over held-out images after steps of 0.6 spreads both ways ``(k,)``, ascending.
    shares
        ‖projection on the space‖/‖field‖ of each ``(k,)``, in the norm of the energy.
    values
        Orthonormal values over the pixels ``(d, k, 2)``, weighted by the root of the energy.
    weight
        w ``(d,)``, of sum one.
    steps
        Of training.
    """

    fields: NeuralFields
    divergences: Tensor
    shares: Tensor
    values: Tensor
    weight: Tensor
    steps: int

    def share_of(self, velocity: Tensor, leading: int) -> float:
        """How much of the norm of a field ``(d, 2)`` the span of the ``leading`` most valid fields holds."""
        own = velocity * self.weight.sqrt()[:, None]
        inside = torch.einsum("dka,da->k", self.values[:, :leading], own)
        return float(inside.norm() / own.norm().clamp(min=1e-300))

    def told(self, space: str) -> str:
        """The fields in words."""
        parts = [f"{d:.2g} ({s:.2f})" for d, s in zip(self.divergences.tolist(), self.shares.tolist(), strict=True)]
        return (
            f"{len(parts)} fields learned along finite flows in {self.steps} steps; divergence of the classes after "
            f"{SETTINGS.judged:g} spreads, and the share of the field's norm in {space}: {', '.join(parts)}"
        )


def learn_on_plane(
    request: DiscoverOptions,
    images: Tensor,
    judges: Sequence[tuple[Logits, Tensor]],
    space: ImageFields,
    grid: Grid,
    generator: torch.Generator,
    clock: Clock,
) -> LearnedOnPlane:
    """Learn two fields more than the space has.

    Parameters
    ----------
    images
        ``(n, c, H, W)`` float32.
    judges
        Classifiers whose gradient reaches the images, each with the rows that it may judge.

    Raises
    ------
    UsageError
        The space has colours, or too many fields.
    NumericalError
        The loss is not finite.
    """
    if space.plane is None or space.colour is not None:
        raise UsageError(f"--method validity learns fields on the plane; --space {space.name} has colours")
    k = space.plane.dim + _SPARE
    if k > _MOST_FIELDS:
        most = _MOST_FIELDS - _SPARE
        raise UsageError(f"--space {space.name} has {space.plane.dim} fields; at most {most} are learned")
    plane = _Plane.of(images, grid)
    start = NeuralFields.draw(2, k, _WIDTHS, generator)
    first, *others = start.parameters
    start = start.with_parameters([first * (SETTINGS.first_slopes / 0.2), *others]).centred(
        plane.mean, plane.spread.expand(2)
    )
    before = [_log_probabilities(logits, images[rows]) for logits, rows in judges]

    def divergences(fields: NeuralFields, judge: int, some: Tensor, amounts: Tensor) -> Tensor:
        logits, rows = judges[judge]
        moved = plane.moved(fields, images[rows[some]], amounts / plane.typical(fields))
        after = torch.log_softmax(logits(moved), 1).reshape(k, len(some), -1)
        base = before[judge][some]
        return (base.exp() * (base - after)).sum(2).mean(1)

    def loss(parameters: Sequence[Tensor], source: torch.Generator) -> Tensor:
        fields = plane.orthonormal(start.with_parameters(parameters))
        judge = int(torch.randint(len(judges), (1,), generator=source))
        some = torch.randint(len(judges[judge][1]), (_BATCH,), generator=source)
        size = SETTINGS.shortest + (SETTINGS.longest - SETTINGS.shortest) * torch.rand(k, generator=source)
        sign = 1.0 - 2.0 * torch.randint(2, (k,), generator=source)
        valid = divergences(fields, judge, some, size * sign).clamp(min=SETTINGS.divergence_floor).log().mean()
        return valid.double() + SETTINGS.steep_weight * plane.steepness(fields, source)

    def on_held_out(fields: NeuralFields) -> Tensor:
        total = torch.zeros(k)
        for judge, (_, rows) in enumerate(judges):
            some = torch.arange(min(_HELD_OUT, len(rows)))
            for sign in (-1.0, 1.0):
                total += divergences(fields, judge, some, torch.full((k,), sign * SETTINGS.judged))
        return total / (2 * len(judges))

    def score(parameters: Sequence[Tensor]) -> tuple[float, str]:
        fields = plane.orthonormal(start.with_parameters(parameters))
        found = on_held_out(fields)
        steep = plane.steepness(fields, torch.Generator().manual_seed(request.seed))
        words = "divergences " + " ".join(f"{v:.2g}" for v in found.sort().values.tolist())
        return float(found.clamp(min=SETTINGS.divergence_floor).log().mean() + SETTINGS.steep_weight * steep), words

    settings = f"image {tuple(images.shape)} {float(images.double().sum()):.17g} {request.seed} {request.steps} {k}"
    recipe = Recipe(
        request.steps, min(_STRETCH, request.steps), SETTINGS.rate,
        None if request.checkpoint is None else Path(request.checkpoint), request.resume, settings,
    )  # fmt: skip
    trained = train(start.parameters, loss, score, recipe, generator, clock.progress)
    with torch.no_grad():
        fields = plane.orthonormal(start.with_parameters(trained.parameters))
        found = on_held_out(fields)
        order = torch.argsort(found)
        fields = fields.combined(torch.eye(k, dtype=torch.float64)[:, order])
        values = plane.values(fields)
        shares = plane.shares(values, space)
    return LearnedOnPlane(fields, found[order].double(), shares, values, plane.weight, trained.steps)


def in_learned_span(
    learned: LearnedOnPlane, candidates: Sequence[Candidate], space: ImageFields, grid: Grid
) -> tuple[list[Candidate], tuple[str, ...]]:
    """The candidates that the most valid learned fields hold, as many fields as the space has; and what to tell."""
    assert space.plane is not None
    at = space.plane.evaluate(grid.points)
    shares = [learned.share_of(torch.einsum("npa,p->na", at, c.vector), space.plane.dim) for c in candidates]
    held = [c for c, share in zip(candidates, shares, strict=True) if share >= SETTINGS.proposed]
    names = [space.fields.expression(c.vector, space.names()) for c in candidates]
    parts = [f"{name} {share:.3f}" for name, share in zip(names, shares, strict=True)]
    return held, (
        learned.told(space.name),
        "validities of learned fields have no clear gap, so their number is not theirs to tell; the share of each "
        f"candidate in the span of the {space.plane.dim} most valid (those above {SETTINGS.proposed:g} are followed): "
        + ", ".join(parts),
    )


def _log_probabilities(logits: Logits, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([torch.log_softmax(logits(part), 1) for part in torch.split(images, 512)])


@dataclass(frozen=True)
class _Plane:
    """Pixels with their weights, centre and spread."""

    grid: Grid
    each: Tensor
    weight: Tensor
    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, images: Tensor, grid: Grid) -> _Plane:
        """The gradient energy of images as a measure, of each ``(n, d)`` and of all."""
        parts = torch.split(images[:_MEASURED], 512)
        energy = torch.cat([grid.gradient(u.double(), "smoothed").square().sum((1, 2)).flatten(1) for u in parts])
        weight = energy.sum(0) / energy.sum()
        mean = weight @ grid.points
        spread = (weight @ (grid.points - mean).square()).mean().sqrt()
        some = energy.sum(1) > 0
        return cls(grid, energy[some] / energy[some].sum(1, keepdim=True), weight, mean, spread)

    def values(self, fields: NeuralFields) -> Tensor:
        """√w ξ in spreads ``(d, k, 2)``."""
        return fields.evaluate(self.grid.points) / self.spread * self.weight.sqrt()[:, None, None]

    def orthonormal(self, fields: NeuralFields) -> NeuralFields:
        """The orthonormal fields nearest to these (Löwdin): none is first."""
        flat = self.values(fields).transpose(1, 2).flatten(0, 1)
        sizes, axes = torch.linalg.eigh(flat.T @ flat)
        return fields.combined((axes * sizes.clamp(min=1e-12).rsqrt()) @ axes.T)

    def typical(self, fields: NeuralFields) -> Tensor:
        """Geometric mean over the images of what each field displaces them by, in spreads ``(k,)``."""
        speed = (fields.evaluate(self.grid.points) / self.spread).square().sum(2)
        return (0.5 * (self.each @ speed).clamp(min=1e-12).log().mean(0)).exp()

    def steepness(self, fields: NeuralFields, generator: torch.Generator) -> Tensor:
        """Mean max(‖Δξ‖/‖Δz‖ − τ, 0) over pairs of points."""
        reached = self.weight > SETTINGS.reached * self.weight.max()
        a, b = torch.multinomial(reached.double(), 2 * _PAIRS, replacement=True, generator=generator).chunk(2)
        a, b = a[a != b], b[a != b]
        # Both in spreads, which cancel.
        gap = fields.evaluate(self.grid.points[a]) - fields.evaluate(self.grid.points[b])
        distance = (self.grid.points[a] - self.grid.points[b]).norm(dim=1)
        steep: Tensor = (gap.norm(dim=2) / distance[:, None] - SETTINGS.steep).clamp(min=0).mean()
        return steep

    def moved(self, fields: NeuralFields, images: Tensor, amounts: Tensor) -> Tensor:
        """Images ``(k·n, c, H, W)`` after exp(tᵢξᵢ), one Runge–Kutta step: at |t| ≤ 0.8 its error is below a pixel."""
        k = fields.dim
        at = self.grid.points.float().expand(k, -1, -1)

        def velocity(p: Tensor) -> Tensor:
            every = fields.evaluate(p.reshape(-1, 2)).reshape(k, -1, k, 2)
            return every.diagonal(dim1=0, dim2=2).permute(2, 0, 1)

        h = -amounts.float()[:, None, None]
        k1 = velocity(at)
        k2 = velocity(at + h / 2 * k1)
        k3 = velocity(at + h / 2 * k2)
        k4 = velocity(at + h * k3)
        target = at + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return torch.cat([self.grid.sampled(images, p, "border") for p in target])

    def shares(self, values: Tensor, space: ImageFields) -> Tensor:
        """‖projection‖/‖field‖ of each field on a space, both over the pixels by w."""
        assert space.plane is not None
        basis = space.plane.evaluate(self.grid.points) * self.weight.sqrt()[:, None, None]
        q = torch.linalg.qr(basis.transpose(1, 2).flatten(0, 1)).Q
        flat = values.transpose(1, 2).flatten(0, 1)
        size = torch.linalg.vector_norm(flat, dim=0).clamp(min=math.ulp(1.0))
        inside: Tensor = torch.linalg.vector_norm(q.T @ flat, dim=0) / size
        return inside
