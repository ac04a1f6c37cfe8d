"""Which fields on the plane and on colours leave the labels of images valid, and over which range.

The closed form, the nullspace of the derivative of a classifier's logits along −ξ·∇u, proposes and orders. What
certifies is finite: over the stated range the accuracy is not lower, by more than two points, than for images that
went as far forth and back again and so lost as much to interpolation (DESIGN §2). Axis letters: n images, C channels,
m classes, p fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, Examined, WithinData
from symfind.decision.halves import rows_with_duplicates_grouped
from symfind.errors import InputError
from symfind.fields.plane import Grid, ImageFields, image_space
from symfind.fits.surrogate import fold_labels
from symfind.kinds.image import DEFAULT_SPACE
from symfind.kinds.image.classifier import Classifier, trained_classifier
from symfind.kinds.image.lconv import directions_inside, learn_inside
from symfind.kinds.image.learned import in_learned_span, learn_on_plane
from symfind.kinds.image.ranges import RangeJudge, candidates_of, followed
from symfind.kinds.image.settings import SETTINGS
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import generalised_spectrum
from symfind.linalg.threads import one_thread, side_by_side
from symfind.models.model import load_model

if TYPE_CHECKING:
    from symfind.data.dataset import Dataset
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

# Images in memory, and those on which the derivative is taken: its norm is an average, not a bound.
_IMAGES, _NUMBERS = 12_000, 2**29
_DERIVATIVE_IMAGES = 400
# Images of more numbers than this have the principal directions of some of them only.
_MOST_NUMBERS = 2048
# Fewer cannot tell two points: the standard error of a difference of 0.5 % needs 2,000 at the usual discordance.
FEWEST = 2000
# More labels than this are values, not classes.
_MOST_CLASSES = 1000


class Judge(Protocol):
    """Images to m logits, with the derivative."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """F(u) ``(n, m)``."""
        ...

    def differentiable(self, x: Tensor, /) -> Tensor:
        """F(u) ``(n, m)``, with the gradient that leads back to u."""
        ...

    def value_and_jacobian(self, x: Tensor, /) -> tuple[Tensor, Tensor]:
        """F(u) ``(n, m)`` and dF(u) ``(n, m, C·H·W)``."""
        ...


@dataclass(frozen=True)
class Task:
    """Images with what they should be recognised as, each judged by a classifier that has not seen it.

    Attributes
    ----------
    images
        ``(n, C, H, W)`` float32.
    labels
        ``(n,)``, 0 … m − 1.
    judges
        (classifier, rows) pairs: which classifier judges which images.
    said
        How the classifiers came about.
    accuracy
        On the images as they are.
    commonest
        Share of the commonest class.
    """

    images: Tensor
    labels: Tensor
    judges: tuple[tuple[Judge, Tensor], ...]
    said: str
    accuracy: float
    commonest: float


def evidence_of_images(
    request: DiscoverOptions, dataset: Dataset, stop: int, generator: torch.Generator, clock: Clock
) -> Examined:
    """Candidates ordered by the derivative of a classifier, and their accuracy along finite transformations.

    Raises
    ------
    InputError
        No labels and no model, labels that are not whole numbers, one class only.
    UsageError
        The space does not go with images.
    """
    channels, height, width = dataset.shapes["x"][1:]
    space = image_space(request.space or DEFAULT_SPACE, channels)
    grid = Grid(height, width)
    with clock.phase("read"):
        count = min(stop, _IMAGES, max(1, _NUMBERS // (channels * height * width)))
        chosen = torch.randperm(stop, generator=generator)[:count].sort().values
        held = dataset.take(chosen, torch.float32)
        held = rows_with_duplicates_grouped(held, "x")
    with clock.phase("fit"):
        task = _task(request, held, generator)
    with clock.phase("nullspace"), one_thread():
        m, s = _factors(task, space, grid)
        spectrum = generalised_spectrum(m.flatten(0, 1), s.flatten(0, 1))
        proposed = candidates_of(space, spectrum, m, s, float(task.images.std()))
    messages = _messages(task, space)
    if request.method == "validity":
        with clock.phase("learn"):
            judges = [(judge.differentiable, rows) for judge, rows in task.judges]
            learned = learn_on_plane(request, task.images, judges, space, grid, generator, clock)
        proposed, told = in_learned_span(learned, proposed, space, grid)
        messages = (*messages, *told)
    if request.method == "lconv":
        if "y" not in held:
            raise InputError(f"{request.source}: --method lconv learns from labels; add y")
        with clock.phase("learn"):
            inside = learn_inside(task.images, _labels(held["y"], request.source), held.get("group"), space, generator)
        proposed, told = directions_inside(inside, space, m, s)
        messages = (*messages, *told)
    doubts = tuple(_doubts(task))
    with clock.phase("validity", len(proposed)) as advance:
        curves = []
        for candidate in proposed:
            curves.append(followed(candidate, space, grid, task.images, _verdicts(task), request.alpha))
            advance(1)
    evidence = Evidence(
        space.fields,
        Invariant(),
        spectrum,
        None,
        WithinData(),
        given=True,
        doubts=doubts,
        rank=spectrum.values.shape[0],
        messages=messages,
        bracket_points=grid.points if space.fields.d == 2 else _points(task, space, grid, generator),
    )
    judge = RangeJudge(evidence, tuple(curves), space.names())
    return Examined(replace(evidence, judge=judge), space.names())


def _task(request: DiscoverOptions, held: dict[str, Tensor], generator: torch.Generator) -> Task:
    images = held["x"]
    labels = None if "y" not in held else _labels(held["y"], request.source)
    if request.model is None:
        if labels is None:
            raise InputError(
                f"{request.source}: images without labels and without a model say nothing; "
                "add labels y, or name a trained classifier with --model FILE.pt"
            )
        return _trained(images, labels, held.get("group"), generator)
    model = load_model(Path(request.model), device=torch.device("cpu"), dtype=torch.float32, trust=request.trust_model)
    model.bind(tuple(images.shape[1:]), images[:64])
    if len(model.output_shape) != 1 or model.output_shape[0] < 2:
        raise InputError(
            f"{request.model}: one image gives an output of shape {model.output_shape}, expected one score a class"
        )
    rows = torch.arange(len(images))
    named = torch.cat([model(part).argmax(1) for part in torch.split(images, 512)])
    if labels is None:
        said = "valid means: the model names the same class as before"
        return _judged(images, named, ((model, rows),), said)
    return _judged(images, held["y"].long(), ((model, rows),), "valid means: the model names the class y")


def _labels(y: Tensor, source: str) -> Tensor:
    """Classes 0 … m − 1.

    Raises
    ------
    InputError
        For labels that are not whole numbers, of one class, or of too many.
    """
    if bool((y != y.round()).any()):
        first = float(y[(y != y.round()).nonzero()[0, 0]])
        raise InputError(f"{source}: label {first:g} is no whole number; give classes, or --kind function for numbers")
    classes, index = torch.unique(y, return_inverse=True)
    if len(classes) == 1:
        raise InputError(f"{source}: all labels are {int(classes[0])}; one class leaves nothing to recognise")
    if len(classes) > _MOST_CLASSES:
        raise InputError(f"{source}: {len(classes)} different labels, at most {_MOST_CLASSES} classes are learned")
    numbered: Tensor = index
    return numbered


def _trained(images: Tensor, labels: Tensor, group: Tensor | None, generator: torch.Generator) -> Task:
    """Two classifiers, each trained on the half that the other judges."""
    classes = int(labels.max()) + 1
    side = fold_labels(len(images), group, 2, generator)
    parts = [(side == i).nonzero()[:, 0] for i in (0, 1)]
    seeds = torch.randint(2**31, (2,), generator=generator).tolist()

    def trained(seen: Tensor, seed: int) -> Classifier:
        return trained_classifier(images[seen], labels[seen], classes, torch.Generator().manual_seed(seed))

    first, second = side_by_side([partial(trained, seen, seed) for seen, seed in zip(parts, seeds, strict=True)])
    said = f"valid means: a small network trained on one half of the {len(images)} images is right on the other"
    return _judged(images, labels, ((first, parts[1]), (second, parts[0])), said)


def _judged(images: Tensor, labels: Tensor, judges: tuple[tuple[Judge, Tensor], ...], said: str) -> Task:
    task = Task(images, labels, judges, said, 0.0, float(torch.bincount(labels).max()) / len(labels))
    right = _verdicts(task)(torch.arange(len(images)), images)
    return replace(task, accuracy=float(right.float().mean()))


def _verdicts(task: Task) -> Callable[[Tensor, Tensor], Tensor]:
    """(row numbers, images moved) → whether each is still recognised."""
    judge = torch.zeros(len(task.images), dtype=torch.int64)
    for i, (_, rows) in enumerate(task.judges):
        judge[rows] = i

    def recognised(rows: Tensor, moved: Tensor) -> Tensor:
        right = torch.zeros(len(rows), dtype=torch.bool)
        for i, (logits, _) in enumerate(task.judges):
            own = (judge[rows] == i).nonzero()[:, 0]
            for part in torch.split(own, 512):
                with torch.no_grad():
                    right[part] = logits(moved[part]).argmax(1) == task.labels[rows[part]]
        return right

    return recognised


def _factors(task: Task, space: ImageFields, grid: Grid) -> tuple[Tensor, Tensor]:
    """Rows M ``(n, m, p)`` of L_ξF and S ``(n, r, p)`` of ‖dF‖‖ξ‖/√D, with G the images' and H the logits' covariance.

    The images' covariance is taken on the support that holds 99 % of their variance; what a field does off it, the
    finest detail, is measured by no image.
    """
    values, axes = _principal(task.images.flatten(1))
    d = len(values)
    ms, ss = [], []
    share = max(1, _DERIVATIVE_IMAGES // len(task.judges))
    for judge, rows in task.judges:
        x = task.images[rows[:share]]
        out, jacobian = judge.value_and_jacobian(x)
        whiten = _inverse_root(out.double())
        xi = space.derivative(x.double(), grid).flatten(2)  # (n, p, d)
        rise = whiten @ jacobian.double()  # (n, m, d)
        size = (rise @ axes * values.sqrt()).square().sum((1, 2)).sqrt() / d**0.5  # ‖dF‖_{G→H}/√D
        ms.append(torch.einsum("nmd,npd->nmp", rise, xi))
        ss.append(((xi @ axes) / values.sqrt()).mT * size[:, None, None])
    return torch.cat(ms), torch.cat(ss)


def _principal(images: Tensor) -> tuple[Tensor, Tensor]:
    """Variances ``(r,)`` and directions ``(d, r)`` that hold ``support`` of the variance of images ``(n, d)``."""
    if images.shape[1] <= _MOST_NUMBERS:
        values, axes = torch.linalg.eigh(torch.cov(images[: 8 * _DERIVATIVE_IMAGES].double().T))
        values, axes = values.flip(0), axes.flip(1)
    else:
        some = images[:_DERIVATIVE_IMAGES].double()
        _, sigma, vh = torch.linalg.svd(some - some.mean(0), full_matrices=False)
        values, axes = sigma.square() / max(len(some) - 1, 1), vh.T
    held = torch.cumsum(values, 0) / values.sum()
    r = int((held < SETTINGS.support).sum()) + 1
    return values[:r], axes[:, :r]


def _inverse_root(logits: Tensor) -> Tensor:
    """A root ``(m, m)`` of the pseudo-inverse of the covariance of logits ``(n, m)``, their common constant left out.

    Two classes have one difference: what their sum does is a matter of training, and whether it is zero of rounding.
    Directions without spread are rows of zeros, so that classifiers of one task have roots of one shape.
    """
    m = logits.shape[1]
    centre = torch.eye(m, dtype=logits.dtype) - 1 / m
    values, axes = torch.linalg.eigh(torch.cov((logits @ centre).T).reshape(m, m))
    keep = values > 1e-6 * values[-1]
    root: Tensor = (axes * torch.where(keep, values, torch.inf).rsqrt()).T @ centre
    return root


def _doubts(task: Task) -> Iterator[str]:
    if len(task.images) < FEWEST:
        yield f"{len(task.images)} images are too few to tell two points of accuracy; give at least {FEWEST:,}"
    if task.accuracy < task.commonest + SETTINGS.above_chance:
        yield (
            f"the labels are not recognised (accuracy {task.accuracy:.2f}, the commonest class alone gives "
            f"{task.commonest:.2f}): nothing about their symmetries follows"
        )


def _messages(task: Task, space: ImageFields) -> tuple[str, ...]:
    out = [f"{task.said}; accuracy {task.accuracy:.3f}"]
    if space.plane is not None:
        out.append(
            "the origin is the centre of the image, x to the right and y upwards, half the longer side is 1; "
            "beyond the border the edge is repeated"
        )
    out.append("defect: the largest share of images lost along the way, against going forth and back")
    return tuple(out)


def _points(task: Task, space: ImageFields, grid: Grid, generator: torch.Generator) -> Tensor:
    """Pixels with their colours ``(n, d)``, for brackets."""
    chosen = torch.randperm(len(task.images), generator=generator)[:4]
    colours = task.images[chosen].double().permute(0, 2, 3, 1).reshape(-1, task.images.shape[1])
    pixels = grid.points.repeat(4, 1)
    parts = [] if space.plane is None else [pixels]
    rows = torch.cat([*parts, colours] if space.colour is not None else parts, 1)
    return rows[torch.randperm(len(rows), generator=generator)[:400]]
