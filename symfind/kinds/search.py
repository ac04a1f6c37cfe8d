"""From a file to evidence: which question its kind asks, what is read, fitted and decomposed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from symfind.cost import check_memory
from symfind.data.dataset import Dataset
from symfind.data.files import CHECKPOINT_FORMAT, HDF5_SIGNATURE, sha256
from symfind.data.formats.registry import format_of
from symfind.data.hdf5 import opened, root_text
from symfind.decision.evidence import Evidence
from symfind.decision.halves import with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fits.geometry import Geometry, Moments, check_units, input_geometry
from symfind.fits.surrogate import Choice, LinearFit, Samples, choose_family, fit_weights, used_inputs
from symfind.kinds.frame import Frame, rows_needed
from symfind.kinds.maps.nullspace import (
    MapExtent,
    evidence_of_fit,
    evidence_of_model,
    rounding_level,
    streamed_spectrum,
)
from symfind.kinds.maps.witness import WitnessJudge, affine_space
from symfind.kinds.question import Question, objects_of
from symfind.kinds.reading import open_asked, open_dataset
from symfind.kinds.registry import KINDS
from symfind.kinds.size import check_size
from symfind.lie_derivative import LieDerivative, OutputAction
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.linalg.processes import this_process
from symfind.options.of_verbs import ConserveOptions, DiscoverOptions
from symfind.progress import Clock

if TYPE_CHECKING:
    from symfind.models.model import Model

# Rows held in memory for choosing a fit and for the bounds; every row counts for the fit and the spectrum.
_SAMPLE_ROWS = 20_000
# Means over points have nothing but these rows, and their error falls with the number: five times as many cost 2 s.
_POINT_ROWS = 100_000
_SAMPLE_NUMBERS = 2**25
_CHOICE_ROWS = 4_000
# A cloud flatter than this is called thin.
_THIN = 0.2
_DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Origin:
    """What was read: digest, kind, shapes by role, names and units of the coordinates, and how that was understood."""

    sha256: str
    kind: str
    shapes: Mapping[str, tuple[int, ...]]
    names: tuple[str, ...]
    read_as: str | None = None
    units: tuple[str, ...] = ()


def search(request: DiscoverOptions, path: Path, device: torch.device, clock: Clock) -> tuple[Origin, Evidence]:
    """Evidence from the dataset or the model at ``path``.

    Raises
    ------
    SymfindError
        The input cannot be used, or an option does not go with it.
    """
    generator = torch.Generator().manual_seed(request.seed)
    if request.space == "auto":
        request = replace(request, space=None)
    if is_model(path):
        return _model_evidence(request, path, generator, device, clock)
    return _data_evidence(request, path, generator, clock)


def is_model(path: Path) -> bool:
    """Whether a file is a model rather than data: a zip archive or a pickle, or HDF5 that holds a network."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False  # reading it as data says what is wrong with it
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return format_of(path) is None  # arrays of NumPy and tensors of torch are archives too
    if head != HDF5_SIGNATURE:
        return False
    with opened(path) as file:
        return root_text(file, "format")[:1] == (CHECKPOINT_FORMAT,)


def _data_evidence(
    request: DiscoverOptions, path: Path, generator: torch.Generator, clock: Clock
) -> tuple[Origin, Evidence]:
    with clock.phase("read"):
        dataset = open_asked(path, request)
        processes = this_process()
        digest = dataset.sha256() if processes.rank == 0 else ""  # who writes the report
    kind = KINDS[dataset.kind]
    kind.check(request.method, request.output_type)
    stop = dataset.n_rows if request.max_rows is None else min(request.max_rows, dataset.n_rows)
    if kind.examine is not None:
        found = kind.examine(request, dataset, stop, generator, clock)
        messages = (*found.evidence.messages, *dataset.messages[1:], *dataset.warnings)
        units = dataset.units if dataset.units and len(dataset.units) == len(found.names) else ()
        origin = Origin(
            sha256=digest, kind=dataset.kind, shapes=dataset.shapes, names=found.names, read_as=dataset.inferred,
            units=units,
        )  # fmt: skip
        return origin, replace(found.evidence, messages=messages)
    question = kind.asked(request.output_type)
    frame, names, messages = _frame(request, dataset, question, kind.space, stop, clock)
    question.check(frame.action, (block["y"] for block in dataset.blocks(stop=stop)), frame.geometry.scale)
    origin = Origin(sha256=digest, kind=dataset.kind, shapes=dataset.shapes, names=names, read_as=dataset.inferred)
    samples = with_duplicates_grouped(_samples(dataset, question, stop, generator))
    check_units(samples.y, "y")
    messages = (*dataset.messages[1:], *messages, *dataset.warnings)
    if kind.weigh is not None:
        with clock.phase("nullspace"):
            evidence = kind.weigh(request, frame, names, samples, generator)
        return origin, _told(evidence, frame, names, messages)
    with clock.phase("fit", stop):
        choice, fit, used = _fit(request, dataset, question, frame, samples, stop, generator)

    def spectrum_of(derivative: LieDerivative) -> GeneralisedSpectrum:
        shape = (-1, *fit.input_shape)
        blocks = (block["x"].reshape(shape) for block in _own_blocks(dataset, stop))
        with clock.phase("nullspace", stop) as advance:
            return streamed_spectrum(derivative, blocks, advance, processes)

    evidence = evidence_of_fit(frame, choice, fit, samples, spectrum_of, request.seed, used)
    if not question.tensor and request.method == "auto" and affine_space(frame):
        judge = WitnessJudge(frame, evidence, samples, choice, fit.input_shape, fit.output_shape, names, clock)
        evidence = replace(evidence, judge=judge)
    return origin, _told(evidence, frame, names, messages)


def _told(evidence: Evidence, frame: Frame, names: tuple[str, ...], messages: tuple[str, ...]) -> Evidence:
    return replace(evidence, thin=thin_direction(frame.geometry, names), messages=(*evidence.messages, *messages))


def thin_direction(geometry: Geometry, names: tuple[str, ...]) -> str:
    """Where the data spread least, as a sentence, if that is less than a fifth of the widest spread; else empty.

    The defect does not depend on units, so it cannot see that a cloud is flat: that is told, for coordinates that
    share a unit.
    """
    spread, axes = torch.linalg.eigh(geometry.inputs.colour @ geometry.inputs.colour.T)
    root = spread.clamp(min=0).sqrt()
    if root.numel() < 2 or float(root[0]) >= _THIN * float(root[-1]):
        return ""
    axis = axes[:, 0]
    terms = [f"{v:+.2f} {n}" for v, n in zip(axis.tolist(), names, strict=True) if abs(v) >= 0.1]
    return (
        f"along {' '.join(terms)} the data spread {float(root[-1] / root[0].clamp(min=1e-300)):.3g} times less than at "
        "their widest: they can hardly speak about fields that turn points out of the rest, such as rotations"
    )


def _frame(
    request: DiscoverOptions, dataset: Dataset, question: Question, space: str, stop: int, clock: Clock
) -> tuple[Frame, tuple[str, ...], tuple[str, ...]]:
    """Shapes, metrics and candidates from one pass over x."""
    row = dataset.shapes["x"][1:]
    objects = objects_of(row, request.acts_on)
    check_size(request.source, request.space or space, objects, stop, transposed=request.transpose)
    moments = Moments(max(1, prod(row)))
    with clock.phase("moments", stop) as advance:
        for block in _own_blocks(dataset, stop):
            moments.add(block["x"].flatten(1))
            advance(block["x"].shape[0])
        moments = moments.joined(this_process())
    outputs = (1, 1)
    if question.target is not None:
        outputs = question.outputs(dataset.shapes[question.target][1:], request.acts_on)
    names = coordinate_names(dataset.names, objects[1])
    action, why = question.action(request.output_action, objects, outputs)
    messages = (f"output action: {why}",) if question.target is not None else ()
    space, told = _default_space(request, question, space, objects, outputs, action, stop)
    return _made_frame(request, question, space, objects, outputs, moments, names, action), names, (*messages, *told)


def _default_space(
    request: DiscoverOptions,
    question: Question,
    space: str,
    objects: tuple[int, int],
    outputs: tuple[int, int],
    action: OutputAction,
    rows: int,
) -> tuple[str, tuple[str, ...]]:
    """The candidates where none are named, and why: translations are asked for as long as the rows suffice."""
    if request.space is not None or question.target is None or space != "affine":
        return space, ()
    d = objects[1]
    if rows < rows_needed(d * d + d + action.extra, prod(outputs)):
        return "linear", (f"space: linear, fields that fix the origin, as {rows} rows do not suffice for affine",)
    return space, (
        "space: affine, as nothing says that the centre is 0; --space linear asks for what fixes the origin",
    )


def _made_frame(
    request: DiscoverOptions,
    question: Question,
    space: str,
    objects: tuple[int, int],
    outputs: tuple[int, int],
    moments: Moments,
    names: tuple[str, ...],
    action: OutputAction,
) -> Frame:
    geometry: Geometry = input_geometry(moments, objects[0])
    if geometry.rank == 0:
        raise InputError(f"{request.source}: all rows of x are equal, nothing varies; give data that vary")
    fields = make_space(request.space or space, objects[1], names)
    return Frame(question, objects, outputs, geometry, fields.centred(geometry.mean, geometry.scale), action)


def coordinate_names(given: tuple[str, ...] | None, d: int) -> tuple[str, ...]:
    """The names that a file gives, if they are d; else x, y, z, or x1 … xd."""
    if given is not None and len(given) == d:
        return given
    return ("x", "y", "z")[:d] if d <= 3 else tuple(f"x{i + 1}" for i in range(d))


def _own_blocks(dataset: Dataset, stop: int) -> Iterator[dict[str, Tensor]]:
    """Blocks of this process' share of the rows."""
    first, end = this_process().share(stop, max(8192, dataset.rows.alignment))
    return dataset.blocks(start=first, stop=end) if first < end else iter(())


def _taken(dataset: Dataset, index: Tensor) -> dict[str, Tensor]:
    """Rows with the given ascending numbers, of which each process reads a share."""
    processes = this_process()
    cuts = [processes.share(len(index), rank=rank) for rank in range(processes.count)]
    own = dataset.take(index[slice(*cuts[processes.rank])])
    sizes = [end - start for start, end in cuts]
    return {role: torch.cat(processes.gathered(rows, sizes)) for role, rows in own.items()}


def _samples(dataset: Dataset, question: Question, stop: int, generator: torch.Generator) -> Samples:
    """Up to :data:`_SAMPLE_ROWS` rows in memory, drawn at random where there are more."""
    width = sum(prod(shape[1:]) for shape in dataset.shapes.values())
    count = min(stop, _POINT_ROWS if question.target is None else _SAMPLE_ROWS, max(64, _SAMPLE_NUMBERS // width))
    if stop < dataset.n_rows:
        index = torch.randperm(stop, generator=generator)[:count].sort().values
    else:
        index = dataset.drawn(count, generator)
    held = _taken(dataset, index)
    x = held["x"].flatten(1)
    y = x[:, :0] if question.target is None else held[question.target].reshape(x.shape[0], -1)
    return Samples(x, y, held.get("group"))


def _fit(
    request: DiscoverOptions,
    dataset: Dataset,
    question: Question,
    frame: Frame,
    samples: Samples,
    stop: int,
    generator: torch.Generator,
) -> tuple[Choice, LinearFit, Tensor | None]:
    """A family chosen on rows in memory, its weights from all rows; and the inputs that F depends on."""
    assert question.target is not None
    target = question.target
    scalar = question.scalar_gauge and frame.objects[0] == 1 and samples.y.shape[1] == 1
    some = samples
    if len(samples) > _CHOICE_ROWS:
        some = samples.rows(torch.randperm(len(samples), generator=generator)[:_CHOICE_ROWS].sort().values)
    if question.like_inputs:
        some = replace(some, y=_without_rounding(some.y, frame.geometry.scale))
    choice = choose_family(some, request.surrogate, 3 if scalar else 1, generator)
    pairs = ((block["x"].flatten(1), _flat(block[target])) for block in _own_blocks(dataset, stop))
    weights, _ = fit_weights(choice.family, pairs, samples.y.shape[1], this_process())
    fit = LinearFit(choice.family.features, weights, dataset.shapes["x"][1:], dataset.shapes[target][1:])
    # A flow or a map moves every coordinate; only a function can be without one.
    used = used_inputs(some, choice, frame.objects[0], generator) if target == "y" and not question.tensor else None
    return choice, fit, used


def _without_rounding(velocity: Tensor, scale: Tensor) -> Tensor:
    """dx/dt, components that are the rounding of the others (the spin of a symmetric top) made zero."""
    rate = velocity.square().mean(0).sqrt().reshape(-1, scale.shape[0]) / scale
    return velocity * (rate > 1e-13 * rate.max()).flatten()


def _flat(y: Tensor) -> Tensor:
    return y.reshape(y.shape[0], -1)


def _model_evidence(
    request: DiscoverOptions, path: Path, generator: torch.Generator, device: torch.device, clock: Clock
) -> tuple[Origin, Evidence]:
    with clock.phase("read"):
        digest = sha256(path)
        from symfind.models.model import load_model

        model = load_model(path, device=device, dtype=_DTYPES[request.dtype], trust=request.trust_model)
        x, names, group = model_inputs(request, model, generator)
    model.bind(tuple(x.shape[1:]), x.to(device))
    kind = KINDS[request.kind or "function"]
    if not kind.judges_models or request.method not in ("auto", *kind.methods):
        raise UsageError("a model is a function, a map or a flow, searched with --method nullspace")
    question = kind.asked(request.output_type)
    objects = objects_of(tuple(x.shape[1:]), request.acts_on)
    outputs = question.outputs(model.output_shape, request.acts_on)
    check_size(request.source, request.space or kind.space, objects, x.shape[0], transposed=request.transpose)
    moments = Moments(objects[0] * objects[1])
    moments.add(x.flatten(1))
    coordinates = coordinate_names(names, objects[1])
    action, why = question.action(request.output_action, objects, outputs)
    space, told = _default_space(request, question, kind.space, objects, outputs, action, x.shape[0])
    frame = _made_frame(request, question, space, objects, outputs, moments, coordinates, action)
    shapes = {"x": tuple(x.shape), "y": (x.shape[0], *model.output_shape)}
    origin = Origin(sha256=digest, kind=kind.name, shapes=shapes, names=coordinates)
    samples = with_duplicates_grouped(Samples(x.flatten(1).to(device), x.new_zeros(x.shape[0], 0).to(device), group))
    question.check(action, (model(part) for part in torch.split(x.to(device), 4096)), frame.geometry.scale)
    with clock.phase("nullspace"):
        evidence = evidence_of_model(frame, model, samples, generator)
        if isinstance(evidence.extent, MapExtent):
            points = samples.x.reshape(-1, *model.input_shape)
            level = rounding_level(evidence.extent.derivative, points, model.last_digit)
            evidence = replace(evidence, rounding=level)
    return origin, _told(evidence, frame, coordinates, (f"output action: {why}", *told))


def model_inputs(
    request: DiscoverOptions | ConserveOptions, model: Model, generator: torch.Generator
) -> tuple[Tensor, tuple[str, ...] | None, Tensor | None]:
    """Rows that a model is judged on: x of a file, or drawn from a distribution."""
    if request.data is not None:
        dataset = open_dataset(
            Path(request.data), kind="points", input=request.input, mapping=request.mapping, transpose=request.transpose
        )
        count = min(request.max_rows or dataset.n_rows, dataset.n_rows, _SAMPLE_ROWS)
        held = dataset.sample(count, generator)
        return held["x"], dataset.names, held.get("group")
    shape = request.shape or _own_shape(model)
    if request.sample is None or shape is None:
        raise UsageError(
            f"{request.source}: a model needs a measure on its inputs; give --data FILE, or --sample normal --shape …"
        )
    check_memory(2 * request.n_samples * prod(shape), "--n-samples", "draw fewer, or smaller ones (--shape)")
    x = torch.randn(request.n_samples, *shape, generator=generator, dtype=torch.float64)
    if request.sample == "uniform":
        x = 2 * torch.rand(request.n_samples, *shape, generator=generator, dtype=torch.float64) - 1
    if request.sample == "sphere":
        x = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x, None, None


def _own_shape(model: Model) -> tuple[int, ...] | None:
    return None if model.input_width is None else (model.input_width,)
