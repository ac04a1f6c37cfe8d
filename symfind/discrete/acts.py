"""What a finite candidate may do to F(x): nothing, a sign, g itself; and which of them fits best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discrete.finite import Move, order_of
from symfind.discrete.output_matrix import BY_MATRIX, output_words, signed_permutation_near, solved_output
from symfind.discrete.settings import SETTINGS
from symfind.lie_derivative import Bracket, Commuting, Free, Invariant, LieDerivative, OutputAction


@dataclass(frozen=True)
class Act:
    """A candidate and what it does to F(x), flattened.

    Attributes
    ----------
    move
        G on x.
    output
        B ``(M, M)``; None for a distribution, which has no F.
    about
        B in words; empty for the identity.
    free
        Whether B was solved for: it then follows from G.
    """

    move: Move
    output: Tensor | None
    about: str
    free: bool = False


def measured(derivative: LieDerivative, y: Tensor) -> Tensor:
    """H^{1/2}y ``(…, k′h)`` for y ``(…, k′m)``."""
    shaped = y.reshape(*y.shape[:-1], *derivative.output_objects)
    return (shaped @ derivative.geometry.outputs).flatten(-2)


def centre(derivative: LieDerivative, x: Tensor) -> Tensor:
    """EF, or zero for a flow, which is measured about rest."""
    value = derivative.map(x).reshape(len(x), -1)
    return torch.zeros_like(value[0]) if isinstance(derivative.action, Bracket) else value.mean(0)


def outputs_of(
    action: OutputAction, objects: tuple[int, int], output_objects: tuple[int, int], move: Move
) -> list[tuple[Tensor, str]]:
    """Matrices B ``(M, M)`` that a candidate may act on F(x) by, in words; (k, d) of x and (k′, m) of F(x)."""
    k_out, m = output_objects
    eye = torch.eye(k_out * m, dtype=torch.float64)
    likewise = _likewise(objects, output_objects, move)
    if isinstance(action, Bracket) and likewise is not None:
        return [(likewise, "dx/dt likewise"), (-likewise, "with time turned around")]
    if isinstance(action, Commuting) and likewise is not None:
        return [(likewise, "the next x likewise")]
    found = [(eye, "")]
    if isinstance(action, Invariant) and k_out * m > 1:
        return found
    found.append((-eye, "y → −y"))
    if likewise is not None and k_out * m > 1:
        found += [(likewise, "y likewise"), (-likewise, "y likewise, with the other sign")]
    return found


def _likewise(objects: tuple[int, int], output_objects: tuple[int, int], move: Move) -> Tensor | None:
    """B ``(M, M)`` that moves F(x) as x is moved; None where F(x) has another size."""
    k_out, m = output_objects
    if objects[0] * objects[1] == k_out * m:
        return move.matrix
    if move.point is not None and m == objects[1]:
        return torch.kron(torch.eye(k_out, dtype=torch.float64), move.point)
    return None


def solved(move: Move, output_objects: tuple[int, int], value: Tensor, at: Tensor) -> Tensor:
    """B ``(M, M)`` by least squares from F(x) and F(gx) ``(n, M)``, one for all objects that keep places."""
    k_out, m = output_objects
    value, at, order = value.double().cpu(), at.double().cpu(), order_of(move.matrix)
    if move.point is None or k_out == 1:
        return solved_output(value, at, order)
    one = solved_output(value.reshape(-1, m), at.reshape(-1, m), order)
    return torch.kron(torch.eye(k_out, dtype=torch.float64), one)


def _free_act(derivative: LieDerivative, x: Tensor, move: Move) -> Act:
    """B solved for; a signed permutation of y where that does as well."""
    value = derivative.map(x).reshape(len(x), -1)
    at = derivative.map((x.flatten(1) @ move.matrix.T.to(x)).reshape(x.shape)).reshape(len(x), -1)
    act = Act(move, solved(move, derivative.output_objects, value, at), BY_MATRIX, free=True)
    assert act.output is not None
    simple = signed_permutation_near(act.output)
    if simple is None:
        return act
    named = Act(
        move, simple, output_words(simple, _likewise(derivative.objects, derivative.output_objects, move)), True
    )
    worse = plain_defect(derivative, x, named) - plain_defect(derivative, x, act)
    return named if worse <= SETTINGS.simple else act


def best_act(derivative: LieDerivative, x: Tensor, move: Move) -> Act:
    """The action on F(x) of least plain defect; where it is free, the matrix that is solved for."""
    if isinstance(derivative.action, Free):
        return _free_act(derivative, x, move)
    value = derivative.map(x).reshape(len(x), -1)
    at = derivative.map((x.flatten(1) @ move.matrix.T.to(x)).reshape(x.shape)).reshape(len(x), -1)
    options = outputs_of(derivative.action, derivative.objects, derivative.output_objects, move)
    sizes = [float(measured(derivative, at - value @ b.T.to(value)).square().sum()) for b, _ in options]
    output, about = options[min(range(len(sizes)), key=sizes.__getitem__)]
    return Act(move, output, about)


def plain_defect(derivative: LieDerivative, x: Tensor, act: Act) -> float:
    """ρ_g of F itself at points, without bounds."""
    assert act.output is not None
    value = derivative.map(x).reshape(len(x), -1)
    at = derivative.map((x.flatten(1) @ act.move.matrix.T.to(x)).reshape(x.shape)).reshape(len(x), -1)
    square = measured(derivative, at - value @ act.output.T.to(value)).square().sum()
    spread = measured(derivative, value - centre(derivative, x)).square().sum()
    return float((square / (2 * spread).clamp(min=1e-300)).sqrt())
