"""φ: R^D → R^f, features in which a fit is linear: monomials, random Fourier waves, each with its derivative.

Inputs are standardised coordinate by coordinate, so that a change of units changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from symfind.fields.polynomial import Monomials, monomial_exponents


class Features(Protocol):
    """A feature map with its derivative.

    Attributes
    ----------
    name
        For the report.
    size
        Number f of features; the first is the constant.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x): ``(n, D)`` → ``(n, f)``."""
        ...

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f/∂x: ``(n, D)`` and ``(f, m)`` → ``(n, m, D)``."""
        ...

    def push(self, x: Tensor, v: Tensor) -> Tensor:
        """dφ(x)·v for v ``(n, p, D)``: ``(n, f, p)``."""
        ...

    def without(self, kept: Tensor) -> Features:
        """The features that depend on the coordinates kept ``(D,)`` alone."""
        ...

    def total_push(self, x: Tensor, v: Tensor) -> Tensor:
        """Σ_n dφ(xₙ)·vₙ ``(f, p)``, without holding the summands."""
        ...


@dataclass(frozen=True)
class Standardiser:
    """z = (x − mean)/scale, a constant coordinate left alone."""

    mean: Tensor
    scale: Tensor

    @staticmethod
    def of(mean: Tensor, spread: Tensor) -> Standardiser:
        """From means and standard deviations ``(D,)``."""
        return Standardiser(mean, torch.where(spread > 0, spread, torch.ones_like(spread)))

    def __call__(self, x: Tensor) -> Tensor:
        """Standardised coordinates."""
        return (x - self.mean.to(x)) / self.scale.to(x)


@dataclass(frozen=True)
class PolynomialFeatures:
    """Monomials z^α with |α| ≤ degree, ordered by degree, so that lower degrees are leading columns."""

    standard: Standardiser
    exponents: Tensor

    @staticmethod
    def of_degree(standard: Standardiser, degree: int) -> PolynomialFeatures:
        """All monomials up to ``degree``."""
        return PolynomialFeatures(standard, monomial_exponents(standard.mean.shape[0], 0, degree))

    @property
    def degree(self) -> int:
        """Largest degree."""
        return int(self.exponents.sum(1).max())

    @property
    def name(self) -> str:
        """For the report."""
        return f"polynomial, degree {self.degree}"

    @property
    def size(self) -> int:
        """Number of monomials."""
        return self.exponents.shape[0]

    @cached_property
    def _monomials(self) -> Monomials:
        return Monomials(self.exponents)

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x) ``(n, f)``."""
        return self._monomials(self.standard(x))

    def _slopes(self, x: Tensor) -> list[Tensor]:
        """∂φ/∂x_b ``(n, f)`` for each b."""
        slopes = self._monomials.slopes(self.standard(x))
        return [slope / self.standard.scale[b].to(x) for b, slope in enumerate(slopes)]

    def without(self, kept: Tensor) -> PolynomialFeatures:
        """Monomials in the kept coordinates."""
        return PolynomialFeatures(self.standard, self.exponents[self.exponents[:, ~kept].sum(1) == 0])

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f ``(n, m, D)``."""
        return self._monomials.slope_of_sum(self.standard(x), weights.to(x)) / self.standard.scale.to(x)

    def push(self, x: Tensor, v: Tensor) -> Tensor:
        """dφ·v ``(n, f, p)``."""
        return torch.einsum("bnf,npb->nfp", torch.stack(self._slopes(x)), v)

    def total_push(self, x: Tensor, v: Tensor) -> Tensor:
        """Σ_n dφ(xₙ)·vₙ ``(f, p)``."""
        return torch.stack([slope.T @ v[:, :, b] for b, slope in enumerate(self._slopes(x))]).sum(0)


@dataclass(frozen=True)
class FourierFeatures:
    """1, z and √2 cos(ωz + β) with Gaussian ω: a Gaussian kernel's random features (Rahimi, Recht 2007).

    Attributes
    ----------
    standard
        Standardisation of x.
    omega
        ``(D, w)`` frequencies.
    phase
        ``(w,)``.
    """

    standard: Standardiser
    omega: Tensor
    phase: Tensor

    @staticmethod
    def draw(
        standard: Standardiser, waves: int, length: float, generator: torch.Generator, correlation: Tensor | None = None
    ) -> FourierFeatures:
        """Draw ``waves`` frequencies for a kernel of ``length`` in units of √D standard deviations.

        With the correlation matrix of x the kernel is isotropic in whitened coordinates: in oblique coordinates an
        isotropic one wastes most of its waves (1 − R² 0.0034 in place of 0.024 at condition 100).
        """
        d = standard.mean.shape[0]
        omega = torch.randn(d, waves, generator=generator, dtype=torch.float64) / (length * math.sqrt(d))
        if correlation is not None:
            values, vectors = torch.linalg.eigh(correlation)
            # Directions without spread get the frequencies of the widest: nothing varies there.
            root = values.clamp(min=1e-6 * float(values.max())).rsqrt()
            omega = vectors @ (root[:, None] * (vectors.T @ omega))
        phase = torch.rand(waves, generator=generator, dtype=torch.float64) * 2 * math.pi
        return FourierFeatures(standard, omega, phase)

    @property
    def name(self) -> str:
        """For the report."""
        return f"random features, {self.phase.shape[0]} waves"

    @property
    def size(self) -> int:
        """1 + D + number of waves."""
        return 1 + self.omega.shape[0] + self.phase.shape[0]

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x) ``(n, f)``."""
        z = self.standard(x)
        wave = math.sqrt(2) * torch.cos(z @ self.omega.to(x) + self.phase.to(x))
        return torch.cat([torch.ones_like(z[:, :1]), z, wave], 1)

    def without(self, kept: Tensor) -> FourierFeatures:
        """Waves of the kept coordinates."""
        scale = torch.where(kept, self.standard.scale, torch.full_like(self.standard.scale, torch.inf))
        return FourierFeatures(Standardiser(self.standard.mean, scale), self.omega, self.phase)

    def _sine(self, x: Tensor) -> Tensor:
        return -math.sqrt(2) * torch.sin(self.standard(x) @ self.omega.to(x) + self.phase.to(x))

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f ``(n, m, D)``."""
        d = self.omega.shape[0]
        linear, waves = weights[1 : 1 + d].to(x), weights[1 + d :].to(x)
        slope = torch.einsum("nw,wm,dw->nmd", self._sine(x), waves, self.omega.to(x)) + linear.T
        return slope / self.standard.scale.to(x)

    def push(self, x: Tensor, v: Tensor) -> Tensor:
        """dφ·v ``(n, f, p)``."""
        moved = (v / self.standard.scale.to(x)).transpose(1, 2)  # (n, D, p)
        waves = self._sine(x)[:, :, None] * torch.einsum("ndp,dw->nwp", moved, self.omega.to(x))
        return torch.cat([torch.zeros_like(moved[:, :1]), moved, waves], 1)

    def total_push(self, x: Tensor, v: Tensor) -> Tensor:
        """Σ_n dφ(xₙ)·vₙ ``(f, p)``."""
        moved = v / self.standard.scale.to(x)  # (n, p, D)
        summed = (self._sine(x).T @ moved.flatten(1)).reshape(-1, *v.shape[1:])  # (w, p, D)
        waves = torch.einsum("wpd,dw->wp", summed, self.omega.to(x))
        linear = moved.sum(0).T
        return torch.cat([torch.zeros_like(linear[:1]), linear, waves])


@dataclass(frozen=True)
class MultiquadricFeatures:
    """1, z and √(1 + |u − c|²/ℓ²) for whitened points u and centres c: Hardy's multiquadrics (J. Geophys. Res. 1971).

    Attributes
    ----------
    standard
        Standardisation z of x.
    root
        ``(D, r)`` with u = z·root of unit covariance.
    centres
        ``(c, D)`` in z.
    length
        ℓ, in standard deviations of u.
    """

    standard: Standardiser
    root: Tensor
    centres: Tensor
    length: float

    @staticmethod
    def draw(
        standard: Standardiser, x: Tensor, count: int, length: float, generator: torch.Generator
    ) -> MultiquadricFeatures:
        """Centres at ``count`` of the points, ℓ = ``length`` in units of √D standard deviations."""
        z = standard(x)
        values, vectors = torch.linalg.eigh(z.T @ z / z.shape[0])
        # Directions without spread are left as they are: nothing varies there.
        root = vectors / values.clamp(min=1e-6 * float(values.max())).sqrt()
        chosen = torch.randperm(z.shape[0], generator=generator)[:count].sort().values
        return MultiquadricFeatures(standard, root, z[chosen], length * math.sqrt(z.shape[1]))

    @property
    def name(self) -> str:
        """For the report."""
        return f"multiquadrics, {self.centres.shape[0]} centres"

    @property
    def size(self) -> int:
        """1 + D + number of centres."""
        return 1 + self.centres.shape[1] + self.centres.shape[0]

    def _heights(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The points u ``(n, r)`` and centres ``(c, r)`` in units of ℓ, and √(1 + |u − c|²) ``(n, c)``."""
        u = self.standard(x) @ self.root.to(x) / self.length
        centres = self.centres.to(x) @ self.root.to(x) / self.length
        return u, centres, (1 + torch.cdist(u, centres, compute_mode="donot_use_mm_for_euclid_dist").square()).sqrt()

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x) ``(n, f)``."""
        z = self.standard(x)
        return torch.cat([torch.ones_like(z[:, :1]), z, self._heights(x)[2]], 1)

    def without(self, kept: Tensor) -> MultiquadricFeatures:
        """Distances in the kept coordinates."""
        scale = torch.where(kept, self.standard.scale, torch.full_like(self.standard.scale, torch.inf))
        return MultiquadricFeatures(
            Standardiser(self.standard.mean, scale), self.root, self.centres * kept, self.length
        )

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f ``(n, m, D)``."""
        d = self.centres.shape[1]
        u, centres, height = self._heights(x)
        share = weights[1 + d :].to(x) / height[:, :, None]  # (n, c, m)
        slope = share.sum(1)[:, :, None] * u[:, None] - torch.einsum("ncm,cr->nmr", share, centres)
        slope = slope @ self.root.to(x).T / self.length + weights[1 : 1 + d].to(x).T
        return slope / self.standard.scale.to(x)

    def push(self, x: Tensor, v: Tensor) -> Tensor:
        """dφ·v ``(n, f, p)``."""
        moved = (v / self.standard.scale.to(x)).transpose(1, 2)  # (n, D, p)
        u, centres, height = self._heights(x)
        inner = torch.einsum("dr,ndp->nrp", self.root.to(x) / self.length, moved)
        along = torch.einsum("nr,nrp->np", u, inner)[:, None] - torch.einsum("cr,nrp->ncp", centres, inner)
        return torch.cat([torch.zeros_like(moved[:, :1]), moved, along / height[:, :, None]], 1)

    def total_push(self, x: Tensor, v: Tensor) -> Tensor:
        """Σ_n dφ(xₙ)·vₙ ``(f, p)``."""
        parts = zip(torch.split(x, 1024), torch.split(v, 1024), strict=True)
        return torch.stack([self.push(points, moved).sum(0) for points, moved in parts]).sum(0)
