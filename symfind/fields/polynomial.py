"""ξ(x) = Σ_{α,a} T[α, a] z^α ∂_a with z = (x − μ)/s: polynomial vector fields, gl(d) and aff(d) among them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from symfind.fields.taylor import Series
from symfind.fields.typeset import field_text


def monomial_exponents(d: int, low: int, high: int) -> Tensor:
    """All exponents α ``(q, d)`` with low ≤ |α| ≤ high, by degree, then in the order x₁, x₂, …."""
    rows = [
        [chosen.count(i) for i in range(d)]
        for degree in range(low, high + 1)
        for chosen in itertools.combinations_with_replacement(range(d), degree)
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, d)


@dataclass(frozen=True)
class Monomials:
    """z^α for exponents that hold, with every α of degree two or more, each α − e_b with α_b > 0.

    Each monomial is its parent times one coordinate, and each derivative is another monomial times an integer, so both
    cost one product a monomial.

    Attributes
    ----------
    exponents
        ``(q, d)``, ascending in degree.
    """

    exponents: Tensor

    @cached_property
    def _places(self) -> dict[tuple[int, ...], int]:
        return {tuple(alpha): i for i, alpha in enumerate(self.exponents.tolist())}

    @cached_property
    def _lowest(self) -> tuple[bool, Tensor]:
        """Whether the constant is among the monomials, and the coordinates of those of degree one."""
        degrees = self.exponents.sum(1)
        return bool((degrees == 0).any()), self.exponents[degrees == 1].argmax(1)

    @cached_property
    def _levels(self) -> list[tuple[Tensor, Tensor]]:
        """For each degree from two: parents' places, and the coordinate each is multiplied with."""
        degrees = self.exponents.sum(1).tolist()
        levels = []
        for degree in range(2, max(degrees, default=0) + 1):
            parents, factors = [], []
            for alpha, total in zip(self.exponents.tolist(), degrees, strict=True):
                if total == degree:
                    b = next(i for i, a in enumerate(alpha) if a)
                    parents.append(self._places[tuple(a - (i == b) for i, a in enumerate(alpha))])
                    factors.append(b)
            levels.append((torch.tensor(parents), torch.tensor(factors)))
        return levels

    @cached_property
    def _lowered(self) -> list[tuple[Tensor, Tensor]]:
        """For each coordinate b: place of α − e_b (q, the constant, where that is not among the monomials), and α_b."""
        q, d = self.exponents.shape
        out = []
        for b in range(d):
            rows = [tuple(a - (i == b) for i, a in enumerate(alpha)) for alpha in self.exponents.tolist()]
            out.append((torch.tensor([self._places.get(r, q) for r in rows]), self.exponents[:, b].double()))
        return out

    def __call__(self, z: Tensor) -> Tensor:
        """z^α ``(…, q)`` for z ``(…, d)``."""
        constant, first = self._lowest
        parts = [torch.ones_like(z[..., :1])] if constant else []
        if len(first):
            parts.append(z[..., first.to(z.device)])
        out = torch.cat(parts, -1)
        for parents, factors in self._levels:
            out = torch.cat([out, out[..., parents.to(z.device)] * z[..., factors.to(z.device)]], -1)
        return out

    def on_series(self, z: Series) -> Series:
        """z^α ``(…, q)`` for a series z ``(…, d)``."""
        constant, first = self._lowest
        value = z.coefficients
        parts = []
        if constant:
            one = torch.zeros_like(value[..., :1])
            one[0] = 1.0
            parts.append(one)
        parts.append(value[..., first.to(value.device)])
        out = torch.cat(parts, -1)
        for parents, factors in self._levels:
            left = Series(z.truncation, out[..., parents.to(value.device)])
            right = Series(z.truncation, value[..., factors.to(value.device)])
            out = torch.cat([out, (left * right).coefficients], -1)
        return Series(z.truncation, out)

    def slope_of_sum(self, z: Tensor, weights: Tensor) -> Tensor:
        """∂/∂z_b Σ_α w_{αm} z^α ``(n, m, d)`` for z ``(n, d)``: a product of the monomials with their other weights."""
        value = self(z)
        padded = torch.cat([value, torch.ones_like(value[..., :1])], -1)
        lowered = weights.new_zeros(z.shape[1], padded.shape[1], weights.shape[1])
        for b, (place, power) in enumerate(self._lowered):
            lowered[b].index_add_(0, place.to(z.device), power.to(weights)[:, None] * weights)
        whole = padded @ lowered.permute(1, 2, 0).flatten(1)
        return whole.reshape(len(z), weights.shape[1], z.shape[1])

    def slopes(self, z: Tensor) -> list[Tensor]:
        """∂z^α/∂z_b ``(…, q)`` for each b."""
        value = self(z)
        padded = torch.cat([value, torch.ones_like(value[..., :1])], -1)
        return [padded[..., place.to(z.device)] * power.to(z) for place, power in self._lowered]


def powers_of_x(exponents: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Exponents ``(q′, d)`` and matrix ``(q′, q)`` that write ((x − μ)/s)^α in powers of x itself."""
    columns: list[dict[tuple[int, ...], float]] = []
    for alpha in exponents.tolist():
        column: dict[tuple[int, ...], float] = {}
        for beta in itertools.product(*(range(a + 1) for a in alpha)):
            weight = 1.0
            for a, b, mu, s in zip(alpha, beta, mean.tolist(), scale.tolist(), strict=True):
                weight *= math.comb(a, b) * (-mu) ** (a - b) / s**a
            if weight:
                column[beta] = weight
        columns.append(column)
    keys = sorted({beta for column in columns for beta in column}, key=lambda e: (sum(e), [-v for v in e]))
    matrix = torch.tensor([[column.get(key, 0.0) for column in columns] for key in keys], dtype=torch.float64)
    return torch.tensor(keys, dtype=torch.int64), matrix


@dataclass(frozen=True)
class PolynomialFields:
    """A span of polynomial vector fields.

    Attributes
    ----------
    name, d, has_constants
        As in :class:`~symfind.fields.space.VectorFieldSpace`.
    exponents
        ``(q, d)`` exponents of the monomials z^α, z = (x − mean)/scale.
    table_of_fields
        ``(p, q, d)``: ξᵢ = Σ table_of_fields[i, α, a] z^α ∂_a.
    mean, scale
        ``(d,)``; zero and one for fields tied to the origin.
    movable
        Whether the span is closed under moving the origin, and under rescaling single coordinates.
    """

    name: str
    d: int
    has_constants: bool
    exponents: Tensor
    table_of_fields: Tensor
    mean: Tensor
    scale: Tensor
    movable: tuple[bool, bool] = (False, False)

    @property
    def dim(self) -> int:
        """Number p of fields."""
        return self.table_of_fields.shape[0]

    @cached_property
    def _monomials(self) -> Monomials:
        return Monomials(self.exponents)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.mean.to(x)) / self.scale.to(x)

    def monomials(self, x: Tensor) -> Tensor:
        """z^α ``(n, q)``."""
        return self._monomials(self._z(x))

    def evaluate(self, x: Tensor) -> Tensor:
        """ξᵢ(x): ``(n, d)`` → ``(n, p, d)``."""
        return torch.einsum("nq,pqd->npd", self.monomials(x), self.table_of_fields.to(x))

    def on_series(self, x: Series) -> Series:
        """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``."""
        value = x.value
        monomials = self._monomials.on_series((x - self.mean.to(value)) * (1.0 / self.scale.to(value)))
        return monomials.linear(lambda m: torch.einsum("...nq,pqd->...npd", m, self.table_of_fields.to(value)))

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩ ``(n, m, p)`` for w ``(n, m, d)``: an outer product with the monomials, then the table."""
        n, m, d = covectors.shape
        outer = self.monomials(x)[:, None, :, None] * covectors[:, :, None, :]  # (n, m, q, d)
        return outer.flatten(2) @ self.table_of_fields.to(x).reshape(self.dim, -1).T

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξᵢ(x)·v ``(n, p, d)`` for v ``(n, d)``."""
        slope = x.new_zeros(x.shape[0], self.exponents.shape[0])
        for b, part in enumerate(self._monomials.slopes(self._z(x))):
            slope = slope + part * (v[:, b, None] / self.scale[b].to(x))
        return torch.einsum("nq,pqd->npd", slope, self.table_of_fields.to(x))

    def jacobian(self, x: Tensor) -> Tensor:
        """∂(ξᵢ)_a/∂x_b ``(n, p, d, d)``."""
        slopes = torch.stack(self._monomials.slopes(self._z(x)), -1) / self.scale.to(x)  # (n, q, d)
        p, q, d = self.table_of_fields.shape
        flat = slopes.transpose(1, 2).reshape(-1, q) @ self.table_of_fields.to(x).transpose(0, 1).reshape(q, p * d)
        return flat.reshape(-1, d, p, d).permute(0, 2, 3, 1)

    def centred(self, mean: Tensor, scale: Tensor) -> PolynomialFields:
        """The same span about ``mean`` in units of ``scale``, as far as it is closed under both."""
        shift, stretch = self.movable
        return replace(
            self,
            mean=mean.to(self.table_of_fields) if shift else self.mean,
            scale=scale.to(self.table_of_fields) if stretch else self.scale,
        )

    def constant_directions(self) -> Tensor:
        """The constant fields in the span as orthonormal columns ``(d, w)``."""
        varies = self.exponents.sum(1) > 0
        if bool(varies.all()):
            return torch.zeros(self.d, 0, dtype=torch.float64)
        _, sigma, vh = torch.linalg.svd(self.table_of_fields[:, varies].flatten(1).T)
        # Generators of a report carry the rounding of their numbers.
        rank = int((sigma > 1e-9 * self.table_of_fields.abs().max()).sum())
        u, size, _ = torch.linalg.svd((vh[rank:] @ self.table_of_fields[:, ~varies].sum(1)).T, full_matrices=False)
        columns: Tensor = u[:, size > 1e-9 * size.max()] if size.numel() else u
        return columns

    def plain(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Generators ``(p, k)`` in powers of x itself: exponents ``(q′, d)`` and tables ``(k, q′, d)``."""
        exponents, matrix = powers_of_x(self.exponents, self.mean, self.scale)
        return exponents, torch.einsum("rq,pqd,pk->krd", matrix, self.table_of_fields, coefficients.double().cpu())

    def table(self, coefficients: Tensor) -> Tensor:
        """Coefficients of x^α ∂_a for generators ``(p, k)``, as rows ``(k, q′·d)``."""
        return self.plain(coefficients)[1].flatten(1)

    def matrices(self) -> Tensor:
        """The linear part of each field in x itself, as matrices A ``(p, d, d)``."""
        out = torch.zeros(self.dim, self.d, self.d, dtype=self.table_of_fields.dtype)
        for q, alpha in enumerate(self.exponents.tolist()):
            if sum(alpha) == 1:
                b = alpha.index(1)
                out[:, :, b] = self.table_of_fields[:, q, :] / self.scale[b]
        return out

    @property
    def degree(self) -> int:
        """Largest degree of the monomials."""
        return int(self.exponents.sum(1).max())

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """Each basis field as text."""
        return [self.expression(row, coordinates) for row in torch.eye(self.dim, dtype=torch.float64)]

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢξᵢ as text, such as ``px ∂py − py ∂px``."""
        exponents, tables = self.plain(coefficients[:, None])
        return field_text(exponents, tables[0], coordinates, latex=latex)


def polynomial_fields(d: int, degree: int) -> PolynomialFields:
    """All vector fields on R^d with polynomial components of degree at most ``degree``."""
    exponents = monomial_exponents(d, 0, degree)
    name = {0: "translations", 1: "affine"}.get(degree, f"polynomial:{degree}")
    return _full(name, d, exponents, movable=(True, True), has_constants=True)


def box_fields(name: str, top: Sequence[int]) -> PolynomialFields:
    """All vector fields whose components are combinations of x^α with α_b ≤ top_b: of ∏ T_{α_b}(x_b)."""
    exponents = torch.tensor(
        sorted(itertools.product(*(range(a + 1) for a in top)), key=lambda e: (sum(e), [-v for v in e]))
    )
    return _full(name, len(top), exponents, movable=(True, True), has_constants=True)


def linear_fields(d: int) -> PolynomialFields:
    """gl(d): ξ = Ax, basis x_j ∂_i."""
    return _full("linear", d, monomial_exponents(d, 1, 1), movable=(False, True), has_constants=False)


def _full(name: str, d: int, exponents: Tensor, *, movable: tuple[bool, bool], has_constants: bool) -> PolynomialFields:
    q = exponents.shape[0]
    table = torch.eye(q * d, dtype=torch.float64).reshape(q * d, q, d)
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    return PolynomialFields(name, d, has_constants, exponents, table, zero, one, movable)


def matrix_fields(name: str, generators: Tensor, *, translations: bool = False) -> PolynomialFields:
    """ξ = Ax for A in the span of ``generators`` ``(p, d, d)``, with all translations in addition if asked.

    With translations the span is closed under moving the origin and is parametrised as A(x − μ) + b.
    """
    p, d, _ = generators.shape
    exponents = monomial_exponents(d, 0 if translations else 1, 1)
    extra = d if translations else 0
    table = torch.zeros(p + extra, exponents.shape[0], d, dtype=torch.float64)
    table[extra:, extra and 1 :, :] = generators.double().transpose(1, 2)
    if translations:
        table[:d, 0, :] = torch.eye(d, dtype=torch.float64)
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    return PolynomialFields(name, d, translations, exponents, table, zero, one, (translations, False))
