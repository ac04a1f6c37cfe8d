"""min ‖XCᵀ − Y‖² + γ‖L(C)‖_* over kernels K = Σ C_ab ψ_a(x)φ_b(y): as symmetric as the pairs allow.

Column j of L(C) is L_{ξ_j}F̂ = C M_j − E_j C, flattened, in units in which every candidate ξ_j has the size one on the
plain fit: M_j and E_j are what ξ_j does to the modes of inputs and outputs. Axis letters: n pairs, B and A modes,
P candidates, F = AB unknowns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.decision.halves import part_held_out
from symfind.errors import InputError
from symfind.kinds.operator.frame import OperatorFrame
from symfind.kinds.operator.integral_operator import FittedOperator, coefficients, wave_modes
from symfind.kinds.operator.operator import beyond_modes, mode_pencil
from symfind.kinds.operator.pencil import ModePencil
from symfind.kinds.operator.spatial import SpatialGrid
from symfind.linalg.nuclear import NuclearProblem, State
from symfind.linalg.thresholding import DenseMap
from symfind.promotion.settings import SETTINGS
from symfind.schema.promotion import PathEntry, RefitEntry

# Modes of inputs and outputs, whose product is the number of unknowns: whole shells of waves, |k| ≤ 14 on a line and
# |k| ≤ 3 in the plane, which translations map to themselves.
MOST_MODES = 29
# Weights of the nuclear norm, largest first, relative to the one at which it weighs as much as Y.
_PATH = (0.3, 0.03, 0.003, 0.0003)
# Weights of the squares along the directions found, relative likewise.
_REFITS = (1e6, 10.0, 0.1)
# Share of the training pairs on which weights are chosen.
_VALIDATION = 4
_TOLERANCE, _ITERATIONS = 1e-3, 400


@dataclass(frozen=True, eq=False)
class CommutatorMap:
    """L: C ↦ (C M_j − E_j C)_j, a matrix ``(A·B, P)`` linear in C.

    Attributes
    ----------
    inputs, outputs
        M_j ``(P, B, B)`` and E_j ``(P, A, A)``.
    """

    inputs: Tensor
    outputs: Tensor

    @property
    def size(self) -> int:
        """F."""
        return self.outputs.shape[1] * self.inputs.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(A·B, P)."""
        return self.size, self.inputs.shape[0]

    def __call__(self, w: Tensor) -> Tensor:
        """L(C) for C flattened."""
        c = w.reshape(self.outputs.shape[1], self.inputs.shape[1])
        return (c @ self.inputs - self.outputs @ c).flatten(1).T

    def adjoint(self, v: Tensor) -> Tensor:
        """Σ_j V_j M_jᵀ − E_jᵀV_j."""
        parts = v.T.reshape(-1, self.outputs.shape[1], self.inputs.shape[1])
        return (parts @ self.inputs.mT - self.outputs.mT @ parts).sum(0).flatten()

    def gram(self) -> Tensor:
        """L*L ``(F, F)``."""
        return self.squares(torch.eye(self.shape[1], dtype=self.inputs.dtype))

    def squares(self, directions: Tensor) -> Tensor:
        """Σ_k L_kᵀL_k over the candidates ``(P, K)``."""
        a, b = self.outputs.shape[1], self.inputs.shape[1]
        m = torch.einsum("pij,pk->kij", self.inputs, directions)
        e = torch.einsum("pij,pk->kij", self.outputs, directions)
        eye_a, eye_b = torch.eye(a, dtype=m.dtype), torch.eye(b, dtype=m.dtype)
        # C M − E C, rows flattened: (1 ⊗ Mᵀ − E ⊗ 1) vec C.
        cross = sum(torch.kron(e_k.T.contiguous(), m_k.T.contiguous()) for m_k, e_k in zip(m, e, strict=True))
        assert isinstance(cross, Tensor)
        whole = torch.kron(eye_a, (m @ m.mT).sum(0)) + torch.kron((e.mT @ e).sum(0), eye_b)
        return whole - cross - cross.T

    def dense(self) -> DenseMap:
        """L as numbers."""
        units = torch.eye(self.size, dtype=self.inputs.dtype)
        return DenseMap(torch.stack([self(unit) for unit in units], -1))


@dataclass(frozen=True, eq=False)
class PromotedKernel:
    """What was fitted.

    Attributes
    ----------
    fit
        The modes.
    plain, promoted
        C ``(A, B)`` without and with the penalty.
    symmetries
        Candidates along which the promoted kernel was made to commute.
    gamma
        γ that was chosen.
    path, refits
        What was tried.
    """

    fit: FittedOperator
    plain: Tensor
    promoted: Tensor
    symmetries: int
    gamma: float
    path: tuple[PathEntry, ...]
    refits: tuple[RefitEntry, ...]


def small_basis(grid: SpatialGrid, u: Tensor, v: Tensor) -> FittedOperator:
    """The lowest waves of the grid at both ends: what translations and turns map to itself, up to its edge.

    A penalty takes the place of a small number of modes, so that more are kept than a plain fit would choose; those
    of the outputs are all that hold 1e-4 of their mean square.
    """
    count = min(MOST_MODES, len(u) // 2)
    inputs = wave_modes(grid, u).first(count)
    outputs = wave_modes(grid, v).first(MOST_MODES)
    x = (u @ inputs.columns) / inputs.size
    return FittedOperator(inputs, len(inputs.size), outputs, x, v @ outputs.columns, 1.0, 0.0)


def promoted_kernel(
    frame: OperatorFrame, fit: FittedOperator, group: Tensor | None, generator: torch.Generator
) -> PromotedKernel:
    """The kernel with the nuclear norm of its Lie derivatives, weights chosen on a quarter of the pairs.

    Pairs of one ``group`` ``(n,)`` are chosen on together, or fitted together.
    """
    n = len(fit.x)
    unseen, seen = part_held_out(n, n // _VALIDATION, group, generator)
    every = mode_pencil(frame, fit, torch.arange(n))
    plain = coefficients(fit.x.T @ fit.x, fit.x.T @ fit.y)
    lie = _whitened(every, fit.x, plain, beyond_modes(frame, fit, plain, torch.arange(n)))
    gram = lie.gram()

    def missed(c: Tensor) -> float:
        gap = fit.x[unseen] @ c.T - fit.y[unseen]
        return float(gap.square().sum() / fit.y[unseen].square().sum())

    a, b = fit.y.shape[1], fit.x.shape[1]
    theta, y = _system(fit.x[seen], fit.y[seen])
    problem = NuclearProblem(theta, y, lie, gram=gram)
    unit = float(y.square().sum()) / max(float(torch.linalg.svdvals(lie(plain.flatten())).sum()), 1e-300)
    start: State | None = None
    path: list[PathEntry] = []
    best: tuple[float, float, Tensor, Tensor] | None = None  # … and the candidates, those with least L first
    for share in _PATH:
        solved = problem.solve(share * unit, start=start, tolerance=_TOLERANCE, most=_ITERATIONS)
        start, c = solved.state, solved.w.reshape(a, b)
        sigma, vh = torch.linalg.svd(solved.z, full_matrices=False)[1:]
        error = missed(c)
        path.append(
            PathEntry(
                gamma=share * unit, symmetries=int((sigma <= SETTINGS.kernel_zero * sigma.max()).sum()), error=error
            )
        )
        if best is None or error < best[0]:
            best = (error, share * unit, c, vh.flip(0).T)
    assert best is not None
    error, gamma, nuclear, order = best
    c, count, refits = nuclear, 0, list[RefitEntry]()
    whole, weight = _system(fit.x, fit.y), 0.0
    for k in range(1, order.shape[1] + 1):
        squares = lie.squares(order[:, :k])
        errors = [(missed(_penalised(theta, y, squares, share, (a, b))), share) for share in _REFITS]
        found, share = next(
            pair for pair in errors if pair[0] <= (1 + SETTINGS.kernel_tie) * min(errors)[0]
        )  # the largest weight first
        refits.append(RefitEntry(symmetries=k, error=found))
        if found <= (1 + SETTINGS.kernel_tie) * error:
            weight, count, error = share, k, min(error, found)
    if count:
        c = _penalised(*whole, lie.squares(order[:, :count]), weight, (a, b))
    alone = coefficients(fit.x[seen].T @ fit.x[seen], fit.x[seen].T @ fit.y[seen])
    if missed(alone) < error:
        c, count = plain, 0
    # Only under the largest weight are the Lie derivatives zero, rather than small.
    exact = count if weight == max(_REFITS) else 0
    return PromotedKernel(fit, plain, c, exact, gamma, tuple(path), tuple(refits))


def _system(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Θ ``(F, F)`` and y ``(F,)`` with the same squares as the rows, less a constant."""
    q, r = torch.linalg.qr(x)
    return torch.kron(torch.eye(y.shape[1], dtype=x.dtype), r.contiguous()), (q.T @ y).T.flatten()


def _penalised(theta: Tensor, y: Tensor, squares: Tensor, share: float, shape: tuple[int, int]) -> Tensor:
    """Minimiser of ‖Θw − y‖² + μwᵀGw, μ in units in which both forms have one trace."""
    data = theta.T @ theta
    mu = share * float(data.trace()) / max(float(squares.trace()), 1e-300)
    scale = float(data.trace()) / len(data)
    eye = torch.eye(len(data), dtype=data.dtype)
    solved: Tensor = torch.linalg.solve(data + mu * squares + 1e-10 * scale * eye, theta.T @ y)
    return solved.reshape(shape)


def _whitened(pencil: ModePencil, x: Tensor, c: Tensor, beyond: Tensor) -> CommutatorMap:
    """L on candidates that are orthonormal in the size S of the plain fit.

    Left out are directions without size, and those that these fields cannot judge: they lead beyond the modes or do
    not close at the ends of the grid (a factor ``(P, P)`` says by how much), and no kernel commutes with them.

    Raises
    ------
    InputError
        None is left.
    """
    moved = torch.einsum("npb,nc->pcb", pencil.moved, x) / len(x)  # (P, B, B): x ↦ x M_j
    weight = torch.linalg.inv(x.T @ x / len(x))
    inputs = (weight @ moved).mT  # C M_j acts on x as C X_j
    _, s = pencil.grams(c, torch.full((len(x),), 1.0 / len(x), dtype=x.dtype))
    values, axes = torch.linalg.eigh(s)
    keep = values > 1e-12 * values[-1]
    root = axes[:, keep] / values[keep].sqrt()
    _, omega, vh = torch.linalg.svd(beyond @ root / len(x) ** 0.5)
    judged = vh[omega < SETTINGS.beyond_modes].T
    if judged.shape[1] == 0:
        raise InputError(
            "no candidate can be judged on these fields: what it makes of them leaves the lowest waves of the grid, or "
            "crosses its ends; give a finer sampled or smoother map, or --space translations on a periodic grid"
        )
    root = root @ judged
    return CommutatorMap(torch.einsum("pij,pk->kij", inputs, root), torch.einsum("pij,pk->kij", pencil.outputs, root))


class KernelModule(nn.Module):
    """u ↦ Ψ C Φᵀu on the grid: the promoted map as a module that TorchScript saves."""

    def __init__(self, fit: FittedOperator, c: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        kept = fit.inputs.first(fit.count)
        self.analysis = nn.Parameter((kept.columns / kept.size).contiguous(), requires_grad=False)
        self.kernel = nn.Parameter(c.contiguous(), requires_grad=False)
        self.synthesis = nn.Parameter(fit.outputs.columns.contiguous(), requires_grad=False)
        self.shape = list(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Fields ``(n, …)`` to fields ``(n, c′, *grid)``."""
        out = x.flatten(1) @ self.analysis @ self.kernel.T @ self.synthesis.T
        return out.reshape([x.shape[0]] + self.shape)
