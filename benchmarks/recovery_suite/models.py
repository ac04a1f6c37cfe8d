"""Problems of kind model: TorchScript modules that are F itself, exactly equivariant or not at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from recovery_suite.problem import Array, Data, Problem, coordinates, random_condition, seed_of


class Perceptron(nn.Module):
    """A random network: two hidden layers of SiLU, weights of unit gain, so that it is far from linear."""

    def __init__(self, width: int, outputs: int, seed: int, hidden: int = 24) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, outputs)
        )
        for layer in self.net:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=1.6 / layer.in_features**0.5)
                nn.init.normal_(layer.bias, std=0.5)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        """(n, …) → (n, outputs)."""
        out: Tensor = self.net(x.flatten(1))
        return out


class OfForms(nn.Module):
    """A network of the products zᵢᵀMzⱼ of all objects, for each matrix M: invariant under what keeps every M.

    Coordinates are z = T⁻¹x; products enter through a square root that tames them.
    """

    def __init__(self, forms: Array, objects: int, inverse: Array, seed: int, differences: bool = False) -> None:
        super().__init__()
        self.register_buffer("forms", torch.from_numpy(np.ascontiguousarray(forms)))
        self.register_buffer("inverse", torch.from_numpy(np.ascontiguousarray(inverse)))
        self.differences = differences
        count = objects - 1 if differences else objects
        self.net = Perceptron(len(forms) * count * count, 1, seed)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) or (n, k, d) → (n, 1)."""
        z = x if x.dim() == 3 else x.unsqueeze(1)
        z = z @ self.inverse.t()
        if self.differences:
            z = z[:, 1:] - z[:, :1]
        products = torch.einsum("nia,fab,njb->nfij", z, self.forms, z).flatten(1)
        out: Tensor = self.net(products / (1.0 + products.square()).sqrt())
        return out


class Moved(nn.Module):
    """y = U z g(z₁ … ) with the norm of z alone in g: so(d) on both sides, through a network of one number."""

    def __init__(self, inverse: Array, outputs: Array, seed: int) -> None:
        super().__init__()
        self.register_buffer("inverse", torch.from_numpy(np.ascontiguousarray(inverse)))
        self.register_buffer("outputs", torch.from_numpy(np.ascontiguousarray(outputs)))
        self.net = Perceptron(1, 1, seed)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        z = x @ self.inverse.t()
        return (z * self.net(z.square().sum(-1, keepdim=True) / 2.0)) @ self.outputs.t()


def model_problem(
    name: str,
    algebra: str,
    dimension: int,
    forms: Array | None,
    k: int,
    d: int,
    n: int = 4000,
    *,
    space: str = "linear",
    action: str = "invariant",
    seed: int = 0,
    outputs: int = 1,
    differences: bool = False,
    condition: float = 100.0,
    options: Mapping[str, object] | None = None,
    quick: bool = False,
) -> Problem:
    """A module and normal inputs; without ``forms`` a plain network."""
    chosen = dict(options or {})
    if action != "invariant":
        chosen["output_action"] = action

    def make(draw: int) -> Data:
        rng = seed_of(name, draw)
        t = coordinates(d, random_condition(rng, condition), rng)
        inverse = np.linalg.inv(t)
        module: nn.Module
        if action == "free":
            module = Moved(inverse, coordinates(d, 5.0, rng), seed)
        elif forms is None:
            module = nn.Sequential(Perceptron(k * d, outputs, seed))
        else:
            module = OfForms(forms, k, inverse, seed, differences)

        def drawn(count: int, generator: np.random.Generator) -> Array:
            x = generator.standard_normal((count, k, d)) @ (t.T if forms is not None or action == "free" else np.eye(d))
            return x[:, 0] if k == 1 else x

        x = drawn(n, rng)
        return Data(x, (k, d), {"x": x}, f=module, draw=drawn, module=module)

    return Problem(
        name, "model", algebra, dimension, make, n, 0.0, (k, d), space, action, chosen, None, "", None, quick
    )


def form(p: int, q: int) -> Array:
    """diag(1 …, −1 …) as a stack of one."""
    return np.diag([1.0] * p + [-1.0] * q)[None]


def symplectic(n: int) -> Array:
    """ω on R^{2n}."""
    zero, one = np.zeros((n, n)), np.eye(n)
    return np.block([[zero, one], [-one, zero]])[None]


def models() -> list[Problem]:
    """Trained or written networks: F is given, nothing is fitted."""
    p = model_problem
    planes = np.stack([np.diag([1.0, 1.0, 0.0, 0.0]), np.diag([0.0, 0.0, 1.0, 1.0])])
    return [
        p("net so2", "so(2)", 1, form(2, 0), 1, 2, quick=True),
        p("net so3", "so(3)", 3, form(3, 0), 1, 3),
        p("net so13", "so(1,3)", 6, form(1, 3), 2, 4, quick=True),
        p("net so5 pair", "so(5)", 10, form(5, 0), 2, 5),
        p("net so10", "so(10)", 45, form(10, 0), 1, 10),
        p("net sp4", "sp(4,R)", 10, symplectic(2), 3, 4),
        p("net sl2", "sl(2,R)", 3, symplectic(1), 2, 2),
        p("net u2", "u(2)", 4, np.concatenate([form(4, 0), symplectic(2)]), 2, 4),
        p("net torus", "so(2) + so(2)", 2, planes, 1, 4),
        p("net e3", "e(3)", 6, form(3, 0), 3, 3, space="affine", differences=True),
        p("net vector so3", "so(3)", 3, None, 1, 3, action="free"),
        p("net none d2", "none", 0, None, 1, 2, seed=3, quick=True),
        p("net none d5", "none", 0, None, 1, 5, seed=4),
        p("net none pair", "none", 0, None, 2, 3, seed=5),
        p("net none affine", "none", 0, None, 1, 4, seed=6, space="affine"),
    ]
