"""The verbs as functions: what ``import symfind`` offers and what the commands call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind import __version__
from symfind.config import DiscoverOptions
from symfind.discover.evidence import Evidence
from symfind.discover.finding import decide
from symfind.discover.nullspace import Frame, evidence_of_fit, evidence_of_model, streamed_spectrum
from symfind.discover.questions import QUESTIONS, Question, objects_of
from symfind.discover.tangent import evidence_of_tangency
from symfind.discover.weak import evidence_of_points
from symfind.errors import InputError, UsageError
from symfind.fields.catalogue import make_space
from symfind.lie.groups import catalogue
from symfind.lie_derivative import LieDerivative, OutputAction
from symfind.linalg.nullspace import GeneralisedSpectrum
from symfind.progress import Progress, SilentProgress
from symfind.report.compose import report_of_finding
from symfind.report.contents import Contents, contents
from symfind.report.document import Environment, Report, Source
from symfind.report.identification import identify_source
from symfind.significance.halves import with_duplicates_grouped
from symfind.sources.checkpoint import CHECKPOINT_FORMAT
from symfind.sources.dataset import Dataset, open_dataset
from symfind.sources.files import readable, sha256
from symfind.sources.geometry import Geometry, Moments, input_geometry
from symfind.sources.hdf5 import opened, root_text
from symfind.sources.model import Model, load_model
from symfind.sources.model_file import HDF5_SIGNATURE
from symfind.sources.samples import write_sample
from symfind.sources.surrogate import Choice, LinearFit, Samples, choose_family, fit_weights

# Rows held in memory for choosing a fit and for the bounds; every row counts for the fit and the spectrum.
_SAMPLE_ROWS = 20_000
# Means over points have nothing but these rows, and their error falls with the number: five times as many cost 2 s.
_POINT_ROWS = 100_000
_SAMPLE_NUMBERS = 2**25
_CHOICE_ROWS = 4_000
_DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass
class _Clock:
    """Seconds spent in each phase."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Any]:
        start = time.perf_counter()
        with self.progress.phase(name, total) as advance:
            yield advance
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 4)


def discover(options: DiscoverOptions, progress: Progress | None = None) -> Report:
    """The generators ξ with L_ξF = 0 of a dataset or a trained model.

    Parameters
    ----------
    options
        What is asked, :class:`~symfind.config.DiscoverOptions`.
    progress
        Told how far the computation is.

    Returns
    -------
    Report
        Schema ``symfind.report/1``.

    Raises
    ------
    SymfindError
        The input cannot be used, or an option does not go with it; the message says what to do.
    """
    clock = _Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    device = _device(options.device)
    with readable(options.source) as path:
        if _is_model(path):
            source, evidence = _model_evidence(options, path, generator, device, clock)
        else:
            source, evidence = _data_evidence(options, path, generator, clock)
        with clock.phase("bounds"):
            finding = decide(evidence, options.tolerance, options.alpha, max(options.bootstrap, 40), options.seed)
    with clock.phase("algebra"):
        environment = _environment(str(device), options.dtype)
        report = report_of_finding(finding, source, options.settings(), environment, close=options.close)
    return replace(report, timing=clock.seconds)


def identify(source: str) -> Report:
    """The Lie algebra that generators span: its name, structure and what it preserves.

    Parameters
    ----------
    source
        A report (JSON or HDF5), or a YAML file with ``generators``, a list of square matrices; ``-`` for standard
        input.

    Raises
    ------
    InputError
        It is neither, or holds no generators.
    """
    with readable(source) as path:
        return identify_source(path, source, {"source": source}, _environment("cpu", "float64"))


def inspect(source: str) -> Contents:
    """What a file holds (data, a trained model, a report; ``-`` for standard input) and what could be asked of it.

    Raises
    ------
    InputError
        It is missing, damaged, or none of these.
    """
    with readable(source) as path:
        return contents(path, source, is_model=_is_model(path))


def sample(name: str, out: str | Path, *, seed: int = 0, rows: int | None = None) -> None:
    """Write a named dataset whose symmetries are known to an HDF5 file; the same seed, the same bytes.

    Raises
    ------
    UsageError
        There is no such sample, or fewer than one row was asked for.
    InputError
        The file cannot be written.
    """
    write_sample(name, Path(out), rows=rows, seed=seed)


def groups() -> list[dict[str, Any]]:
    """The groups that are known by name, one record a family."""
    return [
        {
            "name": family.name,
            "example": family.example,
            "dimension": family.dimension,
            "compact": family.compact,
            "components": family.components,
            "representation": family.defining,
            "aliases": family.aliases,
        }
        for family in catalogue()
    ]


def _environment(device: str, dtype: str) -> Environment:
    return Environment(
        symfind=__version__, torch=torch.__version__, device=device, dtype=dtype, threads=torch.get_num_threads()
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda was asked for and torch sees no GPU; take --device cpu or auto")
    return torch.device(name)


def _is_model(path: Path) -> bool:
    """Whether a file is a model rather than data: a zip archive or a pickle, or HDF5 that holds a network."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False  # reading it as data says what is wrong with it
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return True
    if head != HDF5_SIGNATURE:
        return False
    with opened(path) as file:
        return bool(root_text(file, "model_config")) or root_text(file, "format")[:1] == (CHECKPOINT_FORMAT,)


def _data_evidence(
    options: DiscoverOptions, path: Path, generator: torch.Generator, clock: _Clock
) -> tuple[Source, Evidence]:
    with clock.phase("read"):
        dataset = open_dataset(
            path, kind=options.kind, input=options.input, output_name=options.output_name, mapping=options.mapping
        )
        digest = dataset.sha256()
    question = QUESTIONS[dataset.kind]
    stop = dataset.n_rows if options.max_rows is None else min(options.max_rows, dataset.n_rows)
    frame, names, messages = _frame(options, dataset, question, stop, clock)
    source = Source(path=options.source, sha256=digest, kind=dataset.kind, shapes=dataset.shapes, names=names)
    samples = with_duplicates_grouped(_samples(dataset, question, stop, generator))
    target = question.target
    messages = (*dataset.messages[1:], *messages, *dataset.warnings)
    if target is None:
        if options.method not in ("auto", "weak", "tangent"):
            raise UsageError(f"--method {options.method} needs F(x); for points take weak or tangent")
        with clock.phase("nullspace"):
            if options.method == "tangent":
                evidence = evidence_of_tangency(frame, samples, generator)
            else:
                evidence = evidence_of_points(frame, samples, generator)
        return source, _with_messages(evidence, messages)
    if options.method not in ("auto", "nullspace"):
        raise UsageError(f"--method {options.method} does not go with {dataset.kind} data; take nullspace or auto")
    with clock.phase("fit", stop):
        choice, fit = _fit(options, dataset, question, frame, samples, stop, generator)

    def spectrum_of(derivative: LieDerivative) -> GeneralisedSpectrum:
        shape = (-1, *fit.input_shape)
        blocks = (block["x"].reshape(shape) for block in dataset.blocks(stop=stop))
        with clock.phase("nullspace", stop) as advance:
            return streamed_spectrum(derivative, blocks, advance)

    evidence = evidence_of_fit(frame, choice, fit, samples, spectrum_of, options.seed)
    return source, _with_messages(evidence, messages)


def _with_messages(evidence: Evidence, messages: tuple[str, ...]) -> Evidence:
    return replace(evidence, messages=(*evidence.messages, *messages))


def _frame(
    options: DiscoverOptions, dataset: Dataset, question: Question, stop: int, clock: _Clock
) -> tuple[Frame, tuple[str, ...], tuple[str, ...]]:
    """Shapes, metrics and candidates from one pass over x."""
    row = dataset.shapes["x"][1:]
    objects = objects_of(row, options.acts_on)
    moments = Moments(max(1, int(torch.tensor(row).prod())))
    with clock.phase("moments", stop) as advance:
        for block in dataset.blocks(stop=stop):
            moments.add(block["x"].flatten(1))
            advance(block["x"].shape[0])
    outputs = (1, 1)
    if question.target is not None:
        outputs = objects_of(dataset.shapes[question.target][1:], options.acts_on)
    names = _names(dataset.names, objects[1])
    action, why = question.action(options.output_action, objects, outputs)
    messages = (f"output action: {why}",) if question.target is not None else ()
    return _made_frame(options, question, objects, outputs, moments, names, action), names, messages


def _made_frame(
    options: DiscoverOptions,
    question: Question,
    objects: tuple[int, int],
    outputs: tuple[int, int],
    moments: Moments,
    names: tuple[str, ...],
    action: OutputAction,
) -> Frame:
    geometry: Geometry = input_geometry(moments, objects[0])
    if geometry.rank == 0:
        raise InputError(f"{options.source}: all rows of x are equal, nothing varies; give data that vary")
    space = make_space(options.space or question.space, objects[1], names)
    return Frame(question, objects, outputs, geometry, space.centred(geometry.mean, geometry.scale), action)


def _names(given: tuple[str, ...] | None, d: int) -> tuple[str, ...]:
    if given is not None and len(given) == d:
        return given
    return ("x", "y", "z")[:d] if d <= 3 else tuple(f"x{i + 1}" for i in range(d))


def _samples(dataset: Dataset, question: Question, stop: int, generator: torch.Generator) -> Samples:
    """Up to :data:`_SAMPLE_ROWS` rows in memory, drawn at random where there are more."""
    width = sum(max(1, int(torch.tensor(shape[1:]).prod())) for shape in dataset.shapes.values())
    count = min(stop, _POINT_ROWS if question.target is None else _SAMPLE_ROWS, max(64, _SAMPLE_NUMBERS // width))
    if stop < dataset.n_rows:
        held = dataset.take(torch.randperm(stop, generator=generator)[:count].sort().values)
    else:
        held = dataset.sample(count, generator)
    x = held["x"].flatten(1)
    y = x[:, :0] if question.target is None else held[question.target].reshape(x.shape[0], -1)
    return Samples(x, y, held.get("group"))


def _fit(
    options: DiscoverOptions,
    dataset: Dataset,
    question: Question,
    frame: Frame,
    samples: Samples,
    stop: int,
    generator: torch.Generator,
) -> tuple[Choice, LinearFit]:
    """A family chosen on rows in memory, its weights from all rows."""
    assert question.target is not None
    target = question.target
    scalar = question.scalar_gauge and frame.objects[0] == 1 and samples.y.shape[1] == 1
    some = samples
    if len(samples) > _CHOICE_ROWS:
        some = samples.rows(torch.randperm(len(samples), generator=generator)[:_CHOICE_ROWS].sort().values)
    if question.like_inputs:
        some = replace(some, y=_without_rounding(some.y, frame.geometry.scale))
    choice = choose_family(some, options.surrogate, 3 if scalar else 1, generator)
    pairs = ((block["x"].flatten(1), _flat(block[target])) for block in dataset.blocks(stop=stop))
    weights, _ = fit_weights(choice.family, pairs, samples.y.shape[1])
    return choice, LinearFit(
        choice.family.features, weights, dataset.shapes["x"][1:], dataset.shapes[target][1:]
    )


def _without_rounding(velocity: Tensor, scale: Tensor) -> Tensor:
    """dx/dt, components that are the rounding of the others (the spin of a symmetric top) made zero."""
    rate = velocity.square().mean(0).sqrt().reshape(-1, scale.shape[0]) / scale
    return velocity * (rate > 1e-13 * rate.max()).flatten()


def _flat(y: Tensor) -> Tensor:
    return y.reshape(y.shape[0], -1)


def _model_evidence(
    options: DiscoverOptions, path: Path, generator: torch.Generator, device: torch.device, clock: _Clock
) -> tuple[Source, Evidence]:
    with clock.phase("read"):
        digest = sha256(path)
        model = load_model(path, device=device, dtype=_DTYPES[options.dtype], trust=options.trust_model)
        x, names, group = _model_inputs(options, model, generator)
    model.bind(tuple(x.shape[1:]), x.to(device))
    kind = options.kind or "function"
    question = QUESTIONS[kind]
    if question.target is None or options.method not in ("auto", "nullspace"):
        raise UsageError("a model is a function, a map or a flow, searched with --method nullspace")
    objects = objects_of(tuple(x.shape[1:]), options.acts_on)
    outputs = objects_of(model.output_shape, options.acts_on)
    moments = Moments(objects[0] * objects[1])
    moments.add(x.flatten(1))
    coordinates = _names(names, objects[1])
    action, why = question.action(options.output_action, objects, outputs)
    frame = _made_frame(options, question, objects, outputs, moments, coordinates, action)
    shapes = {"x": tuple(x.shape), "y": (x.shape[0], *model.output_shape)}
    source = Source(path=options.source, sha256=digest, kind=kind, shapes=shapes, names=coordinates)
    samples = Samples(x.flatten(1).to(device), x.new_zeros(x.shape[0], 0), group)
    with clock.phase("nullspace"):
        evidence = evidence_of_model(frame, model, samples, generator)
    return source, _with_messages(evidence, (f"output action: {why}",))


def _model_inputs(
    options: DiscoverOptions, model: Model, generator: torch.Generator
) -> tuple[Tensor, tuple[str, ...] | None, Tensor | None]:
    """Rows that a model is judged on: x of a file, or drawn from a distribution."""
    if options.data is not None:
        dataset = open_dataset(Path(options.data), kind="points", input=options.input, mapping=options.mapping)
        count = min(options.max_rows or dataset.n_rows, dataset.n_rows, _SAMPLE_ROWS)
        held = dataset.sample(count, generator)
        return held["x"], dataset.names, held.get("group")
    shape = options.shape or _own_shape(model)
    if options.sample is None or shape is None:
        raise UsageError(
            f"{options.source}: a model needs a measure on its inputs; give --data FILE, or --sample normal --shape …"
        )
    x = torch.randn(options.n_samples, *shape, generator=generator, dtype=torch.float64)
    if options.sample == "uniform":
        x = 2 * torch.rand(options.n_samples, *shape, generator=generator, dtype=torch.float64) - 1
    if options.sample == "sphere":
        x = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x, None, None


def _own_shape(model: Model) -> tuple[int, ...] | None:
    return None if model.input_width is None else (model.input_width,)


