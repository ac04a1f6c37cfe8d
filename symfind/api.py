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
from symfind.enforcing import enforce, score
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

__all__ = ["discover", "enforce", "groups", "identify", "inspect", "sample", "score"]

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
