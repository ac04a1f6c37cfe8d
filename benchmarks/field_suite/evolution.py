"""Solutions of an evolution equation as it is typed, on the circle or the torus: ETDRK4 on Fourier series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import pi
from pathlib import Path

import h5py
import torch
from torch import Tensor

from symfind.kinds.field.equation import Equation, parse_equation
from symfind.kinds.field.grid.jet_sample import JetSample
from symfind.samples.exponential import solve
from symfind.samples.waves import coordinates, random_waves, random_waves_2d


@dataclass(frozen=True)
class Evolution:
    """u_t = F(t, u, u_x, …) for one or more components, from random waves about a mean.

    Attributes
    ----------
    text
        The system, each line solved for its derivative by t.
    components, space
        Names of the dependent variables, and of the space axes.
    length, end, step
        Period of each space axis, last time, longest step of the integrator.
    points, times, rows
        The grid that is kept, and how many solutions.
    mean, size, highest
        Mean and amplitude of each component at the start, and its highest wave.
    kept
        The components that are written; the others are those that make an equation of second order in t a system.
    start
        First time, where the equation has t in it.
    """

    text: str
    components: tuple[str, ...] = ("u",)
    space: tuple[str, ...] = ("x",)
    length: float = 2 * pi
    end: float = 1.0
    step: float = 0.01
    points: int = 128
    times: int = 100
    rows: int = 6
    mean: tuple[float, ...] = (0.0,)
    size: tuple[float, ...] = (1.0,)
    highest: int = 3
    kept: tuple[str, ...] = ()
    start: float = 0.0

    @property
    def equation(self) -> Equation:
        """As it is given to ``--equation``."""
        return parse_equation(self.text, ("t", *self.space), self.components)

    def solutions(self, seed: int, rows: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """U ``(R, nt, n[, n], c)``, t and x."""
        generator = torch.Generator().manual_seed(seed)
        count, n, q = rows or self.rows, 2 * self.points, len(self.space)
        draw = random_waves if q == 1 else random_waves_2d
        first = torch.stack(
            [m + a * draw(count, n, self.highest, generator) for m, a in zip(self.mean, self.size, strict=True)], 1
        )
        t = torch.linspace(self.start, self.start + self.end, self.times, dtype=torch.float64)
        series = self._series(torch.fft.fftn(first.to(torch.complex128), dim=tuple(range(2, 2 + q))), t, n)
        u = torch.fft.ifftn(series, dim=tuple(range(3, 3 + q))).real
        names = self.kept or self.components
        kept = u[(..., *[slice(None, None, 2)] * q)][:, :, [self.components.index(c) for c in names]]
        return kept.movedim(2, -1), t, coordinates(self.points, self.length)

    def _series(self, start: Tensor, t: Tensor, n: int) -> Tensor:
        equation, q = self.equation, len(self.space)
        k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) * (2 * pi / self.length)
        waves = torch.stack(torch.meshgrid(*[k] * q, indexing="ij"))
        inside = (waves.abs() < k.abs().max() * 2 / 3).all(0)
        symbols = {j: torch.stack([(1j * w) ** o for w, o in zip(waves, j[1:], strict=True)]).prod(0)
                   for _, j in equation.coordinates if not j[0]}  # fmt: skip
        symbols[(0,) * (q + 1)] = torch.ones_like(waves[0], dtype=torch.complex128)
        linear = torch.zeros(start.shape[1:], dtype=torch.complex128)
        slopes = equation.linearised(self._jets({j: self._still(j) for j in equation.needed}, t[:1])).slopes[0]
        for i, (c, j) in enumerate(equation.coordinates):
            if not j[0]:
                linear[c] -= slopes[c, i] * symbols[j]
        along = tuple(range(2, 2 + q))

        def rest(v: Tensor, s: float) -> Tensor:
            v = v * inside
            values = {j: torch.fft.ifftn(v * f, dim=along).real.movedim(1, -1) for j, f in symbols.items()}
            shape = values[(0,) * (q + 1)].shape
            flat = {j: x.reshape(-1, shape[-1]) for j, x in values.items()}
            rate = {j: torch.zeros_like(flat[(0,) * (q + 1)]) for _, j in equation.coordinates if j[0]}
            points = torch.full((shape[:-1].numel(), 1), s, dtype=torch.float64)
            delta = equation.linearised(self._jets({**flat, **rate}, points), slopes=False).value
            result = torch.fft.fftn((-delta).reshape(shape).movedim(-1, 1).to(torch.complex128), dim=along)
            return inside * (result - linear * v)

        return solve(linear, rest, start * inside, t, self.step)

    def _still(self, index: tuple[int, ...]) -> Tensor:
        return torch.tensor([list(self.mean) if not any(index) else [0.0] * len(self.mean)], dtype=torch.float64)

    def _jets(self, values: dict[tuple[int, ...], Tensor], times: Tensor) -> JetSample:
        n = next(iter(values.values())).shape[0]
        points = torch.zeros(n, 1 + len(self.space), dtype=torch.float64)
        points[:, 0] = times.flatten()[0]
        return JetSample(("t", *self.space), self.components, points, values, {}, torch.zeros(n, dtype=torch.int64))


def write_field(
    path: Path, u: Tensor, t: Tensor, space: Sequence[tuple[str, Tensor]], names: Sequence[str], periodic: str
) -> Path:
    """A file of kind ``field``: u ``(R, nt, nx[, ny], c)``."""
    with h5py.File(path, "w") as file:
        file.attrs["kind"], file.attrs["periodic"] = "field", periodic
        file.attrs["names"] = ["t", *(name for name, _ in space), *names]
        file["u"], file["t"] = u.numpy(), t.numpy()
        for name, x in space:
            file[name] = x.numpy()
    return path


def with_noise(u: Tensor, share: float, seed: int) -> Tensor:
    """The same with independent noise of a share of the spread of each component."""
    generator = torch.Generator().manual_seed(seed)
    spread = u.flatten(0, -2).std(0)
    return u + share * spread * torch.randn(u.shape, generator=generator, dtype=torch.float64)


def modes(rows: int, frequencies: Tensor, waves: Tensor, t: Tensor, x: Tensor, generator: torch.Generator) -> Tensor:
    """Σ_k Re(A_k exp(i(k·x) + λ_k t)) for complex λ_k, exact: ``(rows, nt, nx)``.

    Parameters
    ----------
    frequencies
        λ ``(K, s)``, s of them for each wave.
    waves
        k ``(K,)``.
    """
    shape = (rows, *frequencies.shape)
    a = torch.complex(*torch.randn(2, *shape, generator=generator, dtype=torch.float64))
    course = torch.exp(frequencies[None] * t[:, None, None])
    return torch.einsum("rks,tks,xk->rtx", a, course, torch.exp(1j * x[:, None] * waves)).real


def product_grid(*axes: Tensor) -> Tensor:
    """All points of a product of axes ``(∏n, q)``."""
    return torch.tensor(list(product(*(axis.tolist() for axis in axes))), dtype=torch.float64)
