"""Classes of functions whose forms, centres or exponents the data suggest."""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from symfind.decision.witness.fitting.regression import SymmetricFit, fitted
from symfind.decision.witness.forms import refined, start_from_gradient, start_from_moments, symmetric_basis, with_form
from symfind.decision.witness.problem import Problem, WitnessSettings
from symfind.decision.witness.proposals import general
from symfind.decision.witness.structure import Block, LogIndex, Screw, Structure, SymmetricClass, euclidean
from symfind.decision.witness.support import slopes_of
from symfind.decision.witness.trial import Rows, Trial, features_of, rough_error
from symfind.errors import NumericalError
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.nullspace import generalised_spectrum

# A principal value below this share of the largest changes a function by less than the resolution of a verdict.
_FAINT = 0.01


def learned_index(
    problem: Problem, rows: Rows, seed: int, settings: WitnessSettings
) -> list[tuple[SymmetricClass, float, float]]:
    """F ≈ f(W log|x|) with fewer indices than coordinates: dimensionless numbers that the data suggest."""
    shape = problem.shape
    k, d = shape.objects
    constant = torch.eye(shape.outputs, dtype=torch.float64)
    whole = LogIndex("logarithms", torch.eye(shape.width, dtype=torch.float64), constant)
    if k != 1 or shape.vectors or not shape.matrices or d < 2 or problem.fixed or not whole.usable(rows.x):
        return []
    z, kk = features_of(whole, rows)
    fit = fitted(z, kk, rows.y, rows.group, seed, settings.rough, quick=True)
    logs = z[:2000]
    step = 1e-3 * logs.std(0)
    slopes = []
    for j in range(d):
        move = torch.zeros_like(logs)
        move[:, j] = step[j]
        slopes.append((fit(logs + move, kk[:2000]) - fit(logs - move, kk[:2000])) / (2 * step[j]))
    gradient = torch.stack(slopes, -1).reshape(-1, d) * logs.std(0)  # in units of the spread
    _, _, vh = torch.linalg.svd(gradient, full_matrices=False)
    regression = torch.linalg.lstsq(torch.cat([torch.ones_like(z[:, :1]), z], 1), rows.y, driver="gelsd").solution[1:].T
    out: list[tuple[SymmetricClass, float, float]] = []
    for count in range(1, d):
        starts = [vh[:count] / logs.std(0)]
        if count == 1:
            starts.append(regression[:1])
        best: tuple[SymmetricClass, float, float] | None = None
        for start in starts:

            def make(theta: Tensor, count: int = count) -> LogIndex:
                return LogIndex(f"{count} product{'s' * (count > 1)} of powers", theta.reshape(count, d), constant)

            try:
                got = refined(make, start.reshape(-1), rows, seed, settings.regression)
            except RuntimeError:
                continue
            found = _rational(got.structure, got.errors.reshape(count, d))
            size = float(got.errors.max() / got.parameters.abs().max())
            for index, noise in ((found, 1e-10), (got.structure, size)):
                error = rough_error(index, rows, seed, settings.rough)
                if error is not None and (best is None or error < 0.9 * best[1]):
                    best = (index, error, noise)
        if best is not None:
            out.append(best)
    return out


def _rational(index: LogIndex, errors: Tensor) -> LogIndex:
    """The span of W by its sparsest basis with rational entries where they lie within the errors."""
    size = index.directions.norm(dim=1, keepdim=True)
    try:
        basis = canonical_basis(index.directions / size, (errors / size).clamp(max=0.05), largest_denominator=12)
    except NumericalError:
        return index
    return replace(index, directions=basis.coefficients)


def learned_forms(
    problem: Problem, rows: Rows, seed: int, settings: WitnessSettings
) -> list[tuple[SymmetricClass, float, float]]:
    """Forms, and a centre where the space has shifts, that gradients and moments of the data suggest."""
    shape = problem.shape
    k, d = shape.objects
    if shape.outputs != 1 or shape.vectors or not shape.matrices or d < 2 or problem.fixed:
        return []
    out: list[tuple[SymmetricClass, float, float]] = []
    starts: list[tuple[Structure, Tensor, bool]] = []
    eye = torch.eye(shape.width, dtype=torch.float64)
    view = torch.stack([eye[a * d : (a + 1) * d] for a in range(k)])
    constant = torch.eye(1, dtype=torch.float64)
    none = torch.zeros(0, shape.width, dtype=torch.float64)
    y = rows.y[:, 0]
    spread = rows.x.reshape(-1, d).std(0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    if k == 1:
        centred = shape.shifts
        structure = Structure("a quadratic form", (Block(view, euclidean(d)),), none, constant)
        z, kk = features_of(general(shape), rows)
        fit = fitted(z, kk, rows.y, rows.group, seed, settings.rough, quick=True)
        gradient = _gradient(fit, rows.x[:2000], rows)
        starts.append((structure, start_from_gradient(rows.x[:2000], gradient, centred), centred))
        starts.append((structure, start_from_moments(rows.x[:, None, :], y, centred), centred))
        if shape.shifts:
            out += _screws(problem, rows, gradient, seed, settings)
    else:
        structure = Structure("one form for all objects", (Block(view, euclidean(d)),), none, constant)
        starts.append((structure, start_from_moments(structure.blocks[0].vectors(rows.x), y, False), False))
        if shape.shifts:
            pairs = torch.stack([view[a] - view[b] for a in range(k) for b in range(a + 1, k)])
            apart = Structure("one form for all differences", (Block(pairs, euclidean(d), None, True),), none, constant)
            independent = torch.einsum("qbd,nd->nqb", view[:-1] - view[-1:], rows.x)
            starts.append((apart, start_from_moments(independent, y, False), False))
    for structure, start, centred in starts:
        if not bool(torch.isfinite(start).all()) or float(start.norm()) == 0:
            continue

        def make(theta: Tensor, structure: Structure = structure, centred: bool = centred) -> Structure:
            return with_form(structure, theta, centred)

        try:
            got = refined(make, start, rows, seed, settings.regression, d * (d + 1) // 2)
        except RuntimeError:
            continue
        form = d * (d + 1) // 2
        # An entry counts by what it moves: in units of the spread of both coordinates.
        size = torch.stack([b[b != 0].max() for b in symmetric_basis(d) * torch.outer(spread, spread)])
        noise = max(float((got.errors[:form] * size).max() / (got.parameters[:form] * size).abs().max()), 1e-9)
        found = [got.structure, *_of_less_rank(got.structure, problem, noise)]
        errors = [rough_error(each, rows, seed, settings.rough) for each in found]
        kept = [(each, e) for each, e in zip(found, errors, strict=True) if e is not None]
        if kept:
            # The form of the least rank that loses nothing: what it does not see is blind, not a boost into nothing.
            least = min(e for _, e in kept)
            chosen = [pair for pair in kept if pair[1] <= 1.05 * least][-1]
            out.append((*chosen, noise))
    return out


def learned_turns(
    problem: Problem, rows: Rows, seed: int, settings: WitnessSettings
) -> list[tuple[SymmetricClass, float, float]]:
    """Turns of a plane in oblique coordinates, u = (x₁, ax₁ + bx₂) − c, of vectors y that turn as x does.

    The start solves AF(x) = F′(x)(Ax + d) in slopes of a rough fit, in units of the spread; an A of complex eigenvalues
    turns the plane of its eigenvectors. Every linear flow that oscillates has such a turn: only what y has beyond its
    linear part, above the noise, can speak for one.
    """
    shape = problem.shape
    if shape.objects != (1, 2) or shape.outputs != 2 or not (shape.moved_with and shape.matrices) or problem.fixed:
        return []
    spread = rows.x.std(0)
    if not bool((spread > 0).all() and (rows.weights > 0).all()):
        return []
    general_class = general(shape)
    fit = fitted(*features_of(general_class, rows), rows.y, rows.group, seed, settings.rough, quick=True)
    found = Trial(general_class, fit, 0.0, 0.0)
    unit = rows.x[: settings.turned] / spread
    weights = rows.weights * spread
    value = found(rows.x[: settings.turned], rows.weights) / weights
    slope = slopes_of(found, rows, settings.turned) / weights[:, None] * spread
    n, eye = len(unit), torch.eye(2, dtype=torch.float64)
    # Columns: the entries of A row by row, and those of d.
    field = torch.cat([torch.einsum("nj,il->nilj", unit, eye).reshape(n, 2, 4), eye.expand(n, 2, 2)], 2)
    turned = torch.einsum("nj,il->nilj", value, eye).reshape(n, 2, 4)
    columns = torch.cat([turned, turned.new_zeros(n, 2, 2)], 2) - slope @ field
    count = 6 if shape.shifts else 4
    spectrum = generalised_spectrum(
        columns[..., :count].reshape(2 * n, count), field[..., :count].reshape(2 * n, count)
    )
    out: list[tuple[SymmetricClass, float, float]] = []
    for vector in spectrum.vectors.T[:2]:
        a = vector[:4].reshape(2, 2)
        half = 0.5 * a.trace()
        rest = torch.linalg.det(a) - half.square()
        if float(rest) <= float(half.square()):  # more of a growth than of a turn
            continue
        # Ju of u = (x₁, αx₁ + βx₂) is the traceless part of A over its eigenvalue.
        start = torch.stack([-(a[0, 0] - half), -a[0, 1]]) / rest.sqrt()
        if shape.shifts:
            start = torch.cat([start, -torch.linalg.pinv(a) @ vector[4:]])

        def make(theta: Tensor) -> Structure:
            to_u = torch.stack([torch.stack([theta.new_ones(()), theta.new_zeros(())]), theta[:2]]) / spread
            centre = to_u @ (theta[2:] * spread) if len(theta) > 2 else None
            block = Block(to_u[None], euclidean(2), centre, False, True, torch.linalg.inv(to_u)[None])
            empty = torch.zeros(0, 2, dtype=torch.float64)
            return Structure("a turn in oblique coordinates", (block,), empty, empty)

        try:
            got = refined(make, start, rows, seed, settings.regression, 0)
        except RuntimeError:
            continue
        error = rough_error(got.structure, rows, seed, settings.rough)
        noise = max(float((got.errors / got.parameters.abs().clamp(min=1.0)).max()), 1e-9)
        if error is not None and _linear_share(rows) > settings.beyond_linear * error:
            out.append((got.structure, error, noise))
        break
    return out


def _linear_share(rows: Rows) -> float:
    """The share of the variance of y that affine functions of x leave."""
    columns = torch.cat([torch.ones_like(rows.x[:, :1]), (rows.x - rows.x.mean(0)) / rows.x.std(0)], 1)
    residual = rows.y - columns @ torch.linalg.lstsq(columns, rows.y, driver="gelsd").solution
    return float(residual.square().sum() / (rows.y - rows.y.mean(0)).square().sum().clamp(min=1e-300))


def _screws(
    problem: Problem, rows: Rows, gradient: Tensor, seed: int, settings: WitnessSettings
) -> list[tuple[SymmetricClass, float, float]]:
    """Turns of a plane of axes that go with a shift along another, where slopes ``(n, d)`` of a fit show one.

    (u∂v − v∂u)F = −κ⁻¹∂_zF on all rows: both sides are known up to a factor, the pitch, and the centre.
    """
    d = problem.shape.width
    x = rows.x[: gradient.shape[0]]
    best: tuple[float, int, int, int, Tensor] | None = None
    for i, j in itertools.combinations(range(d), 2):
        turned = x[:, i] * gradient[:, j] - x[:, j] * gradient[:, i]
        about = torch.stack([gradient[:, j], gradient[:, i]], 1)
        for z in sorted({*range(d)} - {i, j}):
            both = torch.stack([turned, gradient[:, z]], 1)
            rest = both - about @ torch.linalg.lstsq(about, both, driver="gelsd").solution
            size = rest.norm(dim=0) / both.norm(dim=0).clamp(min=1e-300)
            cosine = float((rest[:, 0] @ rest[:, 1]).abs() / (rest.norm(dim=0).prod()).clamp(min=1e-300))
            if float(size.min()) > settings.faint and cosine > (settings.screw if best is None else best[0]):
                columns = torch.cat([gradient[:, [z]], about], 1)
                best = (cosine, i, j, z, torch.linalg.lstsq(columns, turned[:, None], driver="gelsd").solution[:, 0])
    if best is None:
        return []
    _, i, j, z, start = best
    eye = torch.eye(d, dtype=torch.float64)
    scalars = eye[[a for a in range(d) if a not in (i, j, z)]]
    length, width = float(rows.x[:, z].std()), float(rows.x[:, [i, j]].std())
    # turned + (1/κ)∂_z F = 0 about 0; about c the slopes across it come with c_u and −c_v.
    pitch = -1.0 / start[0]
    kappa = pitch * length
    titled = f"screw: a turn of axes {i + 1} {j + 1} with a shift along axis {z + 1}"
    constant = torch.eye(1, dtype=torch.float64)
    found: list[tuple[SymmetricClass, float, float]] = []
    for centre in (None, torch.stack([start[1], -start[2]]) / width):

        def make(theta: Tensor, centred: bool = centre is not None) -> Screw:
            c = theta[1:] * width if centred else theta.new_zeros(2)
            return Screw(titled, (i, j), z, theta[0] / length, c, scalars, constant)

        begin = kappa[None] if centre is None else torch.cat([kappa[None], centre])
        try:
            got = refined(make, begin, rows, seed, settings.regression, 0)
        except RuntimeError:
            continue
        error = rough_error(got.structure, rows, seed, settings.rough)
        noise = max(float((got.errors / got.parameters.abs().clamp(min=1.0)).max()), 1e-9)
        if error is not None and (not found or settings.simple * error < found[0][1]):
            found = [(got.structure, error, noise)]
    return found


def _of_less_rank(structure: Structure, problem: Problem, noise: float) -> list[Structure]:
    """The same with the smallest principal values of the form, in units of the spread, made zero one after another."""
    block = structure.blocks[0]
    colour = torch.linalg.pinv(problem.whiten)
    values, vectors = torch.linalg.eigh(colour.T @ block.form @ colour)
    order = values.abs().argsort()
    out = []
    for count in range(1, len(values)):
        small = order[:count]
        if float(values[small[-1]].abs()) > max(30 * noise, _FAINT) * float(values.abs().max()):
            break
        kept = values.clone()
        kept[small] = 0.0
        form = problem.whiten.T @ vectors @ torch.diag(kept) @ vectors.T @ problem.whiten
        symmetric = 0.5 * (form + form.T)
        out.append(replace(structure, blocks=(replace(block, form=symmetric), *structure.blocks[1:])))
    return out


def _gradient(fit: SymmetricFit, x: Tensor, rows: Rows) -> Tensor:
    """∇F of a general fit by central differences ``(n, D)``."""
    spread = x.std(0)
    step = 1e-3 * torch.where(spread > 0, spread, torch.ones_like(spread))
    one = torch.ones(x.shape[0], 1, 1, dtype=x.dtype) * rows.weights
    out: list[Tensor] = []
    for j in range(x.shape[1]):
        move = torch.zeros_like(x)
        move[:, j] = step[j]
        out.append(((fit(x + move, one) - fit(x - move, one)) / (2 * step[j]))[:, 0])
    return torch.stack(out, 1)
