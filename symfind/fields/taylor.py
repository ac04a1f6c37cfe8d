"""f(z₀ + δ) = Σ_J f_J δ^J: truncated power series in several variables, for many points at once.

The coefficients run over a set of multi-indices that holds with J every K ≤ J, so that products and compositions
stay inside it. A field ξ(t, x, u) put on the series of a solution u gives all its total derivatives D_J ξ at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

Index = tuple[int, ...]


@dataclass(frozen=True)
class Truncation:
    """A set of multi-indices J with every K ≤ J among them.

    Attributes
    ----------
    indices
        Ascending in |J|; the first is zero.
    """

    indices: tuple[Index, ...]

    @classmethod
    def below(cls, tops: Iterable[Index]) -> Truncation:
        """All K ≤ J for some J of ``tops``."""
        found = {k for top in tops for k in product(*(range(a + 1) for a in top))}
        return cls(tuple(sorted(found, key=lambda j: (sum(j), j))))

    @property
    def degree(self) -> int:
        """The largest |J|."""
        return max(map(sum, self.indices))

    @cached_property
    def place(self) -> Mapping[Index, int]:
        """Where each J stands."""
        return {j: i for i, j in enumerate(self.indices)}

    @cached_property
    def pairs(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each J the places of all (K, L) with K + L = J."""
        return tuple(
            tuple(
                (self.place[k], self.place[tuple(a - b for a, b in zip(j, k, strict=True))])
                for k in product(*(range(a + 1) for a in j))
            )
            for j in self.indices
        )

    @cached_property
    def factorials(self) -> Tensor:
        """J! ``(N,)``: coefficient times J! is the derivative."""
        return torch.tensor([math.prod(map(math.factorial, j)) for j in self.indices], dtype=torch.float64)


class Series:
    """Power series of tensors: Σ_J c_J δ^J.

    Parameters
    ----------
    truncation
        The multi-indices.
    coefficients
        ``(N, *shape)``, one tensor for each multi-index.
    """

    def __init__(self, truncation: Truncation, coefficients: Tensor) -> None:
        self.truncation, self.coefficients = truncation, coefficients

    @property
    def value(self) -> Tensor:
        """The constant term ``shape``."""
        return self.coefficients[0]

    @property
    def derivatives(self) -> Tensor:
        """D_J at the point ``(N, *shape)``: coefficients times J!."""
        c = self.coefficients
        return c * self.truncation.factorials.to(c).reshape(-1, *(1 for _ in c.shape[1:]))

    def linear(self, map_: Callable[[Tensor], Tensor]) -> Series:
        """A linear map on ``(…, *shape)`` that leaves leading axes alone, applied to every coefficient."""
        return Series(self.truncation, map_(self.coefficients))

    def __add__(self, other: Series | Tensor | float) -> Series:
        """Sum."""
        if isinstance(other, Series):
            return Series(self.truncation, self.coefficients + other.coefficients)
        first = self.coefficients[:1] + other
        return Series(self.truncation, torch.cat([first, self.coefficients[1:].expand(-1, *first.shape[1:])]))

    __radd__ = __add__

    def __neg__(self) -> Series:
        """Negative."""
        return Series(self.truncation, -self.coefficients)

    def __sub__(self, other: Series | Tensor | float) -> Series:
        """Difference."""
        return self + (-other)

    def __rsub__(self, other: Tensor | float) -> Series:
        """Difference from a constant."""
        return (-self) + other

    def __mul__(self, other: Series | Tensor | float) -> Series:
        """Cauchy product."""
        if not isinstance(other, Series):
            return Series(self.truncation, self.coefficients * other)
        # Unbound once: the gradient of a[i] would be as large as a for every i.
        a, b = self.coefficients.unbind(0), other.coefficients.unbind(0)
        return Series(self.truncation, torch.stack(_cauchy(self.truncation, a, b)))

    __rmul__ = __mul__

    def __truediv__(self, other: Series | Tensor | float) -> Series:
        """Quotient."""
        return self * power(other, -1.0) if isinstance(other, Series) else self * (1.0 / other)

    def __rtruediv__(self, other: Tensor | float) -> Series:
        """Quotient of a constant."""
        return power(self, -1.0) * other

    def __pow__(self, exponent: Series | Tensor | float) -> Series:
        """Power; whole ones by products, so that they hold at zero too."""
        if isinstance(exponent, Series):
            return exp(exponent * log(self))
        if isinstance(exponent, Tensor):
            return exp(log(self) * exponent)
        if exponent == int(exponent) and 0 <= exponent <= 16:
            out = Series(self.truncation, torch.zeros_like(self.coefficients)) + 1.0
            for _ in range(int(exponent)):
                out = out * self
            return out
        return power(self, exponent)

    def __rpow__(self, base: Tensor | float) -> Series:
        """A constant to a series."""
        return exp(self * torch.log(torch.as_tensor(base, dtype=self.coefficients.dtype)))


def _cauchy(truncation: Truncation, a: Sequence[Tensor | None], b: Sequence[Tensor]) -> list[Tensor]:
    """Coefficients of a product; None is zero."""
    out = []
    for pairs in truncation.pairs:
        terms = [left * b[j] for i, j in pairs if (left := a[i]) is not None]
        total = terms[0] if terms else torch.zeros_like(b[0])
        for term in terms[1:]:
            total = total + term
        out.append(total)
    return out


def variables(truncation: Truncation, derivatives: Mapping[Index, Tensor]) -> Series:
    """The series with given derivatives D_J ``(*shape)``; every J of the truncation is looked up."""
    parts = torch.stack([derivatives[j] for j in truncation.indices])
    scale = truncation.factorials.to(parts).reshape(-1, *(1 for _ in parts.shape[1:]))
    return Series(truncation, parts / scale)


def joined(parts: Sequence[Series]) -> Series:
    """Series of shapes ``(…, a)`` and ``(…, b)`` side by side, ``(…, a + b)``."""
    return Series(parts[0].truncation, torch.cat([p.coefficients for p in parts], -1))


def stacked(parts: Sequence[Series]) -> Series:
    """Series of one shape along a new last axis."""
    return Series(parts[0].truncation, torch.stack([p.coefficients for p in parts], -1))


def composed(inner: Series, outer: Callable[[Tensor, int], Sequence[Tensor]]) -> Series:
    """h(s): ``outer(s₀, m)`` gives the Taylor coefficients h_0 … h_m of h at s₀, m the largest order kept.

    Powers of s − s₀ beyond m vanish in the truncation, so Horner's rule ends exactly.
    """
    own = inner.coefficients.unbind(0)
    taylor = outer(own[0], inner.truncation.degree)
    if len(taylor) == 1:
        return Series(inner.truncation, taylor[0][None])
    out = [taylor[-2], *(part * taylor[-1] for part in own[1:])]
    step = [None, *own[1:]]
    for c in reversed(taylor[:-2]):
        out = _cauchy(inner.truncation, step, out)
        out[0] = c  # a power of the step has no constant
    return Series(inner.truncation, torch.stack(out))


def _exp(s: Tensor, m: int) -> list[Tensor]:
    value = torch.exp(s)
    return [value / math.factorial(k) for k in range(m + 1)]


def _cyclic(functions: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor, int], list[Tensor]]:
    """Taylor coefficients of a function whose derivatives go round a cycle."""

    def taylor(s: Tensor, m: int) -> list[Tensor]:
        values = [f(s) for f in functions]
        return [values[k % len(values)] / math.factorial(k) for k in range(m + 1)]

    return taylor


def _quadratic(
    a: float, b: float, c: float, value: Callable[[Tensor], Tensor]
) -> Callable[[Tensor, int], list[Tensor]]:
    """Taylor coefficients of y with y′ = a + by + cy²: tanh, tan, the logistic function."""

    def taylor(s: Tensor, m: int) -> list[Tensor]:
        y = [value(s)]
        for k in range(m):
            square = y[0] * y[k]
            for i in range(1, k + 1):
                square = square + y[i] * y[k - i]
            y.append(((a if k == 0 else 0.0) + b * y[k] + c * square) / (k + 1))
        return y

    return taylor


def power(s: Series, exponent: float) -> Series:
    """s^p for a real p."""

    def taylor(at: Tensor, m: int) -> list[Tensor]:
        out, binomial = [], 1.0
        for k in range(m + 1):
            out.append(binomial * at ** (exponent - k))
            binomial *= (exponent - k) / (k + 1)
        return out

    return composed(s, taylor)


def log(s: Series) -> Series:
    """Log s."""

    def taylor(at: Tensor, m: int) -> list[Tensor]:
        return [torch.log(at), *((-1.0) ** (k + 1) / (k * at**k) for k in range(1, m + 1))]

    return composed(s, taylor)


def exp(s: Series) -> Series:
    """Exp s."""
    return composed(s, _exp)


def tanh(s: Series) -> Series:
    """Tanh s."""
    return composed(s, _quadratic(1.0, 0.0, -1.0, torch.tanh))


def sigmoid(s: Series) -> Series:
    """1/(1 + exp(−s))."""
    return composed(s, _quadratic(0.0, 1.0, -1.0, torch.sigmoid))


def sin(s: Series) -> Series:
    """Sin s."""
    return composed(s, _cyclic((torch.sin, torch.cos, lambda x: -torch.sin(x), lambda x: -torch.cos(x))))


def cos(s: Series) -> Series:
    """Cos s."""
    return composed(s, _cyclic((torch.cos, lambda x: -torch.sin(x), lambda x: -torch.cos(x), torch.sin)))


# The functions a formula may use (symfind.fields.expressions), for series in place of tensors.
SERIES_FUNCTIONS: Mapping[str, Callable[[Series], Series]] = {
    "sin": sin,
    "cos": cos,
    "tan": lambda s: composed(s, _quadratic(1.0, 0.0, 1.0, torch.tan)),
    "exp": exp,
    "log": log,
    "sqrt": lambda s: power(s, 0.5),
    "abs": lambda s: s * torch.sign(s.value),
    "tanh": tanh,
    "sinh": lambda s: composed(s, _cyclic((torch.sinh, torch.cosh))),
    "cosh": lambda s: composed(s, _cyclic((torch.cosh, torch.sinh))),
}
