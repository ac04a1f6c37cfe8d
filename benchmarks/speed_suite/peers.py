"""What others publish, made here from the published algorithms, and peers of the package index where installed.

Each function returns processor seconds of the peer's own work: no imports, no reading of files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

# Weights of the path, relative to the largest, and folds: as many as `promote` has.
_PATH, _FOLDS = torch.logspace(0, -6, 7, dtype=torch.float64), 4


def seconds(action: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def rows_of(path: Path, name: str) -> Tensor:
    """An array of a file, in float64."""
    with h5py.File(path, "r") as file:
        return torch.from_numpy(np.asarray(file[name][()], dtype=np.float64))


def polarisation(gradient: Tensor, x: Tensor) -> Tensor:
    """LieGG: rows ∇F ⊗ x of objects that share an action, ``(n, d²)``, and their full SVD; right singular vectors."""
    n, d = x.shape[0], x.shape[-1]
    rows = torch.einsum("nka,nkb->nab", gradient.reshape(n, -1, d), x.reshape(n, -1, d)).reshape(n, d * d)
    return torch.linalg.svd(rows, full_matrices=False).Vh


def liegg(model_file: Path, rows: int = 10_000) -> float:
    """Seconds of LieGG on a network of two vectors of R⁵: a gradient and a singular value decomposition."""
    model = torch.jit.load(str(model_file)).double().eval()
    x = torch.randn(rows, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(True)

    def action() -> Tensor:
        (gradient,) = torch.autograd.grad(model(x).sum(), x)
        return polarisation(gradient, x.detach())

    return seconds(action)


def regression_on_the_sphere(rows: Tensor, count: int, steps: int = 500, rate: float = 0.1) -> Tensor:
    """Regression of symdisc: w_k = argmin ‖M w‖², ‖w‖ = 1, w ⊥ w_1 … w_{k−1}, by gradient steps on the sphere.

    The step is in units of the largest eigenvalue of MᵀM, which is the largest step that surely descends.
    """
    gram = rows.T @ rows
    gram = gram / torch.linalg.matrix_norm(gram, 2)
    found = gram.new_zeros(0, gram.shape[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        w = torch.randn(gram.shape[0], generator=generator, dtype=torch.float64)
        for _ in range(steps):
            w = w - rate * 10 * (gram @ w)
            w = w - found.T @ (found @ w)
            w = w / w.norm()
        found = torch.cat([found, w[None]])
    return found


def symdisc(data: Path) -> float:
    """Seconds of symdisc's regression on a function: a cubic fit, rows dF·ξ of affine fields, generators one by one."""
    x, y = rows_of(data, "x"), rows_of(data, "y")
    d = x.shape[1]

    def cubic(at: Tensor) -> Tensor:
        pairs = [at[:, i] * at[:, j] for i in range(d) for j in range(i, d)]
        triples = [p * at[:, k] for p in pairs for k in range(d)]
        return torch.stack([torch.ones(len(at)).double(), *at.T, *pairs, *triples], 1)

    def action() -> Tensor:
        w = torch.linalg.lstsq(cubic(x), y, driver="gelsd").solution
        at = x.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((cubic(at) @ w).sum(), at)
        fields = torch.cat([torch.einsum("na,nb->nab", gradient, x).flatten(1), gradient], 1)
        return regression_on_the_sphere(fields, fields.shape[1])

    return seconds(action)


def liegan(steps: int, seed: int = 0) -> tuple[float, float]:
    """LieGAN on two bodies on circles, (q₁, p₁, q₂, p₂) ∈ R⁸: seconds of so many steps, and the cosine to so(2).

    One generator L ∈ R^{8×8}; x moved by exp(wL), w ~ N(0, 1); a discriminator of two layers tells moved from given
    points, L is trained to deceive it, with a penalty on the likeness of x and its image.
    """
    torch.manual_seed(seed)
    angle = 2 * math.pi * torch.rand(4000)
    q = torch.stack([angle.cos(), angle.sin()], 1) * (0.8 + 0.4 * torch.rand(4000, 1))
    p = torch.stack([-angle.sin(), angle.cos()], 1) * (0.8 + 0.4 * torch.rand(4000, 1))
    x = torch.cat([q, p, -q, -p], 1)
    turn = torch.block_diag(*[torch.tensor([[0.0, -1.0], [1.0, 0.0]])] * 4)
    generator = torch.nn.Parameter(0.1 * torch.randn(8, 8))
    layers = (torch.nn.Linear(8, 64), torch.nn.LeakyReLU(0.2), torch.nn.Linear(64, 64), torch.nn.LeakyReLU(0.2))
    judge = torch.nn.Sequential(*layers, torch.nn.Linear(64, 1))
    of_judge = torch.optim.Adam(judge.parameters(), 2e-4)
    of_generator = torch.optim.Adam([generator], 1e-3)
    loss = torch.nn.BCEWithLogitsLoss()
    start = time.process_time()
    for _ in range(steps):
        given = x[torch.randint(len(x), (64,))]
        moved = torch.einsum("nab,nb->na", torch.matrix_exp(torch.randn(64, 1, 1) * generator), given)
        of_judge.zero_grad()
        told = judge(torch.cat([given, moved.detach()]))
        loss(told, torch.cat([torch.ones(64, 1), torch.zeros(64, 1)])).backward()
        of_judge.step()
        of_generator.zero_grad()
        alike = torch.nn.functional.cosine_similarity(moved, given).abs().mean()
        (loss(judge(moved), torch.ones(64, 1)) + alike).backward()
        of_generator.step()
    spent = time.process_time() - start
    cosine = float((generator * turn).sum().abs() / (generator.norm() * turn.norm()))
    return spent, cosine


def scs_cross_validated(data: Path) -> float | None:
    """Seconds of cvxpy with SCS for min ‖ΘW − Y‖² + γ‖L(W)‖_* of quadratics, over the path and the folds."""
    if find_spec("cvxpy") is None or find_spec("scs") is None:
        return None
    import cvxpy as cp

    x, y = rows_of(data, "x").numpy(), rows_of(data, "y").numpy()
    d = x.shape[1]
    places = [(i, j) for i in range(d) for j in range(i, d)]
    theta = np.column_stack([np.ones(len(x)), x, *(x[:, i] * x[:, j] for i, j in places)])
    f = theta.shape[1]
    # ∂_b of the quadratic is linear: its 1 + d coefficients, for each of the d translations.
    lie = np.zeros((d, 1 + d, f))
    for b in range(d):
        lie[b, 0, 1 + b] = 1.0
    for column, (i, j) in enumerate(places, 1 + d):
        lie[i, 1 + j, column] += 1.0
        lie[j, 1 + i, column] += 1.0
    flat = lie.reshape(-1, f)

    def action() -> None:
        largest = float(np.linalg.norm(theta.T @ y))
        fold = np.arange(len(x)) % _FOLDS
        for kept in [*(fold != k for k in range(_FOLDS)), fold >= 0]:
            w, gamma = cp.Variable(f), cp.Parameter(nonneg=True)
            moved = cp.reshape(flat @ w, (d, 1 + d), order="C")
            problem = cp.Problem(cp.Minimize(cp.sum_squares(theta[kept] @ w - y[kept]) + gamma * cp.normNuc(moved)))
            for share in _PATH.tolist():
                gamma.value = share * largest
                problem.solve(solver=cp.SCS, eps_abs=1e-5, eps_rel=1e-5, warm_start=True)

    return seconds(action)


def pysindy_fit(data: Path) -> float | None:
    """Seconds of PySINDy's sequentially thresholded least squares on a flow, cubic library, one threshold."""
    if find_spec("pysindy") is None:
        return None
    import pysindy

    x, dx = rows_of(data, "x").numpy(), rows_of(data, "dx").numpy()

    def action() -> None:
        library = pysindy.PolynomialLibrary(degree=3)
        model = pysindy.SINDy(optimizer=pysindy.STLSQ(threshold=0.05), feature_library=library)
        model.fit(x, t=1.0, x_dot=dx)

    return seconds(action)
