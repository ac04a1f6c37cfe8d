"""``promote`` for pairs of fields: the kernel between them, with as much symmetry as the pairs allow."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from symfind.answers.compose import report_of_finding
from symfind.data.dataset import Dataset
from symfind.data.files import appearing_whole
from symfind.data.scratch import scratch_folder
from symfind.decision.evidence import Evidence
from symfind.decision.finding import decide
from symfind.decision.halves import rows_with_duplicates_grouped
from symfind.equivariance.writing import save_module
from symfind.errors import InputError, UsageError
from symfind.fits.surrogate import fold_labels
from symfind.kinds.operator.extent import (
    OperatorExtent,
    bracket_points,
    half_numbers,
    messages_of,
    named_axes,
    spatial_grid,
)
from symfind.kinds.operator.frame import operator_frame
from symfind.kinds.operator.integral_operator import FittedOperator
from symfind.kinds.operator.operator import beyond_modes, mode_pencil
from symfind.kinds.operator.pencil import FactoredSide, triangular
from symfind.kinds.operator.rows import OperatorRows
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.linalg.nullspace import generalised_spectrum
from symfind.options.of_verbs import PromoteOptions
from symfind.progress import Clock
from symfind.promotion.certificate import against
from symfind.promotion.kernels import KernelModule, PromotedKernel, promoted_kernel, small_basis
from symfind.schema.document import Environment, Fit, Report, Source
from symfind.schema.promotion import HeldOut, Promotion
from symfind.version import __version__

_FEWEST_PAIRS = 20
# The share of y that lies in waves beyond the basis, from which on the kernel says little about F.
_POOR = 0.5
_ABOUT = (
    "verdicts are of the promoted kernel, whose symmetries were chosen on a quarter of the pairs; `symfind discover` "
    "asks the data alone"
)


def pairs_of_fields(options: PromoteOptions, path: Path) -> Dataset | None:
    """The dataset, if it holds pairs of fields."""
    dataset = open_dataset(
        path,
        kind=options.kind,
        input=options.input,
        output_name=options.output_name,
        mapping=options.mapping,
        transpose=options.transpose,
    )
    return dataset if KINDS[dataset.kind].promoted == "kernel" else None


def promote_kernel(
    options: PromoteOptions, dataset: Dataset, to: Path | None, environment: Environment, clock: Clock
) -> Report:
    """The promoted kernel as TorchScript, and the report of what it commutes with.

    Raises
    ------
    InputError
        There are too few pairs.
    UsageError
        A model or a report is asked for as what is fitted, or as candidates.
    """
    if options.model != "auto":
        raise UsageError(f"--model {options.model}: between fields a kernel is fitted; leave it out")
    rows = dataset.rows
    assert isinstance(rows, OperatorRows)
    generator = torch.Generator().manual_seed(options.seed)
    with clock.phase("read"):
        held = dataset.sample(options.max_rows, generator)
        copies = "group" not in held  # then groups are of copies alone
        held = rows_with_duplicates_grouped(held, "x", "y")
    u, v, group = held["x"], held["y"], held.get("group")
    if len(u) < _FEWEST_PAIRS:
        raise InputError(
            f"{dataset.path}: {len(u)} pairs are too few to fit and to compare on; give {_FEWEST_PAIRS} or more"
        )
    test = fold_labels(len(u), group, max(2, round(1 / options.held_out)), generator) == 0
    axes = named_axes(rows.axes, dataset.names)
    grid = spatial_grid(axes, (u, v))
    asked = (options.space, options.output_action, "none")
    frame = operator_frame(asked, tuple(a.name for a in axes), grid, u[~test], v.shape[1])
    with clock.phase("fit"):
        fit = small_basis(grid, u[~test].flatten(1), v[~test].flatten(1))
        done = promoted_kernel(frame, fit, None if group is None else group[~test], generator)
    compared = _compared(fit, done, u[test].flatten(1), v[test].flatten(1))
    doubts = [worse] if (worse := against(compared)) else []
    if compared.promoted > _POOR:
        doubts.append(
            f"the kernel between {fit.count} waves leaves {100 * compared.promoted:.0f} % of the held-out variance: "
            "the fields hold finer detail, which promotion does not resolve; symfind discover fits more modes"
        )
    with clock.phase("certify"):
        count = int((~test).sum())
        pencil = mode_pencil(frame, fit, torch.arange(count))
        m, s = pencil.pencil(done.promoted)
        split = half_numbers(count, None if group is None else group[~test], generator, whole=copies)
        sides = None
        if split is not None:
            first, second = (
                FactoredSide(*(_blockwise(t, half.samples.x[:, 0].long(), half.block) for t in (m, s)))
                for half in split
            )
            sides = (first, second)
        spectrum = generalised_spectrum(triangular(m.flatten(0, 1)), triangular(s.flatten(0, 1)))
        evidence = Evidence(
            frame.space, frame.action, spectrum, sides,
            OperatorExtent(beyond_modes(frame, fit, done.promoted, torch.arange(count)), frame.scaling()),
            given=True, pooled=True, doubts=tuple(doubts), rank=spectrum.values.shape[0],
            messages=(*messages_of(frame), *dataset.messages[1:], _ABOUT),
            bracket_points=bracket_points(frame, u, generator),
        )  # fmt: skip
        finding = decide(evidence, options.tolerance, options.alpha, 40, options.seed)
    source = Source(
        path=options.data,
        sha256=dataset.sha256(),
        kind=dataset.kind,
        shapes=dataset.shapes,
        names=frame.names,
        read_as=dataset.inferred,
    )
    report = report_of_finding(finding, source, options.settings(), environment, close=False)
    if to is not None:
        module = KernelModule(fit, done.promoted, tuple(v.shape[1:]))
        with scratch_folder() as folder, appearing_whole(to) as part:
            provenance = {"symfind": __version__, "source_sha256": dataset.sha256(), "promoted": fit.name}
            save_module(module, folder / "model.pt", provenance)
            shutil.copyfile(folder / "model.pt", part)
    promotion = Promotion(
        model=fit.name,
        gamma=done.gamma,
        symmetries=done.symmetries,
        unknowns=done.plain.numel(),
        path=done.path,
        refits=done.refits,
        held_out=compared,
        output=None if to is None else str(to),
    )
    chosen = Fit(surrogate=fit.name, degree=None, r2=1 - compared.promoted)
    return replace(report, fit=chosen, promotion=promotion, timing=clock.seconds)


def _compared(fit: FittedOperator, done: PromotedKernel, u: Tensor, v: Tensor) -> HeldOut:
    """Both kernels on held-out pairs ``(n, D)``, errors in units of the fields' whole variance.

    Not point by point, as of other outputs: where fields end their spread is none.
    """
    unit = (v - v.mean(0)).square().sum(1).mean().clamp(min=1e-300)
    x = fit.in_modes(u)
    ours, theirs = (((x @ c.T) @ fit.outputs.columns.T - v).square().sum(1) / unit for c in (done.promoted, done.plain))
    error = float((ours - theirs).std(correction=0)) / len(v) ** 0.5
    share, plain_share = float(ours.mean()), float(theirs.mean())
    return HeldOut(rows=len(v), promoted=share, plain=plain_share, difference_error=error)


def _blockwise(rows: Tensor, index: Tensor, block: Tensor) -> Tensor:
    """Triangular factors ``(blocks, P, P)`` of rows ``(n, r, P)``."""
    parts = [triangular(rows[index[block == b]].flatten(0, 1)) for b in range(int(block.max()) + 1)]
    return torch.stack(parts)
