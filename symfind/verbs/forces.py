"""The verb ``forces`` as a function: whether F(x) is a gradient, without divergence, or Hamiltonian."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.conservation.forces import Judged, judged_jacobian, judged_rows
from symfind.conservation.hamiltonian import poisson_matrix
from symfind.data.files import readable
from symfind.errors import InputError, UsageError
from symfind.kinds.reading import open_dataset
from symfind.kinds.search import coordinate_names, is_model, model_inputs
from symfind.linalg.threads import one_thread
from symfind.options.of_verbs import ForcesOptions
from symfind.verbs.machine import on_cpu_in_double

# Jacobians of a float32 network lose a few digits in every layer.
_DIGITS_LOST = 1000.0
# Kinds of data whose target is a vector at x.
_TARGETS = {"function": "y", "flow": "dx"}


@dataclass(frozen=True)
class Forces:
    """The answer.

    Attributes
    ----------
    source, rows, names
        What was read.
    fields
        A verdict for each kind of field, with the row that speaks most against it.
    notes
        What the reader must know.
    """

    source: str
    rows: int
    names: tuple[str, ...]
    fields: tuple[Judged, ...]
    notes: tuple[str, ...]


def forces(options: ForcesOptions) -> Forces:
    """Whether F is conservative, divergence-free or, with ``symplectic``, Hamiltonian; for data and for a model.

    Parameters
    ----------
    options
        What is asked, :class:`~symfind.options.of_verbs.ForcesOptions`.

    Returns
    -------
    Forces
        Verdicts: certified, approximate, undecided, refuted.

    Raises
    ------
    SymfindError
        The input cannot be used; the message says what to do.
    """
    on_cpu_in_double(options, "forces")
    generator = torch.Generator().manual_seed(options.seed)
    with readable(options.source) as path, one_thread():
        if is_model(path):
            return _of_model(options, path, generator)
        return _of_data(options, path, generator)


def _of_data(options: ForcesOptions, path: Path, generator: torch.Generator) -> Forces:
    dataset = open_dataset(
        path,
        kind=options.kind,
        input=options.input,
        output_name=options.output_name,
        mapping=options.mapping,
        transpose=options.transpose,
    )
    if dataset.kind not in _TARGETS:
        raise UsageError(
            f"{options.source}: forces asks functions (x, y) and flows (x, dx), these data are of kind {dataset.kind}"
        )
    held = dataset.sample(min(options.max_rows, dataset.n_rows), generator)
    x, y = held["x"].double().flatten(1), held[_TARGETS[dataset.kind]].double().flatten(1)
    if x.shape != y.shape:
        raise InputError(f"{options.source}: F has {y.shape[1]} numbers a row, x {x.shape[1]}; give a vector at each x")
    names = _names(dataset.names, x)
    poisson = None if options.symplectic is None else poisson_matrix(options.symplectic, x.shape[1])
    fields = judged_rows(x, y, held.get("group"), poisson, options.tolerance, options.seed, names)
    notes = ("rows were drawn at random: a row number counts those that were used",) if len(x) < dataset.n_rows else ()
    return Forces(options.source, len(x), names, tuple(fields), (*notes, *dataset.messages[1:], *dataset.warnings))


def _of_model(options: ForcesOptions, path: Path, generator: torch.Generator) -> Forces:
    from symfind.models.model import load_model

    model = load_model(path, device=torch.device("cpu"), dtype=torch.float64, trust=options.trust_model)
    x, names, _ = model_inputs(options, model, generator)
    model.bind(tuple(x.shape[1:]), x)
    value, jacobian = model.value_and_jacobian(x[: options.max_rows])
    d = x.flatten(1).shape[1]
    if value.flatten(1).shape[1] != d:
        raise UsageError(
            f"{options.source}: the model makes {value.flatten(1).shape[1]} numbers of {d}; forces asks vectors at x "
            "(an energy's own forces are a gradient always)"
        )
    slopes = jacobian.reshape(len(value), d, d).double()
    poisson = None if options.symplectic is None else poisson_matrix(options.symplectic, d)
    rounding = _DIGITS_LOST * model.last_digit
    shown = _names(names, x.flatten(1))
    fields = judged_jacobian(slopes, poisson, options.tolerance, rounding, shown)
    return Forces(options.source, len(value), shown, tuple(fields), ("F is the model itself: its Jacobian decides",))


def _names(given: tuple[str, ...] | None, x: Tensor) -> tuple[str, ...]:
    d = x.shape[1]
    return given if given is not None and len(given) == d else coordinate_names(None, d)
