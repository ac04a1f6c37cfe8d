"""F = ∇φ, div F = 0, F = J∇H: what a vector field is, by fields of that kind fitted to rows, or by its Jacobian.

For rows the question is whether a field that is exactly of the kind predicts what it was not fitted to: gradients of
potentials, divergences Fᵢ = Σⱼ ∂ⱼAᵢⱼ of antisymmetric A, or J∇H, each with polynomials and waves as the functions. What
is left over is shown to the judges of every symmetric model. For a given F the Jacobian says it at once: what vanishes
is ½(DF − DFᵀ), tr DF, or the antisymmetric part of J⁻¹DF.

Axis letters: n rows, d dimension, f functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.halves import two_halves
from symfind.decision.witness.leftover import JudgeSettings, leftover
from symfind.errors import InputError

KINDS = ("conservative", "divergence-free", "hamiltonian")


@dataclass(frozen=True)
class ForceSettings:
    """What is fitted.

    Attributes
    ----------
    degrees
        Of polynomial potentials that are tried.
    waves
        Random waves beside them, cos(w·x + b).
    lengths
        Their wave numbers, in units of one over the spread of x times √d.
    unknowns
        At most so many coefficients of a fit: an equation system of seconds.
    ridges
        Relative to the mean of the diagonal of the normal equations.
    """

    degrees: tuple[int, ...] = (2, 3, 4, 5)
    waves: int = 300
    lengths: tuple[float, ...] = (0.7, 1.5, 3.0)
    unknowns: int = 1500
    ridges: tuple[float, ...] = (1e-12, 1e-8, 1e-5)


@dataclass(frozen=True)
class Judged:
    """One kind of field.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    defect, lower, upper
        η: how far F is from the fields of this kind, in values, relative to the spread of F; for a given F the share of
        the Jacobian that should vanish.
    verdict
        ``certified``, ``approximate``, ``undecided`` or ``refuted``.
    told
        What decided.
    row
        Where it fails most, if it is not of the kind: an index of the rows.
    slopes
        What the Jacobian is there, in words of its entries.
    """

    kind: str
    defect: float
    lower: float
    upper: float
    verdict: str
    told: str
    row: int | None = None
    slopes: str = ""


@dataclass(frozen=True)
class _Functions:
    """Scalar functions: values ``(n, f)`` and gradients ``(n, f, d)``."""

    values: Callable[[Tensor], Tensor]
    gradients: Callable[[Tensor], Tensor]
    count: int


def defects_of_jacobian(jacobian: Tensor, poisson: Tensor | None) -> dict[str, Tensor]:
    """For each row the share ``(n,)`` of DF ``(n, d, d)`` that should vanish, squared: between 0 and 1."""
    size = jacobian.square().sum((1, 2))
    whole = size.clamp(min=1e-12 * float(size.mean().clamp(min=1e-300)))
    skew = 0.5 * (jacobian - jacobian.mT)
    trace = jacobian.diagonal(dim1=1, dim2=2).sum(1)
    out = {"conservative": skew.square().sum((1, 2)) / whole}
    out["divergence-free"] = trace.square() / jacobian.shape[1] / whole
    if poisson is not None:
        turned = torch.linalg.solve(poisson, jacobian)
        part = 0.5 * (turned - turned.mT)
        out["hamiltonian"] = part.square().sum((1, 2)) / turned.square().sum((1, 2)).clamp(min=1e-300)
    return out


def judged_jacobian(
    jacobian: Tensor, poisson: Tensor | None, tolerance: float, rounding: float, names: tuple[str, ...]
) -> list[Judged]:
    """The kinds of a given F by DF ``(n, d, d)`` at its inputs, exact but for the rounding of its arithmetic."""
    out = []
    size = jacobian.square().sum((1, 2))
    for kind, share in defects_of_jacobian(jacobian, poisson).items():
        defect = math.sqrt(float((share * size).sum() / size.sum().clamp(min=1e-300)))
        word = "certified" if defect <= rounding else "approximate" if defect < tolerance else "refuted"
        row = int((share * size).argmax()) if word != "certified" else None
        slopes = "" if row is None else _slopes(kind, jacobian[row], poisson, names)
        out.append(Judged(kind, defect, defect, defect, word, "the Jacobian of the model", row, slopes))
    return out


def judged_rows(
    x: Tensor,
    y: Tensor,
    group: Tensor | None,
    poisson: Tensor | None,
    tolerance: float,
    seed: int,
    names: tuple[str, ...],
    settings: ForceSettings = ForceSettings(),
    judges: JudgeSettings = JudgeSettings(),  # noqa: B008 (frozen)
) -> list[Judged]:
    """The kinds of F from rows x, F(x) ``(n, d)``.

    Raises
    ------
    InputError
        There are too few rows, or they do not vary.
    """
    n, d = x.shape
    if n < 40 or float(x.std(0).min()) == 0.0 or float(y.std(0).max()) == 0.0:
        raise InputError("forces are judged on at least 40 rows in which every coordinate varies; give such rows")
    generator = torch.Generator().manual_seed(seed)
    fit, judge = two_halves(n, group, generator)
    functions = _families(x, settings, generator)
    free = _best(functions, x, y, fit, judge, "free", None, settings)
    jacobian = free.jacobian(x)
    out = []
    for kind in KINDS if poisson is not None else KINDS[:2]:
        parts = [_best(functions, x, y, a, b, kind, poisson, settings) for a, b in ((fit, judge), (judge, fit))]
        on = (judge, fit)
        out.append(_worded(kind, parts, on, x, y, group, free, jacobian, poisson, tolerance, seed, names, judges))
    return out


@dataclass(frozen=True)
class _Fit:
    """A field of one kind."""

    value: Callable[[Tensor], Tensor]
    jacobian: Callable[[Tensor], Tensor]
    share: float


def _worded(
    kind: str,
    parts: list[_Fit],
    judged_on: tuple[Tensor, Tensor],
    x: Tensor,
    y: Tensor,
    group: Tensor | None,
    free: _Fit,
    jacobian: Tensor,
    poisson: Tensor | None,
    tolerance: float,
    seed: int,
    names: tuple[str, ...],
    judges: JudgeSettings,
) -> Judged:
    """The word of DESIGN's claim: prediction of rows that were not fitted, and what is left over."""
    white = (x - x.mean(0)) / x.std(0)
    weights = 1.0 / y.std()
    lefts, shares, errors = [], [], []
    for part, at in zip(parts, judged_on, strict=True):
        residual, centred = weights * (y[at] - part.value(x[at])), weights * (y[at] - y.mean(0))
        squares = residual.square().sum(1) / centred.square().sum(1).mean()
        of = None if group is None else group[at]
        none, ones = white.new_zeros(len(at), 0), white.new_ones(len(at), 1, y.shape[1])
        lefts.append(leftover(white[at], none, ones, centred, residual, of, seed + 1, judges)[0])
        shares.append(float(squares.mean()))
        errors.append(float(squares.std()) / math.sqrt(len(at)))
    left = lefts[0].joined(lefts[1])
    share, error = sum(shares) / 2, 0.5 * math.hypot(*errors)
    upper = math.sqrt(max(0.0, min(share + 1.65 * error, left.upper(share, judges))))
    found = left.significant(judges)
    eta = math.sqrt(max((j.share for j in found), default=0.0) * share)
    finite = max(0.0, math.sqrt(max(share - free.share, 0.0)) - 2 * math.sqrt(max(free.share, 0.0)))
    lower = min(finite, upper)
    if upper < tolerance:
        word = "approximate" if found and eta > tolerance / 5 else "certified"
    else:
        word = "refuted" if lower > tolerance else "undecided"
    own, any_field = 100 * (1 - share), 100 * (1 - free.share)
    told = f"a field of this kind explains {own:.4g} % of rows it was not fitted to, any field {any_field:.4g} %"
    row, slopes = None, ""
    if word in ("refuted", "approximate"):
        defect = defects_of_jacobian(jacobian, poisson)[kind] * jacobian.square().sum((1, 2))
        row = int(defect.argmax())
        slopes = _slopes(kind, jacobian[row], poisson, names)
    return Judged(kind, max(eta, lower), lower, max(upper, lower), word, told, row, slopes)


def _slopes(kind: str, jacobian: Tensor, poisson: Tensor | None, names: tuple[str, ...]) -> str:
    if kind == "divergence-free":
        return f"div F = {float(jacobian.trace()):.4g}"
    m = jacobian if kind == "conservative" or poisson is None else torch.linalg.solve(poisson, jacobian)
    i, j = divmod(int((m - m.T).abs().argmax()), len(m))
    one = "F" if kind == "conservative" else "(J⁻¹F)"
    return f"∂{one}_{names[i]}/∂{names[j]} = {float(m[i, j]):.4g}, ∂{one}_{names[j]}/∂{names[i]} = {float(m[j, i]):.4g}"


def _families(x: Tensor, settings: ForceSettings, generator: torch.Generator) -> list[_Functions]:
    """Polynomials of each degree, and waves with quadratics, about the mean in units of one spread for all axes."""
    d = x.shape[1]
    mean, scale = x.mean(0), x.std(0)
    out = []
    for degree in settings.degrees:
        if math.comb(d + degree + 1, degree + 1) <= settings.unknowns:
            out.append(_polynomials(mean, scale, degree + 1))
    count = min(settings.waves, max(20, len(x) // 8))
    for length in settings.lengths:
        w = torch.randn(count, d, generator=generator, dtype=x.dtype) * length / math.sqrt(d) * math.sqrt(2.0)
        b = 2 * torch.pi * torch.rand(count, generator=generator, dtype=x.dtype)
        out.append(_joined(_polynomials(mean, scale, 2), _waves(mean, scale, w, b)))
    return out


def _polynomials(mean: Tensor, scale: Tensor, degree: int) -> _Functions:
    d = len(mean)
    exponents = [e for e in _exponents(d, degree) if sum(e)]
    table = torch.tensor(exponents, dtype=torch.float64)

    def power(u: Tensor, e: Tensor) -> Tensor:
        return torch.where(e >= 0, u[:, None, :] ** e.clamp(min=0), torch.zeros_like(u[:, None, :])).prod(2)

    def gradients(x: Tensor) -> Tensor:
        u = (x - mean) / scale
        columns = []
        for i in range(d):
            e = table.clone()
            e[:, i] -= 1
            columns.append(table[:, i] * power(u, e) / scale[i])
        return torch.stack(columns, 2)

    return _Functions(lambda x: power((x - mean) / scale, table), gradients, len(exponents))


def _exponents(d: int, degree: int) -> list[tuple[int, ...]]:
    if d == 1:
        return [(k,) for k in range(degree + 1)]
    return [(k, *rest) for k in range(degree + 1) for rest in _exponents(d - 1, degree - k)]


def _waves(mean: Tensor, scale: Tensor, w: Tensor, b: Tensor) -> _Functions:
    slope = w / scale

    def gradients(x: Tensor) -> Tensor:
        phase = (x - mean) @ slope.T + b
        return -phase.sin()[:, :, None] * slope

    return _Functions(lambda x: ((x - mean) @ slope.T + b).cos(), gradients, len(w))


def _joined(a: _Functions, b: _Functions) -> _Functions:
    return _Functions(
        lambda x: torch.cat([a.values(x), b.values(x)], 1),
        lambda x: torch.cat([a.gradients(x), b.gradients(x)], 1),
        a.count + b.count,
    )


def _fields(functions: _Functions, x: Tensor, kind: str, poisson: Tensor | None) -> Tensor:
    """Fields ``(n, d, c)`` of one kind; values ``(n, 1 + f)``, a constant among them, of any field's components."""
    if kind == "free":
        return torch.cat([x.new_ones(len(x), 1), functions.values(x)], 1)
    gradients = functions.gradients(x)
    n, f, d = gradients.shape
    if kind == "conservative":
        return gradients.mT
    if kind == "hamiltonian":
        assert poisson is not None
        return (gradients @ poisson.T).mT
    columns = []
    for i in range(d):
        for j in range(i + 1, d):
            field = gradients.new_zeros(n, d, f)
            field[:, i], field[:, j] = gradients[:, :, j], -gradients[:, :, i]
            columns.append(field)
    return torch.cat(columns, 2)


def _applied(fields: Tensor, weights: Tensor) -> Tensor:
    out: Tensor = fields @ weights
    return out


def _normal(functions: _Functions, x: Tensor, y: Tensor, kind: str, poisson: Tensor | None) -> tuple[Tensor, Tensor]:
    """ΦᵀΦ and Φᵀy, some rows at a time."""
    gram, moment = None, None
    for xp, yp in zip(torch.split(x, 512), torch.split(y, 512), strict=True):
        fields = _fields(functions, xp, kind, poisson)
        phi = fields if kind == "free" else fields.flatten(0, 1)
        target = yp if kind == "free" else yp.reshape(-1)
        gram = phi.T @ phi if gram is None else gram + phi.T @ phi
        moment = phi.T @ target if moment is None else moment + phi.T @ target
    assert gram is not None and moment is not None
    return gram, moment


def _solve(gram: Tensor, moment: Tensor, ridge: float) -> Tensor:
    scale = gram.diagonal().sqrt().clamp(min=1e-150)
    right = moment / (scale[:, None] if moment.ndim == 2 else scale)
    level = max(ridge, 1e-12) * torch.eye(len(gram), dtype=gram.dtype)
    solved = torch.linalg.solve(gram / scale / scale[:, None] + level, right)
    out: Tensor = solved / (scale[:, None] if moment.ndim == 2 else scale)
    return out


def _best(
    families: list[_Functions],
    x: Tensor,
    y: Tensor,
    fit: Tensor,
    judge: Tensor,
    kind: str,
    poisson: Tensor | None,
    settings: ForceSettings,
) -> _Fit:
    """The family and ridge that predict a part of the first half best, fitted to all of it; its share on the other."""
    d = x.shape[1]
    cut = len(fit) // 4
    test, train = fit[:cut], fit[cut:]
    best: tuple[float, _Functions, float] | None = None
    for family in families:
        width = family.count * (d * (d - 1) // 2 if kind == "divergence-free" else 1)
        if width > min(settings.unknowns, len(train) * (1 if kind == "free" else d) // 2):
            continue
        gram, moment = _normal(family, x[train], y[train], kind, poisson)
        held = _fields(family, x[test], kind, poisson)
        for ridge in settings.ridges:
            weights = _solve(gram, moment, ridge)
            error = float((_applied(held, weights) - y[test]).square().mean())
            if best is None or error < 0.99 * best[0]:
                best = error, family, ridge
    if best is None:
        raise InputError(f"{len(x)} rows of {d} coordinates are too few to fit a field to; give more rows")
    _, family, ridge = best
    weights = _solve(*_normal(family, x[fit], y[fit], kind, poisson), ridge)

    def value(at: Tensor) -> Tensor:
        parts = [_applied(_fields(family, p, kind, poisson), weights) for p in torch.split(at, 1024)]
        return torch.cat(parts)

    def jacobian(at: Tensor) -> Tensor:
        step = 1e-4 * x.std(0)
        columns = []
        for i in range(d):
            shift = torch.zeros(d, dtype=x.dtype)
            shift[i] = step[i]
            columns.append((value(at + shift) - value(at - shift)) / (2 * step[i]))
        return torch.stack(columns, 2)

    spread = (y[judge] - y.mean(0)).square().sum(1).mean()
    return _Fit(value, jacobian, float((value(x[judge]) - y[judge]).square().sum(1).mean() / spread))
