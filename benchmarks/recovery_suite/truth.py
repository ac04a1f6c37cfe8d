"""The exact algebra and the true ρ of a problem, from the exact F and its exact derivative.

Written against the definition of the relative defect alone, in numpy; it shares no code with the program it judges.
Axis letters: n points, k objects of dimension d, m outputs, p fields, P unknowns, D rank of the support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recovery_suite.problem import Data, TorchMap

Array = NDArray[np.float64]
# A direction is exact when its ρ is rounding: the pencil of an exact F has null directions near 1e-13.
EXACT = 1e-9
# Rows enter the pencil up to this many: ρ over 3,000 rows is within 2 % of ρ over all of them.
MOST_ROWS = 3000
# Directions whose size on the data is below this share of the largest do not act on the data.
TRIVIAL = 1e-7


@dataclass(frozen=True)
class Truth:
    """What is exactly true of a problem.

    Attributes
    ----------
    dimension
        Number of exact directions.
    gap
        The smallest true ρ outside the algebra; NaN where every direction is exact.
    basis
        ``(P, dimension)``, exact unknowns: A row by row, then b, then the output action.
    """

    dimension: int
    gap: float
    basis: Array


@dataclass(frozen=True)
class Pencil:
    """‖Mc‖² and ‖Sc‖² are numerator and denominator of ρ², as means over the rows; ``white`` turns A into A_w."""

    m: Array
    s: Array

    def defects(self, vectors: Array) -> Array:
        """ρ of each column of ``(P, K)``; infinite for a field that acts as zero, which is no symmetry."""
        numerator, size = np.square(self.m @ vectors).sum(0), np.square(self.s @ vectors).sum(0)
        return np.asarray(np.sqrt(np.divide(numerator, size, out=np.full_like(size, np.inf), where=size > 0)))

    def truth(self) -> Truth:
        """Generalised singular values, directions that do not act dropped."""
        values, vectors = generalised(self.m, self.s)
        exact = values < EXACT
        rest = values[~exact]
        return Truth(int(exact.sum()), float(rest.min()) if rest.size else float("nan"), vectors[:, exact])


def generalised(m: Array, s: Array) -> tuple[Array, Array]:
    """Ascending ‖Mc‖/‖Sc‖ and the c, in the coordinates in which S is orthonormal."""
    scale = np.sqrt(np.square(s).sum(0))
    if not scale.any():  # F is constant: every field acts as zero
        return np.zeros(0), np.zeros((m.shape[1], 0))
    alive = scale > TRIVIAL * scale.max()
    unit = s[:, alive] / scale[alive]
    _, sigma, vh = np.linalg.svd(np.linalg.qr(unit, mode="r"))
    keep = sigma > TRIVIAL * sigma.max()
    lift = (vh[keep].T / sigma[keep]) / scale[alive][:, None]
    r = np.linalg.qr(m[:, alive] @ lift, mode="r")
    _, values, wh = np.linalg.svd(r, full_matrices=True)
    values = np.concatenate([values, np.zeros(wh.shape[0] - values.size)])
    full = np.zeros((m.shape[1], wh.shape[0]))
    full[alive] = lift @ wh.T
    return values[::-1], full[:, ::-1]


def value_and_derivative(f: TorchMap, x: Array) -> tuple[Array, Array]:
    """F ``(n, m)`` and dF ``(n, m, k·d)`` by reverse differentiation, one output at a time."""
    points = torch.from_numpy(x).requires_grad_(True)
    y = f(points).reshape(x.shape[0], -1)
    rows = [
        torch.autograd.grad(y[:, j].sum(), points, retain_graph=True, allow_unused=True)[0] for j in range(y.shape[1])
    ]
    filled = [torch.zeros_like(points) if r is None else r for r in rows]
    slope = torch.stack(filled, 1).reshape(x.shape[0], y.shape[1], -1)
    return y.detach().numpy(), slope.numpy()


def inverse_root(covariance: Array) -> tuple[Array, Array]:
    """W ``(r, d)`` and C ``(d, r)`` with WᵀW = G⁺, CCᵀ = G, in units of the diagonal."""
    unit = np.sqrt(np.diag(covariance))
    unit = np.where(unit > 0, unit, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    keep = values > 1e-14 * max(values.max(), 1e-300)
    root, basis = np.sqrt(values[keep]), vectors[:, keep]
    return (basis / root).T / unit, unit[:, None] * basis * root


def matrix_units(d: int, n: int, affine: bool, points: Array) -> Array:
    """ξ at points ``(n, k, d)`` → ``(n, k, d, p)``: E_ab x, row by row, and for affine E_ab(x − μ), then ∂_a."""
    k = points.shape[1]
    moved = points - points.reshape(-1, d).mean(0) if affine else points
    xi = np.einsum("ac,nkb->nkcab", np.eye(d), moved).reshape(n, k, d, d * d)
    if not affine:
        return xi
    return np.concatenate([xi, np.broadcast_to(np.eye(d), (n, k, d, d))], 3)


def pencil(data: Data, space: str, action: str, rows: Array | None = None) -> Pencil:
    """Rows of (M, S) for linear or affine ξ at the rows of the data, or at other ``rows``."""
    x = data.x if rows is None else rows
    n_all, (k, d) = x.shape[0], data.objects
    x = x[np.linspace(0, n_all - 1, min(n_all, MOST_ROWS)).astype(int)]
    if data.log_density is not None:
        return density_pencil(data, space, x)
    assert data.f is not None
    y, slope = value_and_derivative(data.f, x)
    n, m = y.shape
    points = x.reshape(n, k, d)
    flat = points.reshape(-1, d)
    covariance = np.cov(flat.T, bias=True).reshape(d, d)
    w, c = inverse_root(covariance)
    wk, ck = np.kron(np.eye(k), w), np.kron(np.eye(k), c)
    inside = np.cov((points.reshape(n, -1) @ wk.T).T, bias=True).reshape(wk.shape[0], -1)
    values, vectors = np.linalg.eigh(inside)
    support = vectors[:, values > 1e-14 * values.max()]
    if action == "bracket":
        h = w
    else:
        spread = np.cov(y.T, bias=True).reshape(m, m)
        h = inverse_root(spread)[0] if spread.any() else np.zeros((0, m))
    affine = space == "affine"
    live = np.abs(slope).reshape(n, m, k, d).max((0, 1, 2)) > 0
    xi = matrix_units(d, n, affine, points) * live[:, None]
    p = xi.shape[3]
    white = np.einsum("rd,nkdp->nkrp", w, xi)
    sized = white - white.mean((0, 1)) if not affine else white
    dual = np.einsum("hm,nmj,jD->nhD", h, slope, ck @ support)
    lifted = np.einsum("jD,njp->nDp", support, white.reshape(n, -1, p))
    sized = np.einsum("jD,njp->nDp", support, sized.reshape(n, -1, p))
    numerator = np.einsum("nhD,nDp->nhp", dual, lifted)
    weight = np.square(dual).sum((1, 2)) / support.shape[1]
    columns = output_columns(action, y, points, affine, p)
    extra = columns.shape[2] - p if columns is not None else 0
    numerator = np.concatenate([numerator, np.zeros((*numerator.shape[:2], extra))], 2)
    s = np.concatenate([sized, np.zeros((*sized.shape[:2], extra))], 2) * np.sqrt(weight)[:, None, None]
    if columns is not None:
        fibre = np.einsum("hm,nmP->nhP", h, columns)
        numerator, s = numerator - fibre, np.concatenate([s, fibre], 1)
    return Pencil(numerator.reshape(-1, p + extra) / n**0.5, s.reshape(-1, p + extra) / n**0.5)


def output_columns(action: str, y: Array, points: Array, affine: bool, p: int) -> Array | None:
    """ξ_Y·F ``(n, m, P)`` for each unknown; None for an invariant."""
    n, m = y.shape
    if action == "invariant":
        return None
    none = np.zeros((n, m, p))
    if action == "free":
        return np.concatenate([none, np.einsum("ac,nb->ncab", np.eye(m), y).reshape(n, m, m * m)], 2)
    if action == "commuting":
        moved = y - points.reshape(-1, m).mean(0) if affine else y
        none[:, :, : m * m] = np.einsum("ac,nb->ncab", np.eye(m), moved).reshape(n, m, m * m)
        if affine:
            none[:, :, m * m :] = np.eye(m)
        return none
    assert action == "bracket", action
    none[:, :, : m * m] = np.einsum("ac,nb->ncab", np.eye(m), y).reshape(n, m, m * m)
    return np.concatenate([none, y[:, :, None]], 2)


def density_pencil(data: Data, space: str, x: Array) -> Pencil:
    """Rows of div ξ + ξ·∇log p against E‖ξ‖²_{G⁻¹}: its null directions preserve p exactly. Its values are not ρ."""
    assert data.log_density is not None
    d = x.shape[1]
    _, score = value_and_derivative(data.log_density, x)
    affine = space == "affine"
    xi = matrix_units(d, x.shape[0], affine, x[:, None])[:, 0]
    w, _ = inverse_root(np.cov(x.T, bias=True).reshape(d, d))
    white = np.einsum("rd,ndp->nrp", w, xi)
    if not affine:
        white = white - white.mean(0)
    divergence = np.concatenate([np.eye(d).reshape(-1), np.zeros(xi.shape[2] - d * d)])
    rows = divergence + np.einsum("nd,ndp->np", score[:, 0], xi)
    return Pencil(rows / x.shape[0] ** 0.5, white.reshape(-1, xi.shape[2]) / x.shape[0] ** 0.5)


def gradient_share(data: Data, space: str, exact: Array, draws: int = 20_000, waves: int = 150) -> float:
    """The smallest ρ outside the algebra for a distribution: the share of ξ that is a gradient in L²(p).

    ρ² = b_AᵀK⁺b_B over two halves of many draws, b_a = E[ξ·∇φ_a], K_ab = E[∇φ_a·G∇φ_b], with polynomials to degree 4
    and Gaussian waves of three lengths as φ, all in whitened coordinates.
    """
    assert data.draw is not None
    rng = np.random.default_rng(7)
    d = data.x.shape[1]
    w, _ = inverse_root(np.cov(data.x.T, bias=True).reshape(d, d))
    powers = monomial_powers(d, 4)
    waved = rng.standard_normal((waves, d)) * np.repeat([0.7, 1.5, 3.0], waves // 3)[:, None]
    phases = rng.uniform(0, 2 * np.pi, waves)
    couplings, gram, size = [], np.zeros(()), np.zeros(())
    for _ in range(2):
        x = data.draw(draws, rng)
        z = (x - data.x.mean(0)) @ w.T
        slopes = np.concatenate([monomial_slopes(z, powers), -np.sin(z @ waved.T + phases)[:, :, None] * waved], 1)
        units = matrix_units(d, draws, space == "affine", x[:, None])[:, 0]
        xi = np.einsum("rd,ndp->nrp", w, units)
        xi = xi if space == "affine" else xi - xi.mean(0)
        a = slopes.transpose(0, 2, 1).reshape(draws * d, -1)
        flat = xi.reshape(draws * d, -1)
        couplings.append(a.T @ flat / draws)
        gram = gram + a.T @ a / (2 * draws)
        size = size + flat.T @ flat / (2 * draws)
    unit = np.sqrt(np.diag(gram))
    inverse = np.linalg.pinv(gram / np.outer(unit, unit), rcond=1e-8, hermitian=True) / np.outer(unit, unit)
    top = couplings[0].T @ inverse @ couplings[1]
    # The exact directions are projected out, orthogonally in the size, before the smallest value is taken.
    factor = np.linalg.cholesky(size)
    u, s, _ = np.linalg.svd(factor.T @ exact, full_matrices=True)
    rest = np.linalg.inv(factor).T @ u[:, s.size :]
    values = np.linalg.eigvalsh(rest.T @ (top + top.T) @ rest / 2)
    return float(np.sqrt(max(values[0], 0.0))) if values.size else float("nan")


def monomial_powers(d: int, degree: int) -> NDArray[np.int64]:
    """Exponents of the monomials of degree 1 … degree."""
    grid = np.stack(np.meshgrid(*[np.arange(degree + 1)] * d, indexing="ij"), -1).reshape(-1, d)
    total = grid.sum(1)
    return np.asarray(grid[(total >= 1) & (total <= degree)])


def monomial_slopes(z: Array, powers: NDArray[np.int64]) -> Array:
    """∂z^α ``(n, a, d)``."""
    out = np.empty((z.shape[0], powers.shape[0], z.shape[1]))
    for j in range(z.shape[1]):
        lowered = powers.copy()
        lowered[:, j] = np.maximum(lowered[:, j] - 1, 0)
        out[:, :, j] = powers[:, j] * np.prod(z[:, None, :] ** lowered[None], 2)
    return out


def principal_cosine(found: Array, exact: Array, data: Data) -> float:
    """The smallest cosine between found generators ``(K, d, d)`` and the exact span, in whitened coordinates."""
    k, d = data.objects
    w, c = inverse_root(np.cov(data.x.reshape(-1, d).T, bias=True).reshape(d, d))

    def whitened(a: Array) -> Array:
        return np.asarray(np.einsum("ra,kab,bs->krs", w, a, c).reshape(a.shape[0], -1).T)

    truth = exact[: d * d].T.reshape(-1, d, d)
    q_found = np.linalg.qr(whitened(found))[0]
    u, s, _ = np.linalg.svd(whitened(truth), full_matrices=False)
    inside = u[:, s > 1e-9 * s.max()]
    return float(np.linalg.svd(inside.T @ q_found)[1].min()) if inside.shape[1] >= q_found.shape[1] else 0.0
