"""The verb ``conserve`` as a function; :mod:`symfind.api` offers it beside the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from symfind.answers.drawn import drawn_rows
from symfind.answers.invariants import with_invariants
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.quantities import conserved_quantities
from symfind.data.files import readable
from symfind.errors import UsageError
from symfind.fields.expressions import Expression
from symfind.kinds.motion import motion_of
from symfind.linalg.threads import one_thread
from symfind.options.of_verbs import ConserveOptions
from symfind.progress import Clock, Progress, SilentProgress
from symfind.promotion.library import read_library
from symfind.schema.algebra import Algebra
from symfind.schema.coverage import Coverage
from symfind.schema.document import Report, Source, Space, SpectrumEntry
from symfind.schema.store import read_report
from symfind.verbs.contents import is_report
from symfind.verbs.given.architecture import with_architecture
from symfind.verbs.in_memory import guessed
from symfind.verbs.machine import on_cpu_in_double

_POLYNOMIAL = re.compile(r"polynomial:([1-9])")


@guessed(ConserveOptions, "source")
@with_architecture("source")
@one_thread()
def conserve(options: ConserveOptions, progress: Progress | None = None) -> Report:
    """The functions f with L_F f = 0 of a flow or a map, or the polynomial invariants of a report's generators.

    Parameters
    ----------
    options
        What is asked, :class:`~symfind.options.of_verbs.ConserveOptions`.
    progress
        Told how far the computation is.

    Returns
    -------
    Report
        Schema ``symfind.report/1``, with the parts ``conserved`` and ``conservation``.

    Raises
    ------
    SymfindError
        The input cannot be used, or the library cannot be evaluated on it; the message says what to do.
    """
    environment = on_cpu_in_double(options, "conserve")
    clock = Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    with readable(options.source) as path:
        if is_report(path):
            return with_invariants(read_report(str(path)), options.source, options.degree)
        with clock.phase("read"):
            rows = motion_of(options, path, generator)
    library = make_library(options.library, rows.names)
    found = conserved_quantities(options, rows, library, clock, generator)
    evidence = found.finding.evidence
    return Report(
        source=Source(
            path=options.source,
            sha256=rows.sha256,
            kind=rows.kind,
            shapes=rows.shapes,
            names=rows.names,
            read_as=rows.read_as,
        ),
        settings=options.settings(),
        environment=environment,
        timing=clock.seconds,
        fit=evidence.surrogate,
        space=Space(name=options.library, dimension=library.dim, trivial=found.trivial),
        spectrum=tuple(SpectrumEntry(defect=e, lower=lo, upper=up) for e, lo, up in found.finding.spectrum),
        algebra=Algebra(dimension=0),
        coverage=Coverage(
            rank=evidence.rank, message=f"{evidence.rank} of {library.dim} functions of the library vary over the data"
        ),
        conserved=found.entries,
        conservation=found.together,
        notes=(*rows.messages, *found.notes),
        warnings=found.finding.doubts,
        drawn=drawn_rows(rows.samples.x),
    )


def make_library(asked: str, names: Sequence[str]) -> FunctionSpace:
    """Candidate functions by name: ``polynomial:k``, a YAML file of formulas, or a sum of these.

    Raises
    ------
    UsageError
        A part is neither, or a formula does not parse.
    InputError
        A file cannot be used.
    """
    degree, formulas = 0, list[Expression]()
    for part in asked.split("+"):
        polynomial = _POLYNOMIAL.fullmatch(part.strip())
        if polynomial:
            degree = max(degree, int(polynomial[1]))
        elif part.strip().lower().endswith((".yaml", ".yml")):
            _check_names(names, part.strip())
            formulas += read_library(Path(part.strip()), names).formulas
        else:
            raise UsageError(
                f"--library is '{asked}', expected polynomial:k (k from 1 to 9), a YAML file of formulas, or a sum"
            )
    variables = formulas[0].variables if formulas else tuple(names)
    if any(f.variables != variables for f in formulas):
        raise UsageError(f"--library {asked}: the files name different variables; name the coordinates alike")
    return FunctionSpace.of(asked, variables, degree, formulas)


def _check_names(names: Sequence[str], file: str) -> None:
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"the coordinate '{name}' cannot stand in a formula; name `variables` in {file}")
