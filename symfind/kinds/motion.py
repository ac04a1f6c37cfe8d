"""Rows x and F(x) of a flow or a map, from data or from a model: what ``conserve`` asks about."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from symfind.data.files import sha256
from symfind.decision.halves import with_duplicates_grouped
from symfind.errors import InputError, UsageError
from symfind.fits.surrogate import Samples
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.kinds.search import coordinate_names, is_model, model_inputs
from symfind.options.of_verbs import ConserveOptions


@dataclass(frozen=True)
class Motion:
    """A flow or a map at points.

    Attributes
    ----------
    samples
        Rows x and F(x) ``(n, d)``.
    kind, names, shapes, sha256, read_as
        Of the source.
    given
        Whether F is a model, so that its values are exact.
    messages
        For the reader.
    """

    samples: Samples
    kind: str
    names: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    sha256: str
    read_as: str | None
    given: bool
    messages: tuple[str, ...]


def motion_of(options: ConserveOptions, path: Path, generator: torch.Generator) -> Motion:
    """The rows that a file of a flow or a map holds, or that a model makes of its inputs.

    Raises
    ------
    SymfindError
        The file cannot be used, or holds neither.
    """
    return _model_rows(options, path, generator) if is_model(path) else _data_rows(options, path, generator)


def _data_rows(options: ConserveOptions, path: Path, generator: torch.Generator) -> Motion:
    dataset = open_dataset(
        path,
        kind=options.kind,
        input=options.input,
        output_name=options.output_name,
        mapping=options.mapping,
        transpose=options.transpose,
    )
    if not KINDS[dataset.kind].conserved:
        raise UsageError(
            f"{options.source}: conserve asks flows (x, dx) and maps (x, x_next), and these data are of kind "
            f"{dataset.kind}; give one of them, or a report"
        )
    target = _target(dataset.kind)
    held = dataset.sample(options.max_rows, generator)
    x, value = held["x"].flatten(1), held[target].flatten(1)
    if x.shape != value.shape:
        raise InputError(f"{options.source}: {target} has rows of {value.shape[1]} numbers, x of {x.shape[1]}")
    samples = with_duplicates_grouped(Samples(x, value, held.get("group")))
    names = _names(dataset.names, dataset.shapes["x"][1:])
    messages = (*dataset.messages[1:], *dataset.warnings)
    return Motion(samples, dataset.kind, names, dataset.shapes, dataset.sha256(), dataset.inferred, False, messages)


def _model_rows(options: ConserveOptions, path: Path, generator: torch.Generator) -> Motion:
    digest = sha256(path)
    from symfind.models.model import load_model

    model = load_model(path, device=torch.device("cpu"), dtype=torch.float64, trust=options.trust_model)
    x, names, group = model_inputs(options, model, generator)
    model.bind(tuple(x.shape[1:]), x)
    if options.kind is None:
        raise UsageError(f"{options.source}: say what the model gives, dx/dt (--kind flow) or the next x (--kind map)")
    value = model(x).flatten(1)
    if value.shape != x.flatten(1).shape:
        raise InputError(
            f"{options.source}: the model makes {value.shape[1]} numbers of {prod(x.shape[1:])}; for a {options.kind} "
            "both are points of one space"
        )
    shapes = {"x": tuple(x.shape), _target(options.kind): (x.shape[0], *model.output_shape)}
    samples = with_duplicates_grouped(Samples(x.flatten(1), value, group))
    return Motion(samples, options.kind, _names(names, tuple(x.shape[1:])), shapes, digest, None, True, ())


def _target(kind: str) -> str:
    """The role of F(x)."""
    target = KINDS[kind].asked().target
    assert target is not None
    return target


def _names(given: tuple[str, ...] | None, row: tuple[int, ...]) -> tuple[str, ...]:
    """A name for each of the flattened coordinates: ``x1``, ``y1``, ``x2`` … where there are several objects."""
    width, d = prod(row), row[-1] if row else 1
    if given is not None and len(given) == width:
        return given
    own = coordinate_names(given, d)
    if width == d:
        return own
    return tuple(f"{name}{'_' if name[-1].isdigit() else ''}{i + 1}" for i in range(width // d) for name in own)
