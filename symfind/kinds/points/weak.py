"""ρ² = bᵀK⁺b / E‖ξ‖²: flows that preserve a distribution, from means over its points (DESIGN §2, §8 "Points").

A flow of ξ preserves the density p only if E_p[ξ·∇φ] = 0 for every test function φ. With b_a = E[ξ·∇φ_a] and
K_ab = E[∇φ_a·G∇φ_b], ρ is the share of ξ that is a gradient in L²(p); it lies in [0, 1] and does not depend on the
basis of test functions.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from symfind.decision.evidence import Evidence, WithinData
from symfind.decision.halves import Half, halves
from symfind.decision.witness.distribution.two_sample import TwoSampleSettings
from symfind.fields.space import finite_fields
from symfind.fits.features import Features, FourierFeatures, PolynomialFeatures, Standardiser
from symfind.fits.surrogate import Samples
from symfind.kinds.frame import Frame, enough_rows
from symfind.kinds.points.judged import TwoSampleJudge
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import GeneralisedSpectrum, generalised_spectrum

# Polynomials alone accepted so(3) for 12 blobs on an icosahedron (ρ ≤ 0.02; 0.68 with waves beside them).
_WAVES = 100
_DEGREE = 4
_MOST_MONOMIALS = 250
_CHUNK = 1024
# Gradients that depend on one another to this degree are one test function.
_TEST_CUT = 1e-5


class WeakForm:
    """ξ ↦ K^{-1/2}b in fixed test functions: what a block of points adds to b and to E‖ξ‖²."""

    def __init__(self, frame: Frame, samples: Samples, generator: torch.Generator) -> None:
        self.frame = frame
        r = frame.geometry.rank
        degree = _DEGREE
        while degree > 2 and math.comb(r + degree, degree) > _MOST_MONOMIALS:
            degree -= 1
        # u is standardised as it is: mean zero, covariance one on the support.
        standard = Standardiser(samples.x.new_zeros(r), samples.x.new_ones(r))
        self.tests: tuple[Features, ...] = (
            PolynomialFeatures.of_degree(standard, degree),
            FourierFeatures.draw(standard, _WAVES, 1.0, generator),
        )
        gram: Tensor | None = None
        for part in torch.split(samples.x, _CHUNK):
            slopes = self._gradients(self._white(part)).transpose(1, 2).flatten(0, 1)
            gram = slopes.T @ slopes if gram is None else gram + slopes.T @ slopes
        assert gram is not None
        values, vectors = torch.linalg.eigh(gram / len(samples))
        keep = values > _TEST_CUT**2 * values[-1]
        self.whiten = vectors[:, keep] / values[keep].sqrt()  # (T, T′)

    def _white(self, x: Tensor) -> Tensor:
        """The points in whitened coordinates of their support: ``(n, k·d)`` → ``(n, D)``."""
        geometry = self.frame.geometry
        u = (x.reshape(x.shape[0], *self.frame.objects) - geometry.mean) @ geometry.inputs.whiten.T
        return u.flatten(1) if geometry.support is None else u.flatten(1) @ geometry.support

    def _gradients(self, u: Tensor) -> Tensor:
        """∇(ωφ) = ω(∇φ − 2cφu) ``(n, T, D)`` of the test functions under the window ω."""
        n, r = u.shape
        units = torch.eye(r, dtype=u.dtype).expand(n, r, r)
        parts = [test.push(u, units) - test(u)[:, :, None] * u[:, None] * 2 * _rate(r) for test in self.tests]
        return torch.cat(parts, 1) * _window(u)[:, :, None]

    def values(self, x: Tensor) -> Tensor:
        """The test functions under the window, ωφ ``(n, T)``."""
        u = self._white(x)
        return torch.cat([test(u) for test in self.tests], 1) * _window(u)

    def sums(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Σ K^{-1/2}∇(ωφ)·ξ ``(T′, p)`` and Σ ξᵀG⁻¹ξ ``(p, p)`` over points ``(n, D)``."""
        frame = self.frame
        k, d = frame.objects
        p = frame.space.dim
        b = x.new_zeros(self.whiten.shape[1], p)
        s = x.new_zeros(p, p)
        for part in torch.split(x, max(1, min(_CHUNK, 2**22 // (p * k * d)))):
            n = part.shape[0]
            xi = finite_fields(frame.space, part.reshape(n * k, d)).reshape(n, k, p, d).transpose(1, 2)
            white = (xi @ frame.geometry.inputs.whiten.T).flatten(2)
            if frame.geometry.support is not None:
                white = white @ frame.geometry.support
            s += torch.einsum("npD,nqD->pq", white, white)
            u = self._white(part)
            window = _window(u)
            outward = window * 2 * _rate(u.shape[1]) * torch.einsum("nD,npD->np", u, white)
            inside = window[:, :, None] * white
            b += self.whiten.T @ torch.cat([t.total_push(u, inside) - t(u).T @ outward for t in self.tests])
        return b, s


def _rate(rank: int) -> float:
    """Rate c of the window e^{−c|u|²}: ½, and less beyond four dimensions, where it would leave few points."""
    return min(0.5, 2.0 / rank)


def _window(u: Tensor) -> Tensor:
    """ω = e^{−c|u|²} ``(n, 1)``.

    Far out a rotation moves points fast, so that the means of what it does there are noisy: with the window the
    standard deviation of ρ² is 0.6 times that without.
    """
    return torch.exp(-_rate(u.shape[1]) * u.square().sum(1, keepdim=True))


class WeakSide:
    """One half of the points: a :class:`~symfind.decision.bounds.Side`."""

    def __init__(self, half: Half, form: WeakForm) -> None:
        self.half, self.form = half, form
        sums = [form.sums(half.samples.x[half.block == i]) for i in range(half.blocks)]
        self.b = torch.stack([b for b, _ in sums])  # (B, T′, p)
        self.s = torch.stack([s for _, s in sums])
        self.count = torch.bincount(half.block, minlength=half.blocks).double()

    @property
    def blocks(self) -> int:
        """Number B of blocks."""
        return int(self.count.shape[0])

    def directions(self) -> GeneralisedSpectrum:
        """Directions of the plain, not debiased form."""
        return _plain_spectrum(self.b.sum(0), self.s.sum(0), float(self.count.sum()))

    def along(self, vectors: Tensor) -> WeakAlong:
        """The form in the directions ``(P, K)``."""
        return WeakAlong(self, vectors)


class WeakAlong:
    """Blockwise sums in K directions."""

    def __init__(self, side: WeakSide, vectors: Tensor) -> None:
        self._b = side.b @ vectors  # (B, T′, K)
        self._s = vectors.T @ side.s @ vectors
        self._count = side.count
        self._total = self._b.sum(0)
        self._own = self._b.mT @ self._b
        self._slopes, self._kept = self._projections()

    def _projections(self) -> tuple[Tensor, Tensor]:
        """gᵢ = Σ_{j≠i} (bᵢᵀbⱼ + bⱼᵀbᵢ)/2 ``(B, K, K)``, and what share of it is more than noise ``(K, K)``.

        With weights 1 + ε the mean over pairs moves by 2 Σ εᵢ gᵢ + Σ εᵢεⱼ hᵢⱼ. The second sum has the variance of the
        noise in the pairs; the first holds that noise twice over, since every gᵢ is itself a sum of B − 1 noisy pairs,
        and would make a bound on a true symmetry wider by √3. So Σᵢ gᵢ² is taken less Σ_{i≠j} hᵢⱼ² (Hoeffding 1948).
        """
        cross = self._b.mT @ self._total
        g = (cross + cross.mT) / 2 - self._own
        square = torch.zeros_like(g[0])
        for left in torch.split(self._b, 16):
            h = torch.einsum("itK,jtL->ijKL", left, self._b)
            square += ((h + h.mT) / 2).square().sum((0, 1))
        noise = square - self._own.square().sum(0)
        spread = g.square().sum(0)
        return g, (1 - noise / spread.clamp(min=1e-300)).clamp(0, 1).sqrt()

    def grams(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Means of b_iᵀb_j over pairs of blocks i ≠ j, whose sampling noise is independent; E‖ξ‖² below.

        Every block is a fold of its own: over F folds the variance of the mean is F/(F − 1) times the least one.
        """
        total = torch.einsum("rb,btK->rtK", weights, self._b)
        own = torch.einsum("rb,bKL->rKL", weights.square(), self._own)
        return (total.mT @ total - own) / self._pairs(weights), self._mass(weights)

    def draws(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The same, spread as the estimate itself is: noise that weights would count twice is taken out."""
        shift = weights / weights.mean(1, keepdim=True) - 1
        moved = torch.einsum("rb,btK->rtK", shift, self._b)
        own = torch.einsum("rb,bKL->rKL", shift.square(), self._own)
        fixed = self._total.mT @ self._total - self._own.sum(0)
        linear = 2 * torch.einsum("rb,bKL->rKL", shift, self._slopes)
        numerator = fixed + self._kept * linear + (moved.mT @ moved - own)
        return numerator / self._pairs(1 + shift), self._mass(weights)

    def _pairs(self, weights: Tensor) -> Tensor:
        mass = (weights @ self._count)[:, None, None]
        return mass.square() - (weights.square() @ self._count.square())[:, None, None]

    def _mass(self, weights: Tensor) -> Tensor:
        return torch.einsum("rb,bKL->rKL", weights, self._s) / (weights @ self._count)[:, None, None]

    def misfit(self) -> list[Tensor]:
        """Nothing was fitted."""
        return []

    def untested(self) -> tuple[float, float]:
        """Nothing was fitted."""
        return 0.0, 0.0


def _plain_spectrum(b: Tensor, s: Tensor, count: float) -> GeneralisedSpectrum:
    values, vectors = torch.linalg.eigh(s / count)
    root = (vectors * values.clamp(min=0).sqrt()).T
    return generalised_spectrum(b / count, root, trivial_cut=1e-7)


def evidence_of_points(frame: Frame, samples: Samples, generator: torch.Generator) -> Evidence:
    """The weak form over all points, and over two halves of them."""
    enough_rows(frame, len(samples))
    split = halves(samples, generator)
    form = WeakForm(frame, samples, generator)
    doubts: tuple[str, ...] = ()
    sides = None
    if split is None:
        doubts = ("all points are of one group: nothing can be said beyond it",)
        b, s = form.sums(samples.x)
    else:
        sides = (WeakSide(split[0], form), WeakSide(split[1], form))
        b = sides[0].b.sum(0) + sides[1].b.sum(0)
        s = sides[0].s.sum(0) + sides[1].s.sum(0)
    spectrum = _plain_spectrum(b, s, len(samples))
    evidence = Evidence(
        frame.space,
        Invariant(),
        spectrum,
        sides,
        WithinData(),
        given=False,
        pooled=True,
        doubts=doubts,
        rank=spectrum.values.shape[0],
        messages=(f"{form.whiten.shape[1]} test functions: " + " and ".join(t.name for t in form.tests),),
        bracket_points=samples.x[:400].reshape(-1, frame.objects[1]),
    )
    return replace(evidence, judge=TwoSampleJudge(frame, evidence, samples, TwoSampleSettings()))
