"""Δ_e(t, x, u, u_t, u_x, …) = 0: differential equations as typed, on the derivatives of solutions."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.expressions import Expression, parse_expression
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.settings import SETTINGS

# The highest derivative that can be measured from a grid with any confidence.
MOST_ORDER = 5
# Of derivatives: 40 components on four axes; listing them takes 0.2 s.
_MOST_NAMES = 60_000
# Of a system; each has at least one unknown.
_MOST_EQUATIONS = 64
# A Newton step is exact for equations that are linear in their highest derivatives; a few more serve the others.
_STEPS = 12
# Residual, relative to the equation's terms, below which a point lies on the equation.
_SOLVED = 1e-11


@dataclass(frozen=True)
class Linearised:
    """Δ and its derivatives at n points.

    Attributes
    ----------
    value
        ``(n, E)``.
    slopes
        ∂Δ_e/∂u_J ``(n, E, C)`` for the C coordinates of the equation.
    explicit
        ∂Δ_e/∂x_i ``(n, E, q)``.
    by_parameter
        ∂Δ_e/∂a ``(n, E, P)``.
    """

    value: Tensor
    slopes: Tensor
    explicit: Tensor
    by_parameter: Tensor


@dataclass(frozen=True)
class Equation:
    """A system of E differential equations.

    Attributes
    ----------
    text
        As it was typed, or as it reads.
    independent, dependent
        Names of the variables.
    sides
        The E left sides Δ_e, the right sides taken to the left.
    coordinates
        (component, J) of every u_J in them; u itself is J = 0.
    parameters
        Names and values of numbers that were fitted; they stand in the formulas by name.
    """

    text: str
    independent: tuple[str, ...]
    dependent: tuple[str, ...]
    sides: tuple[Expression, ...]
    coordinates: tuple[tuple[int, MultiIndex], ...]
    parameters: tuple[tuple[str, float], ...] = ()

    @property
    def order(self) -> int:
        """The highest order of a derivative."""
        return max(sum(j) for _, j in self.coordinates)

    @cached_property
    def theta(self) -> Tensor:
        """Values of the parameters ``(P,)``."""
        return torch.tensor([value for _, value in self.parameters], dtype=torch.float64)

    @property
    def lines(self) -> int:
        """E, how many equations."""
        return len(self.sides)

    @property
    def tied(self) -> frozenset[MultiIndex]:
        """The J at which Δ is known only where they occur together in the data: none of a formula."""
        return frozenset()

    @property
    def functions(self) -> int | None:
        """How many functions Δ is a sum of where it has no formula."""
        return None

    @property
    def autonomous(self) -> bool:
        """Whether Δ is surely the same at every place; not asked of a formula."""
        return False

    def with_parameters(self, theta: Tensor) -> Equation:
        """The same with other numbers."""
        pairs = zip((name for name, _ in self.parameters), theta.tolist(), strict=True)
        return replace(self, parameters=tuple(pairs))

    @cached_property
    def needed(self) -> tuple[MultiIndex, ...]:
        """Every J whose u_J enters the determining equations: all K ≤ J for the J of Δ, and K + i for K < J."""
        q = len(self.independent)
        unit = [tuple(int(a == i) for a in range(q)) for i in range(q)]
        found = set()
        for _, j in self.coordinates:
            for k in product(*(range(a + 1) for a in j)):
                found.add(k)
                if k != j:
                    found |= {tuple(a + b for a, b in zip(k, e, strict=True)) for e in unit}
        return tuple(sorted(found, key=lambda j: (sum(j), j)))

    def linearised(self, jets: JetSample, *, slopes: bool = True) -> Linearised:
        """Δ and, unless only its value is wanted, ∂Δ/∂u_J, ∂Δ/∂x_i and ∂Δ/∂a at the points.

        Raises
        ------
        InputError
            If the equation is not finite there.
        """
        n = jets.points.shape[0]
        leaves = [jets.derivatives[j][:, c].detach().clone() for c, j in self.coordinates]
        places = [x.detach().clone() for x in jets.points.unbind(1)]
        numbers = [torch.full((n,), value, dtype=jets.points.dtype) for _, value in self.parameters]
        inputs = [*leaves, *places, *numbers]
        for leaf in inputs:
            leaf.requires_grad_(slopes)
        names = [*(jets.name(j, c) for c, j in self.coordinates), *self.independent, *(a for a, _ in self.parameters)]
        values = dict(zip(names, inputs, strict=True))
        value, rows = [], []
        with torch.set_grad_enabled(slopes):
            for side in self.sides:
                delta = side(values)
                value.append(delta.detach())
                if not slopes:
                    continue
                grads = torch.autograd.grad(delta.sum(), inputs, allow_unused=True)
                rows.append(torch.stack([torch.zeros(n) if g is None else g.detach() for g in grads], -1).to(delta))
        stacked = torch.stack(value, 1)
        if not bool(torch.isfinite(stacked).all()):
            raise InputError(f"the equation '{self.text}' is not finite on the data; check its formula")
        if not slopes:
            none = stacked.new_zeros(n, len(self.sides), 0)
            return Linearised(stacked, none, none, none)
        c, q = len(leaves), len(places)
        every = torch.stack(rows, 1)
        return Linearised(stacked, every[..., :c], every[..., c : c + q], every[..., c + q :])

    def terms(self, jets: JetSample, linearised: Linearised) -> Tensor:
        """Root mean square ``(E,)`` of √Σ(∂Δ_e/∂u_J · u_J)², the size that a residual is measured by.

        With the part of Δ that has no u at all, as a source term. A derivative that is zero throughout (u_tx in
        u_tx = 0) counts by what it would be if u varied over the whole domain, times ``SETTINGS.over_the_domain``.
        """
        own = torch.stack([jets.derivatives[j][:, c] for c, j in self.coordinates], 1)
        parts = linearised.slopes * own[:, None, :]
        rest = linearised.value - parts.sum(2)
        size = parts.square().sum(2) + rest.square() + self.over_the_domain(jets, linearised)
        return size.mean(0).sqrt().clamp(min=1e-300)

    def over_the_domain(self, jets: JetSample, linearised: Linearised) -> Tensor:
        """Σ_J (∂Δ_e/∂u_J · σ_u/∏σ_i^{J_i})² ``(n, E)``, small: a size for equations whose terms are all zero."""
        place, value = jets.points.std(0, correction=0), jets.values.std(0, correction=0)
        place = torch.where(place > 0, place, torch.ones_like(place))
        natural = torch.stack([value[c] / (place ** torch.tensor(j)).prod() for c, j in self.coordinates])
        return SETTINGS.over_the_domain**2 * (linearised.slopes * natural).square().sum(2)

    def residual(self, jets: JetSample) -> tuple[Tensor, Tensor]:
        """Root mean square of Δ_e over the size of its terms ``(E,)``, and what errors of derivatives would give."""
        at = self.linearised(jets)
        size = self.terms(jets, at)
        errors = torch.stack([jets.errors[j][c] for c, j in self.coordinates])
        expected = (at.slopes.square().mean(0) * errors.square().to(at.slopes)).sum(1).sqrt()
        return at.value.square().mean(0).sqrt() / size, expected / size

    def solved(self, jets: JetSample) -> tuple[JetSample, Tensor]:
        """The nearest points on Δ = 0, distances in units of the errors of each derivative, and which points have one.

        u and its variables stay; only derivatives are moved. A point on the equation serves the determining equations
        exactly, whatever the error of the data: noise does not enter them.
        """
        moved = [i for i, (_, j) in enumerate(self.coordinates) if any(j)]
        weight = torch.zeros(len(self.coordinates), dtype=jets.points.dtype)
        for i in moved:
            c, j = self.coordinates[i]
            column = jets.derivatives[j][:, c]
            rms = float(column.square().mean().sqrt())
            # The floor lets exact data move too; a derivative that is zero throughout may move like the others.
            weight[i] = float(jets.errors[j][c]) ** 2 + (1e-9 * rms) ** 2 or 1e-18
        derivatives = {j: v.clone() for j, v in jets.derivatives.items()}
        current = replace(jets, derivatives=derivatives)
        size = self.terms(jets, self.linearised(jets))
        for _ in range(_STEPS):
            at = self.linearised(current)
            if bool((at.value.abs() <= _SOLVED * size).all()):
                break
            gram = torch.einsum("nec,c,nfc->nef", at.slopes, weight / weight.max(), at.slopes)
            small = 1e-14 * gram.diagonal(dim1=1, dim2=2).amax(1).clamp(min=1e-300)
            ridge = small[:, None, None] * torch.eye(gram.shape[1], dtype=gram.dtype)
            multiplier = torch.linalg.solve(gram + ridge, at.value)
            step = torch.einsum("nec,c,ne->nc", at.slopes, weight / weight.max(), multiplier)
            for i in moved:
                c, j = self.coordinates[i]
                derivatives[j][:, c] -= step[:, i]
        value = self.linearised(current, slopes=False).value
        held = (value.abs() <= 1e3 * _SOLVED * size).all(1)
        return current, held


def parse_equation(text: str | Sequence[str], independent: Sequence[str], dependent: Sequence[str]) -> Equation:
    """``u_t + u*u_x + u_xxx = 0``, or several, separated by ``;`` or as a list.

    Letters after the underscore may stand in any order (u_xt is u_tx).

    Raises
    ------
    UsageError
        With a caret under the fault: no formula, a name that the data do not have, no derivative at all.
    """
    parts = text.split(";") if isinstance(text, str) else list(text)
    parts = [part for part in parts if part.strip()]
    if not parts:
        raise UsageError('the equation is empty; give one such as "u_t + u*u_x + u_xxx = 0"')
    if len(parts) > _MOST_EQUATIONS:
        raise UsageError(f"{len(parts)} equations are given, at most {_MOST_EQUATIONS} are read; give fewer")
    names = _jet_names(tuple(independent), tuple(dependent))
    return make_equation("; ".join(p.strip() for p in parts), parts, independent, dependent, names, ())


def make_equation(
    text: str,
    parts: Sequence[str | Sequence[str]],
    independent: Sequence[str],
    dependent: Sequence[str],
    names: Mapping[str, tuple[int, MultiIndex]] | None,
    parameters: tuple[tuple[str, float], ...],
) -> Equation:
    """An equation from its formulas, which may use names of parameters; several in place of one are its summands."""
    names = _jet_names(tuple(independent), tuple(dependent)) if names is None else names
    free = (*independent, *(a for a, _ in parameters))
    sides = tuple(_side(part, names, free, dependent) for part in parts)
    used = {
        names[node.id]
        for side in sides
        for node in ast.walk(side.tree)
        if isinstance(node, ast.Name) and node.id in names
    }
    if not any(sum(j) for _, j in used):
        raise UsageError(f"the equation '{text}' has no derivative of {', '.join(dependent)}; write them as u_t, u_xx")
    coordinates = tuple(sorted(used, key=lambda cj: (cj[0], sum(cj[1]), cj[1])))
    return Equation(text, tuple(independent), tuple(dependent), sides, coordinates, parameters)


def _jet_names(independent: tuple[str, ...], dependent: tuple[str, ...]) -> dict[str, tuple[int, MultiIndex]]:
    """Every way to write a derivative up to :data:`MOST_ORDER`, with (component, J)."""
    count = len(dependent) * sum(len(independent) ** order for order in range(MOST_ORDER + 1))
    if count > _MOST_NAMES:
        raise UsageError(
            f"{len(dependent)} components on {len(independent)} axes have {count:,} derivatives, at most "
            f"{_MOST_NAMES:,} are named; give fewer components"
        )
    out: dict[str, tuple[int, MultiIndex]] = {}
    for c, name in enumerate(dependent):
        out[name] = (c, (0,) * len(independent))
        for order in range(1, MOST_ORDER + 1):
            for letters in product(independent, repeat=order):
                out[f"{name}_{''.join(letters)}"] = (c, tuple(letters.count(x) for x in independent))
    return out


def _side(
    part: str | Sequence[str],
    names: Mapping[str, tuple[int, MultiIndex]],
    free: Sequence[str],
    dependent: Sequence[str],
) -> Expression:
    """Left minus right, names of derivatives in their standard order."""
    if not isinstance(part, str):
        summands = [_side(piece, names, free, dependent) for piece in part]
        total = summands[0].tree
        for summand in summands[1:]:
            total = ast.BinOp(left=total, op=ast.Add(), right=summand.tree)
        return Expression(" + ".join(part), summands[0].variables, total)
    known = [*free, *dependent, *(f"{dependent[0]}_{x}" for x in free[:3]), "…"]
    pieces = part.split("=")
    if len(pieces) > 2:
        column = len(pieces[0]) + len(pieces[1]) + 1
        raise UsageError(
            f"an equation has one '=': '{part}' at column {column + 1}", (f"    {part}", f"    {' ' * column}^")
        )
    variables = [*free, *names]
    parsed, start = [], 0
    for piece in pieces:
        parsed.append(parse_expression(piece, variables, known=known, within=(part, start)))
        start += len(piece) + 1
    tree = parsed[0].tree
    if len(parsed) == 2:
        tree = ast.BinOp(left=tree, op=ast.Sub(), right=parsed[1].tree)
    standard = _Standard(names).visit(tree)
    return Expression(part.strip(), tuple(variables), standard)


class _Standard(ast.NodeTransformer):
    """Derivatives renamed so that their letters stand in the order of the independent variables."""

    def __init__(self, names: Mapping[str, tuple[int, MultiIndex]]) -> None:
        self.names = names
        self.first: dict[tuple[int, MultiIndex], str] = {}
        for name, at in names.items():
            # Names are listed with their letters in lexical order of the variables: the standard one comes first.
            self.first.setdefault(at, name)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        at = self.names.get(node.id)
        return ast.Name(id=node.id if at is None else self.first[at], ctx=ast.Load())
