"""A problem: data made from an exact F in random coordinates, and what is true of it.

Axis letters: n points, k objects of dimension d, m outputs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
TorchMap = Callable[[Tensor], Tensor]
Draw = Callable[[int, np.random.Generator], Array]

# The largest family of polynomials that the program tries by default.
_MOST_MONOMIALS, _HIGHEST_DEGREE = 700, 6


@dataclass(frozen=True)
class Data:
    """The rows of one problem with the exact F behind them, in the observed coordinates.

    Attributes
    ----------
    x
        ``(n, k·d)`` or ``(n, k, d)``, without noise for every kind but points.
    objects
        ``(k, d)``.
    arrays
        What is written to the file: x and y, dx or x_next (with noise), group.
    f
        The exact F; None for a distribution.
    log_density
        Of a distribution, in the observed coordinates.
    draw
        (n, generator) → fresh x from the same distribution; None on trajectories.
    module
        What is saved as a model, where the problem is one.
    """

    x: Array
    objects: tuple[int, int]
    arrays: Mapping[str, NDArray[np.generic]]
    f: TorchMap | None = None
    log_density: TorchMap | None = None
    draw: Draw | None = None
    module: torch.nn.Module | None = None


@dataclass(frozen=True)
class Problem:
    """One row of the suite.

    Attributes
    ----------
    name, kind
        Unique name; function, map, flow, points or model.
    algebra
        The exact algebra in words.
    dimension
        Of the exact algebra in ``space``.
    make
        Seed → data.
    n, noise, objects
        Rows, noise as a share of the standard deviation of F(x), and (k, d).
    space, action
        Candidates, and how they act on F(x).
    options
        Options of ``discover`` beside the source, the space and the seed.
    degree
        Of F where it is a polynomial; None otherwise.
    degenerate
        What the data lack; empty for well-posed problems.
    allowed
        The largest number that may be certified; the true dimension unless the data must be declined.
    quick
        Part of the short run.
    """

    name: str
    kind: str
    algebra: str
    dimension: int
    make: Callable[[int], Data]
    n: int
    noise: float
    objects: tuple[int, int]
    space: str = "linear"
    action: str = "invariant"
    options: Mapping[str, object] = field(default_factory=dict)
    degree: int | None = None
    degenerate: str = ""
    allowed: int | None = None
    quick: bool = False

    @property
    def width(self) -> int:
        """Dimension k·d of the whole input."""
        return self.objects[0] * self.objects[1]

    @property
    def most(self) -> int:
        """The largest number of generators that may be certified."""
        return self.dimension if self.allowed is None else self.allowed

    @property
    def control(self) -> bool:
        """Whether it is without symmetry or degenerate."""
        return self.dimension == 0 or bool(self.degenerate)

    @property
    def in_class(self) -> bool:
        """Whether F lies in a family that the program tries and the rows can determine."""
        if self.kind in ("points", "model"):
            return True
        if self.degree is None or self.degree > _HIGHEST_DEGREE:
            return False
        return comb(self.width + self.degree, self.degree) <= min(_MOST_MONOMIALS, self.n // 4)


def seed_of(name: str, seed: int) -> np.random.Generator:
    """The generator of a problem: a hash of its name, so that adding problems changes no other."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])


def coordinates(d: int, condition: float, rng: np.random.Generator) -> Array:
    """T ``(d, d)`` with the given condition and random axes: observed x = Tz."""
    u = np.linalg.qr(rng.standard_normal((d, d)))[0]
    v = np.linalg.qr(rng.standard_normal((d, d)))[0]
    scales = np.geomspace(1.0, condition, d) ** -1 if d > 1 else np.ones(1)
    return np.asarray((u * scales) @ v * rng.uniform(0.5, 2.0))


def random_condition(rng: np.random.Generator, most: float) -> float:
    """Between 1 and ``most``, uniform in the logarithm."""
    return float(most ** rng.uniform())


def evaluate(f: TorchMap, z: Array) -> Array:
    """F at numpy points ``(n, …)``, as ``(n, m)``."""
    with torch.no_grad():
        return np.asarray(f(torch.from_numpy(z)).reshape(z.shape[0], -1).numpy())


def with_noise(y: Array, share: float, rng: np.random.Generator) -> Array:
    """Gaussian noise of ``share`` times the standard deviation of each output, in the canonical coordinates."""
    return y + share * y.std(0) * rng.standard_normal(y.shape)


def moved_map(f: TorchMap, t: Array, outputs: Array | None = None) -> TorchMap:
    """X ↦ U f(T⁻¹x), T on the last axis, in the observed coordinates."""
    inverse = torch.from_numpy(np.linalg.inv(t))
    mix = None if outputs is None else torch.from_numpy(outputs)

    def moved(x: Tensor) -> Tensor:
        y = f(x @ inverse.T).reshape(x.shape[0], -1)
        return y if mix is None else y @ mix.T

    return moved
