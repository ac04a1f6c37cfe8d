"""A case: rows of an exact F, and the algebra that is exactly true of it in the space that is asked.

The same record serves symmetries and attacks; an attack's algebra is what it keeps, and ``symmetric`` is the larger
group that it only seems to have. Axis letters: n points, k objects of dimension d, m outputs, K generators.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from witness_suite.algebra import Algebra

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

# What F(x) is called in the file of each kind.
TARGETS = {"function": "y", "flow": "dx", "map": "x_next"}


@dataclass(frozen=True)
class Sample:
    """Rows of one draw.

    Attributes
    ----------
    x
        ``(n, d)`` or ``(n, k, d)``.
    f
        The exact F in the coordinates of ``x``: rows → ``(n, m)``, flows and maps shaped like x; None for points.
    algebra
        What is exactly true, in the coordinates of ``x``.
    group
        Rows that belong together; None where all are independent.
    live
        ``(d, r)``: F depends on x through ``x @ live`` alone; None where it depends on all of x.
    noise
        (clean outputs, share, generator) → noise of the outputs where it is not white.
    labels
        (F(x), generator) → y, where y is drawn rather than disturbed.
    log_density
        Of points, up to a constant.
    """

    x: Array
    f: Function | None
    algebra: Algebra
    group: NDArray[np.int64] | None = None
    live: Array | None = None
    noise: Callable[[Array, float, np.random.Generator], Array] | None = None
    labels: Callable[[Array, np.random.Generator], Array] | None = None
    log_density: Function | None = None

    @property
    def values(self) -> Array:
        """F at the rows, without noise."""
        assert self.f is not None
        y = np.asarray(self.f(self.x), dtype=np.float64)
        return y.reshape(len(self.x), 1) if y.ndim == 1 else y

    def observed(self, t: Array, kind: str) -> Sample:
        """The same rows in the coordinates X = Tx of every object; T on both sides for flows and maps."""
        f, back = self.f, np.linalg.inv(t).T
        outward = kind in ("flow", "map")

        def moved(x: Array) -> Array:
            assert f is not None
            y = f(x @ back)
            return y @ t.T if outward else y

        live = None if self.live is None else back @ self.live
        density = self.log_density
        return replace(
            self,
            x=self.x @ t.T,
            f=None if f is None else moved,
            algebra=self.algebra.conjugate(t),
            live=live,
            log_density=None if density is None else (lambda x: density(x @ back)),
        )


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes
    ----------
    name, family, kind
        Unique name, what it is an example of, and function, flow, map or points.
    draw
        generator → rows.
    dimension
        Of the algebra in the space asked; the most that may be certified.
    argv
        Options of ``symfind discover``.
    noise
        Share of the standard deviation of each output, where a run names none.
    breaking
        For attacks: what their symmetry is broken by, see :class:`witness_suite.distance.Breaking`.
    """

    name: str
    family: str
    kind: str
    draw: Callable[[np.random.Generator], Sample]
    dimension: int
    argv: tuple[str, ...] = ()
    noise: float = 0.0
    breaking: object | None = None
    tags: tuple[str, ...] = field(default_factory=tuple)

    def generator(self, seed: int) -> np.random.Generator:
        """Of the case's name and the seed, so that adding cases changes no other."""
        return np.random.default_rng([zlib.crc32(self.name.encode()), seed])

    def sample(self, seed: int) -> Sample:
        """Rows of one seed; their number and the algebra are the case's own."""
        return self.draw(self.generator(seed))

    def arrays(self, sample: Sample, seed: int, noise: float | None = None) -> dict[str, NDArray[np.generic]]:
        """What is written to the file, with noise."""
        arrays: dict[str, NDArray[np.generic]] = {"x": sample.x}
        if sample.group is not None:
            arrays["group"] = sample.group
        if sample.f is None:
            return arrays
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), seed, 1])
        share = self.noise if noise is None else noise
        arrays[TARGETS[self.kind]] = observed_outputs(sample, share, rng)
        return arrays

    @property
    def option(self) -> dict[str, str]:
        """The options by name."""
        return dict(zip(self.argv[::2], self.argv[1::2], strict=True))

    @property
    def space(self) -> str:
        """Name of the candidates."""
        return self.option.get("--space", "affine")

    @property
    def action(self) -> str:
        """How candidates act on F(x): invariant, same, free, commuting (maps), bracket (flows)."""
        if self.kind in ("flow", "map"):
            return {"flow": "bracket", "map": "commuting"}[self.kind]
        return self.option.get("--output-action", "invariant")


def observed_outputs(sample: Sample, share: float, rng: np.random.Generator) -> Array:
    """F(x) + ``share`` · std F(x) · noise, each output by its own standard deviation."""
    clean = sample.values
    if sample.labels is not None:
        return sample.labels(clean, rng)
    if sample.noise is not None:
        return clean + sample.noise(clean, share, rng)
    return np.asarray(clean + share * clean.std(0) * rng.standard_normal(clean.shape))


def random_coordinates(d: int, rng: np.random.Generator, condition: float = 4.0) -> Array:
    """T ``(d, d)`` with random axes and the given condition: observed x = T z."""
    u = np.linalg.qr(rng.standard_normal((d, d)))[0]
    v = np.linalg.qr(rng.standard_normal((d, d)))[0]
    scales = np.geomspace(condition**-0.5, condition**0.5, d) if d > 1 else np.ones(1)
    return np.asarray((u * scales) @ v)


def in_random_coordinates(case: Case, condition: float = 4.0) -> Case:
    """The same case observed as x = T z with T of the seed."""

    def draw(rng: np.random.Generator) -> Sample:
        sample = case.draw(rng)
        return sample.observed(random_coordinates(sample.x.shape[-1], rng, condition), case.kind)

    moved = None if case.breaking is None else Moved(case)
    return replace(case, name=case.name + " in random coordinates", draw=draw, breaking=moved)


@dataclass(frozen=True)
class Moved:
    """What breaks a case in its own coordinates breaks it in any: measured there, on rows of the same distribution."""

    case: Case

    def measured(self, case: Case, sample: Sample, seed: int, noise: float) -> dict[str, object]:
        """Of the case before it was moved."""
        own: Any = self.case.breaking
        return dict(own.measured(self.case, self.case.sample(seed), seed, noise))
