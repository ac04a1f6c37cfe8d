"""‖g ↦ ρ_out(g)⁻¹F(ρ_in(g)x) − its mean‖² by degree (Peter, Weyl 1927), by irreducible part of F, and by row.

F is equivariant exactly where f_x(g) = ρ_out(g)⁻¹F(ρ_in(g)x) does not depend on g; its mean over the group is the
equivariant map nearest to F. A function on a compact group of matrices has the *degree* p if it is a polynomial of
degree p, and of no lower one, in the entries of g: orders of Fourier series on so(2), degrees of Wigner's D on so(3),
twice the spin on su(2). Functions of different degrees are orthogonal; the degrees of f_x are those in which F fails.

Axis letters: q nodes, n rows, m outputs, p degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance, Function, kinds
from symfind.equivariance.settings import SETTINGS, EnforceSettings
from symfind.lie.groups.haar import HaarQuadrature
from symfind.lie.groups.matrix_groups import CompactGroup
from symfind.lie.groups.representations import of_word
from symfind.lie.weights.labels import called
from symfind.lie.weights.real_parts import MOST_COORDINATES, real_parts
from symfind.linalg.subspaces import UnclearRank
from symfind.schema.enforcement import ErrorSpectrum, PartScored, RowScored

_F64 = torch.float64
# Eigenvalues of a projection times a projection are 0 by rounding, or of the size of 1/d.
_DETECTED = 1e-8
_TINY = torch.finfo(_F64).tiny


@dataclass(frozen=True, eq=False)
class Part:
    """The isotypic part of the outputs that has one name: orthonormal columns ``(m, k)``, of ``copies`` parts."""

    label: str
    copies: int
    basis: Tensor


def degrees_of(rule: HaarQuadrature, highest: int) -> list[Tensor]:
    """Orthonormal bases ``(q, k)`` of the functions of degree 1, 2, … on the nodes, in the weights of the rule.

    Functions of degree p are products of those of degree p − 1 with entries of g, less what is of lower degree. They
    are given times √w, so that sums over nodes are integrals; the rule has to be exact to twice the highest degree.
    """
    root = rule.weights.sqrt()
    entries = rule.nodes.flatten(1)
    lower = root[:, None]
    new, out = lower, list[Tensor]()
    for _ in range(highest):
        # The span of the products, by its Gram matrix over the nodes; what is lower is taken off on both sides.
        gram = (new @ new.T) * (entries @ entries.T)
        gram = gram - lower @ (lower.T @ gram)
        gram = gram - (gram @ lower) @ lower.T
        values, vectors = torch.linalg.eigh(0.5 * (gram + gram.T))
        new = vectors[:, values > _DETECTED * max(float(values[-1]), 1.0)]
        if new.shape[1] == 0:
            break
        out.append(new)
        lower = torch.cat([lower, new], 1)
    return out


def parts_of(task: Equivariance) -> list[Part]:
    """Isotypic parts of ρ_out under the connected group, largest dimension first; one part where they are not told."""
    m, rep = task.output_width, task.rep_out
    whole = [Part("all outputs", 1, torch.eye(m, dtype=_F64))]
    if not rep.is_orthogonal or task.coordinates is not None or task.group.is_finite or rep.dim != m:
        return whole
    name = task.group.name.replace("o(", "so(") if task.group.name.startswith("o(") else task.group.name
    columns: dict[str, list[Tensor]] = {}
    copies: dict[str, int] = {}
    for word, places in kinds(rep):
        images = of_word(task.group, word).drho(task.group.generators)
        size = images.shape[-1]
        if size > MOST_COORDINATES:
            return whole
        if float(images.abs().max()) == 0.0:
            found = [("scalar", torch.eye(size, dtype=_F64))]
            count = {"scalar": size}
        else:
            rows = torch.linalg.svd(images.flatten(1), full_matrices=False)
            rank = int((_DETECTED * rows.S[0] < rows.S).sum())
            try:
                told = real_parts(rows.Vh[:rank].reshape(rank, size, size), 1e-12)
            except UnclearRank:
                return whole
            if told is None:
                return whole
            system, parts = told
            labels = called(parts, system, name)
            found = [(label, part.basis) for label, part in zip(labels, parts, strict=True)]
            count = {label: labels.count(label) for label in labels}
        for label, number in count.items():
            copies[label] = copies.get(label, 0) + number * len(places)
        for label, basis in found:
            for index in places:
                placed = torch.zeros(m, basis.shape[1], dtype=_F64)
                placed[index] = basis
                columns.setdefault(label, []).append(placed)
    made = [Part(label, copies[label], torch.cat(held, 1)) for label, held in columns.items()]
    return sorted(made, key=lambda p: (-(p.basis.shape[1] // p.copies), p.label))


def error_spectrum(
    function: Function,
    task: Equivariance,
    x: Tensor,
    indices: Tensor,
    rng: torch.Generator,
    digit: float = torch.finfo(_F64).eps,
    settings: EnforceSettings = SETTINGS,
) -> ErrorSpectrum | str:
    """By how much F misses its mean over the group: in all, by part, by degree and by row; or why that is not told.

    Parameters
    ----------
    function
        F.
    task
        A compact group with its representations.
    x, indices
        Rows ``(n, *input_shape)`` and their numbers in the file.
    rng
        Of the element by which the nodes are turned for the check of the quadrature.
    digit
        The relative last digit of the values of F.

    Notes
    -----
    Errors are root mean squares over rows and group of what is outside the mean, in the units of F. Shares of degrees
    sum with ``above`` to one. The quadrature is checked on a quarter of the rows by a second one, turned by
    a random element.
    """
    group = task.group
    if not isinstance(group, CompactGroup):
        return f"{group.name} is not compact: it has no mean, and errors have no degrees"
    rule = _rule(group, settings)
    if rule is None:
        return (
            f"{group.name} has no quadrature of at most {settings.spectrum_nodes} nodes: errors are not told by degree"
        )
    count = min(settings.spectrum_rows, int(settings.spectrum_evaluations) // len(rule.nodes))
    x, indices = x[:count], indices[:count]
    few = max(1, len(x) // 4)
    bases = degrees_of(
        rule, settings.highest_degree if group.is_finite else min(settings.highest_degree, rule.degree // 2)
    )
    parts = parts_of(task)
    turned = group.sample(1, rng)[0]
    values = _pulled_back(function, task, rule.nodes, x)
    first = _squares(values, rule, bases, parts)
    second = _squares(_pulled_back(function, task, rule.nodes @ turned, x[:few]), rule, bases, parts)
    held = values.reshape(len(values), len(x), -1)
    mean = _mean(held, rule)
    # The mean has rounding of the size of F: what is smaller is none.
    size = float(held.square().sum(-1).mean())
    floor = (settings.roundings * digit) ** 2 * size
    total = first.sum(-1)  # (n, parts)
    whole = float(total.sum(1).mean())
    unit = float((mean - mean.mean(0)).square().sum(1).mean()) + whole  # the variance of F over rows and group
    rows = total.sum(1)
    worst = rows.argsort(descending=True)[: settings.worst_rows] if whole > floor else rows.new_empty(0).long()
    return ErrorSpectrum(
        rms=max(whole, 0.0) ** 0.5 if whole > floor else 0.0,
        relative=(whole / unit) ** 0.5 if whole > floor and unit > 0 else 0.0,
        degrees=tuple(range(1, len(bases) + 1)),
        shares=_shares(first.sum(1).mean(0), floor)[:-1],
        above=_shares(first.sum(1).mean(0), floor)[-1],
        parts=tuple(
            PartScored(
                label=part.label,
                copies=part.copies,
                rms=float(total[:, i].mean()) ** 0.5 if float(total[:, i].mean()) > floor else 0.0,
                shares=_shares(first[:, i].mean(0), floor)[:-1],
                above=_shares(first[:, i].mean(0), floor)[-1],
            )
            for i, part in enumerate(parts)
        ),
        worst=tuple(RowScored(row=int(indices[i]), rms=float(rows[i]) ** 0.5) for i in worst),
        rows=len(x),
        nodes=len(rule.nodes),
        exact_to=None if group.is_finite else rule.degree,
        quadrature_error=float(
            (first[:few].sum(1).mean(0) - second.sum(1).mean(0)).abs().max() / max(whole, floor, _TINY)
        ),
    )


def _rule(group: CompactGroup, settings: EnforceSettings) -> HaarQuadrature | None:
    """The exact rule of the highest degree within the nodes, or all elements; None where there is none."""
    if group.is_finite:
        rule = group.haar(1, max_nodes=settings.spectrum_nodes)
        return rule if rule.exact else None
    if group.node_count is None:
        return None
    fitting = [d for d in range(2, 4 * settings.highest_degree + 1) if group.node_count(d) <= settings.spectrum_nodes]
    return group.haar(max(fitting), max_nodes=settings.spectrum_nodes) if fitting else None


def _pulled_back(function: Function, task: Equivariance, nodes: Tensor, x: Tensor) -> Tensor:
    """ρ_out(g)⁻¹F(ρ_in(g)x) ``(q, n, m)`` at all nodes and rows."""
    inverse = torch.linalg.inv(nodes)
    out = []
    for g, back in zip(nodes, inverse, strict=True):
        y = function(task.moved_input(g.expand(len(x), -1, -1), x))
        out.append(task.moved_output(back.expand(len(x), -1, -1), y).reshape(len(x), -1).double())
    return torch.stack(out)


def _mean(values: Tensor, rule: HaarQuadrature) -> Tensor:
    """Σ wᵢ fᵢ ``(n, m)``; taken twice, as weights sum to one but for the rounding of their number."""
    first = torch.einsum("q,qnm->nm", rule.weights, values)
    return first + torch.einsum("q,qnm->nm", rule.weights, values - first)


def _squares(values: Tensor, rule: HaarQuadrature, bases: list[Tensor], parts: list[Part]) -> Tensor:
    """Squared norms ``(n, parts, p + 1)`` by degree, the last of all higher ones."""
    root = rule.weights.sqrt()
    weighted = root[:, None, None] * (values - _mean(values, rule))
    out = []
    for part in parts:
        inside = (weighted @ part.basis).flatten(1)  # (q, n·k)
        shape = (values.shape[1], -1)
        each = [(b.T @ inside).square().sum(0).reshape(shape).sum(1) for b in bases]
        rest = inside.square().sum(0).reshape(shape).sum(1) - sum(each)
        out.append(torch.stack([*each, rest.clamp(min=0.0)], -1))
    return torch.stack(out, 1)


def _shares(squares: Tensor, floor: float) -> tuple[float, ...]:
    """Shares of the sum; zeros where it is rounding."""
    whole = float(squares.sum())
    return tuple((squares / whole).tolist()) if whole > floor else (0.0,) * len(squares)
