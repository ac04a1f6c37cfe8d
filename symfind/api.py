"""The verbs as functions: what ``import symfind`` offers and what the commands call."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symfind.answers.compose import report_of_finding
from symfind.data.files import readable
from symfind.decision.finding import decide
from symfind.errors import UsageError
from symfind.kinds.search import is_model, search
from symfind.linalg.threads import one_thread
from symfind.options.of_verbs import DiscoverOptions
from symfind.progress import Clock, Progress, SilentProgress
from symfind.schema.document import Report, Source
from symfind.verbs.given.architecture import with_architecture
from symfind.verbs.in_memory import guessed
from symfind.verbs.machine import check_outputs, device_named, environment
from symfind.verbs.scalings import NAME as SCALINGS
from symfind.verbs.scalings import scalings_report
from symfind.verbs.witness_file import check_name, with_witness_written

if TYPE_CHECKING:
    from symfind.verbs.augment import augment
    from symfind.verbs.conserve import conserve
    from symfind.verbs.contents import Contents
    from symfind.verbs.convert import convert
    from symfind.verbs.enforce import enforce, score
    from symfind.verbs.forces import forces
    from symfind.verbs.plan import plan
    from symfind.verbs.promote import promote

__all__ = [
    "augment",
    "conserve",
    "convert",
    "discover",
    "enforce",
    "export",
    "forces",
    "groups",
    "identify",
    "inspect",
    "plan",
    "promote",
    "sample",
    "score",
]


def __getattr__(name: str) -> Any:
    # Projecting networks needs scipy.optimize, whose import takes half as long as torch's; discovering does not.
    if name in ("enforce", "score"):
        return getattr(importlib.import_module("symfind.verbs.enforce"), name)
    if name in ("convert", "plan"):
        return getattr(importlib.import_module(f"symfind.verbs.{name}"), name)
    if name == "augment":
        return importlib.import_module("symfind.verbs.augment").augment
    if name == "forces":
        return importlib.import_module("symfind.verbs.forces").forces
    if name == "conserve":
        return importlib.import_module("symfind.verbs.conserve").conserve
    if name == "promote":
        return importlib.import_module("symfind.verbs.promote").promote
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@guessed(DiscoverOptions, "source")
@with_architecture("source")
@one_thread()
def discover(options: DiscoverOptions, progress: Progress | None = None) -> Report:
    """The generators ξ with L_ξF = 0 of a dataset or a trained model.

    Called with options, or as one would guess (docs/python.md): ``discover("data.h5", space="affine")``,
    ``discover(x, y)``, ``discover(x=x, dx=v, kind="flow")``, ``discover(model, x)``, with arrays of NumPy, torch,
    pandas or xarray and the options of the command line by name.

    Parameters
    ----------
    options
        What is asked, :class:`~symfind.options.of_verbs.DiscoverOptions`; or a file, arrays, a network.
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
    check_outputs(options)
    clock = Clock(progress or SilentProgress())
    device = device_named(options.device)
    if options.witness is not None:
        check_name(Path(options.witness))
    if options.space == SCALINGS:
        with readable(options.source) as path:
            return scalings_report(options, path, environment("cpu", "float64"), clock)
    with readable(options.source) as path:
        origin, evidence = search(options, path, device, clock)
        with clock.phase("bounds"):
            finding = decide(evidence, options.tolerance, options.alpha, max(options.bootstrap, 40), options.seed)
    source = Source(
        path=options.source,
        sha256=origin.sha256,
        kind=origin.kind,
        shapes=origin.shapes,
        names=origin.names,
        read_as=origin.read_as,
        units=origin.units,
    )
    where = environment(str(device), options.dtype)
    with clock.phase("algebra"):
        report = report_of_finding(finding, source, options.settings(), where, close=options.close)
    if options.discrete is not None:
        from symfind.answers.discrete import with_discrete  # scipy comes with it, and it is seldom asked for

        with clock.phase("discrete"):
            least = max(options.bootstrap, 40)
            report = with_discrete(
                report, evidence, options.discrete, options.tolerance, options.alpha, least, options.seed
            )
    if options.local:
        from symfind.answers.local import with_local

        with clock.phase("local"):
            report = with_local(report, evidence.judge, finding, options.tolerance, options.seed)
    if options.witness is not None:
        report = with_witness_written(report, finding, Path(options.witness))
    return replace(report, timing=clock.seconds)


@one_thread()
def identify(source: str | Path, *, close: bool = False) -> Report:
    """The Lie algebra that generators span, or that they generate: its name, structure and what it preserves.

    Parameters
    ----------
    source
        A report (JSON or HDF5), or a file with ``generators``, real or complex square matrices (YAML, JSON, HDF5, npz,
        npy), or with ``paulis``, words of Pauli matrices (YAML); ``-`` for standard input.
    close
        Whether brackets are taken until nothing new comes.

    Raises
    ------
    InputError
        It is neither, or holds no generators.
    """
    from symfind.answers.identification import identify_source  # each verb pays for its own imports only

    settings = {"source": str(source), "close": close} if close else {"source": str(source)}
    with readable(source) as path:
        return identify_source(path, str(source), settings, environment(), close=close)


def export(source: str | Path, *, to: str) -> bytes:
    """The certified algebra of a report as another library reads it: npz for ``numpy``, else a Python program.

    Parameters
    ----------
    source
        A report (JSON or HDF5); ``-`` for standard input.
    to
        ``"numpy"``, ``"sympy"``, ``"emlp"``, ``"e3nn"`` or ``"pysindy"``.

    Raises
    ------
    UsageError
        The library is none of these.
    InputError
        It is no report, nothing is certified, or the library has no word for what is.
    """
    from symfind.answers.handing_on import TARGETS, handed
    from symfind.schema.store import read_report

    if to not in TARGETS:
        raise UsageError(f"--to is '{to}', expected {', '.join(TARGETS)}")
    return TARGETS[to](handed(read_report(str(source)), str(source)))


def inspect(source: str | Path) -> Contents:
    """What a file holds (data, a trained model, a report; ``-`` for standard input) and what could be asked of it.

    Raises
    ------
    InputError
        It is missing, damaged, or none of these.
    """
    from symfind.verbs.contents import contents

    with readable(source) as path:
        return contents(path, str(source), is_model=is_model(path))


def sample(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    rows: int | None = None,
    times: int | None = None,
    grid_size: int | None = None,
) -> None:
    """Write a named dataset whose symmetries are known to an HDF5 file; the same seed, the same bytes.

    ``times`` and ``grid_size`` are those of a field: points in time, and along each space axis.

    Raises
    ------
    UsageError
        There is no such sample, fewer than one row was asked for, or a grid that the sample does not have.
    InputError
        The file cannot be written.
    """
    from symfind.samples.catalogue import write_sample

    write_sample(name, Path(out), rows=rows, seed=seed, times=times, grid_size=grid_size)


def groups() -> list[dict[str, Any]]:
    """The groups that are known by name, one record a family."""
    from symfind.lie.groups.catalogue import catalogue

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
