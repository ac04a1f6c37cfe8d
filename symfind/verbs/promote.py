"""The verb ``promote`` as a function; :mod:`symfind.api` offers it beside the others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from symfind.answers.compose import report_of_finding
from symfind.answers.discrete import with_discrete
from symfind.data.files import appearing_whole, readable
from symfind.data.scratch import scratch_folder
from symfind.decision.finding import decide
from symfind.equivariance.writing import save_module
from symfind.errors import InputError, UsageError
from symfind.kinds.maps.nullspace import evidence_of_model
from symfind.linalg.threads import one_thread
from symfind.models.model import load_model
from symfind.options.of_verbs import PromoteOptions
from symfind.progress import Clock, Progress, SilentProgress
from symfind.promotion.certificate import against, held_out
from symfind.promotion.discrete import with_orbits
from symfind.promotion.families import Chosen, chosen_fit
from symfind.promotion.reading import Ready, ReportedFields, ready
from symfind.schema.document import Environment, Fit, Report, Source
from symfind.schema.promotion import HeldOut, Promotion
from symfind.schema.store import read_report
from symfind.verbs.in_memory import guessed
from symfind.verbs.machine import check_outputs, on_cpu_in_double
from symfind.verbs.promote_kernel import pairs_of_fields, promote_kernel
from symfind.version import __version__

_MODEL_ENDINGS = (".pt", ".pth", ".ts")
_REPORT_ENDINGS = (".json", ".h5", ".hdf5")
_ABOUT = (
    "verdicts are of the promoted model, whose symmetries were chosen by cross-validation; `symfind discover` asks the "
    "data alone"
)


@guessed(PromoteOptions, "data")
@one_thread()
def promote(options: PromoteOptions, to: Path | None = None, progress: Progress | None = None) -> Report:
    """The model with as much symmetry as the data allow, and the report of what survived.

    Parameters
    ----------
    options
        Data, models and candidates, :class:`~symfind.options.of_verbs.PromoteOptions`.
    to
        The TorchScript file to write; None writes none.
    progress
        Told how far the computation is.

    Returns
    -------
    Report
        Schema ``symfind.report/1``, with the part ``promotion``.

    Raises
    ------
    SymfindError
        The data cannot be used, the models need too much memory, or an option does not go with the data.
    """
    if to is not None and to.suffix.lower() not in _MODEL_ENDINGS:
        raise UsageError(f"--output {to}: promote writes TorchScript; give a name that ends in .pt")
    check_outputs(options, to)
    environment = on_cpu_in_double(options, "promote")
    clock = Clock(progress or SilentProgress())
    generator = torch.Generator().manual_seed(options.seed)
    with readable(options.data) as path, scratch_folder() as folder:
        pairs = pairs_of_fields(options, path)
        if pairs is not None:
            return promote_kernel(options, pairs, to, environment, clock)
        with clock.phase("read"):
            prepared = ready(options, path, _space(options.space), generator)
        if options.discrete is not None:
            with clock.phase("discrete"):
                prepared = with_orbits(prepared, options.discrete, generator)
        chosen = chosen_fit(options, prepared, clock, generator)
        compared = held_out(chosen.predict, chosen.predict_plain, prepared.test)
        worse = against(compared)
        model_file = folder / "model.pt"
        provenance = {"symfind": __version__, "source_sha256": prepared.sha256, "promoted": chosen.name}
        save_module(chosen.module, model_file, provenance)
        with clock.phase("certify"):
            report = _certified(options, prepared, chosen, compared, worse, model_file, to, environment)
        if to is not None:
            with appearing_whole(to) as part:
                shutil.copyfile(model_file, part)
    return replace(report, timing=clock.seconds)


def _space(asked: str | None) -> str | ReportedFields | None:
    """The name of a space, or the certified generators of a report: those that a space of such a name holds."""
    if asked is None or not (asked == "-" or asked.lower().endswith(_REPORT_ENDINGS)):
        return asked
    report = read_report(asked)
    actions = tuple(g.input_action for g in report.certified)
    if not actions:
        raise InputError(
            f"{asked}: no generator of the report is certified, so it spans no space; name another --space"
        )
    if not all(isinstance(a, Mapping | tuple) for a in actions):
        raise InputError(f"{asked}: the generators of this report are formulas of a file; give that file as --space")
    return ReportedFields(asked, len(report.source.names), actions)


def _certified(
    options: PromoteOptions,
    prepared: Ready,
    chosen: Chosen,
    compared: HeldOut,
    worse: str,
    model_file: Path,
    to: Path | None,
    environment: Environment,
) -> Report:
    """Ask the model itself what symmetries it has; what speaks ``worse`` of them on held-out rows is a doubt."""
    x = prepared.train.x.reshape(-1, *prepared.input_shape)
    model = load_model(model_file)
    model.bind(prepared.input_shape, x)
    generator = torch.Generator().manual_seed(options.seed)
    samples = replace(prepared.train, y=prepared.train.x[:, :0])
    evidence = evidence_of_model(prepared.frame, model, samples, generator)
    doubts = list(evidence.doubts)
    if prepared.scalar and chosen.degree is not None and chosen.degree < 3:
        doubts.append("every quadratic function of one object has symmetries of its own: take degree 3 or more")
    if worse:
        doubts.append(worse)
    evidence = replace(evidence, doubts=tuple(doubts), messages=(*prepared.messages, *chosen.messages, _ABOUT))
    finding = decide(evidence, options.tolerance, options.alpha, 40, options.seed)
    source = Source(
        path=options.data,
        sha256=prepared.sha256,
        kind=prepared.kind,
        shapes=prepared.shapes,
        names=prepared.names,
        read_as=prepared.read_as,
    )
    report = report_of_finding(finding, source, options.settings(), environment, close=False)
    if options.discrete is not None:
        report = with_discrete(report, evidence, options.discrete, options.tolerance, options.alpha, 40, options.seed)
    fit = Fit(surrogate=chosen.name, degree=chosen.degree, r2=1 - compared.promoted)
    return replace(report, fit=fit, promotion=_promotion(chosen, compared, to))


def _promotion(chosen: Chosen, compared: HeldOut, to: Path | None) -> Promotion:
    """How the model was chosen."""
    output = None if to is None else str(to)
    if chosen.network is not None:
        network = chosen.network
        return Promotion(
            model=chosen.name,
            gamma=max((e.gamma for e in network.epochs), default=0.0),
            symmetries=network.symmetries.shape[1],
            unknowns=chosen.unknowns,
            refits=network.refits,
            epochs=network.epochs,
            held_out=compared,
            output=output,
        )
    linear = chosen.linear
    assert linear is not None
    return Promotion(
        model=chosen.name,
        gamma=linear.gamma,
        symmetries=linear.symmetries.shape[1],
        unknowns=chosen.unknowns,
        freedom=linear.freedom,
        path=linear.path,
        refits=linear.refits,
        held_out=compared,
        output=output,
    )
