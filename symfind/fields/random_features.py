"""tanh(⟨w_i, z⟩ + b_i) ∂_a: random features as components of vector fields, z in units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.fields.taylor import Series, tanh
from symfind.fields.typeset import sum_text

# Features of this spread are nearly affine over the data, and 200 of them hold the fields of low degree to 1e-6 (KdV's
# algebra: defects 7e-6, the next 6e-3); with 0.7 they hold them to 3e-3, with near symmetries beside.
_SPREAD = 0.3


@dataclass(frozen=True)
class RandomFeatureFields:
    """The span of tanh(⟨w_i, (x − mean)/scale⟩ + b_i) ∂_a over m features and d directions, and the constants ∂_a.

    Attributes
    ----------
    name, d, has_constants
        As in :class:`~symfind.fields.space.VectorFieldSpace`.
    weights, offsets
        ``(d, m)`` and ``(m,)``.
    mean, scale
        ``(d,)``.
    """

    name: str
    d: int
    weights: Tensor
    offsets: Tensor
    mean: Tensor
    scale: Tensor
    has_constants: bool = True

    @classmethod
    def draw(cls, name: str, d: int, features: int, spread: float = _SPREAD) -> RandomFeatureFields:
        """Features drawn from a fixed seed, w with a standard deviation of ``spread``."""
        generator = torch.Generator().manual_seed(20)
        weights = spread * torch.randn(d, features, generator=generator, dtype=torch.float64)
        offsets = torch.randn(features, generator=generator, dtype=torch.float64)
        zero = torch.zeros(d, dtype=torch.float64)
        return cls(name, d, weights, offsets, zero, torch.ones(d, dtype=torch.float64))

    @property
    def dim(self) -> int:
        """(m + 1)·d fields."""
        return (self.weights.shape[1] + 1) * self.d

    def _arguments(self, x: Tensor) -> Tensor:
        return ((x - self.mean.to(x)) / self.scale.to(x)) @ self.weights.to(x) + self.offsets.to(x)

    def _features(self, x: Tensor) -> Tensor:
        """1 and the features ``(n, m + 1)``."""
        value = torch.tanh(self._arguments(x))
        return torch.cat([torch.ones_like(value[:, :1]), value], 1)

    def _fields(self, features: Tensor) -> Tensor:
        """Features ``(…, m + 1)`` times each direction ``(…, p, d)``."""
        unit = torch.eye(self.d, dtype=features.dtype, device=features.device)
        return torch.einsum("...f,ab->...fab", features, unit).flatten(-3, -2)

    def evaluate(self, x: Tensor) -> Tensor:
        """ξᵢ(x): ``(n, d)`` → ``(n, p, d)``."""
        return self._fields(self._features(x))

    def on_series(self, x: Series) -> Series:
        """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``."""
        z = (x - self.mean) * (1.0 / self.scale)
        value = tanh(z.linear(lambda c: c @ self.weights) + self.offsets)
        one = torch.zeros_like(value.coefficients[..., :1])
        one[0] = 1.0
        return Series(x.truncation, self._fields(torch.cat([one, value.coefficients], -1)))

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξᵢ(x)·v ``(n, p, d)``."""
        slope = (1 - torch.tanh(self._arguments(x)).square()) * ((v / self.scale.to(x)) @ self.weights.to(x))
        return self._fields(torch.cat([torch.zeros_like(slope[:, :1]), slope], 1))

    def jacobian(self, x: Tensor) -> Tensor:
        """∂(ξᵢ)_a/∂x_b ``(n, p, d, d)``."""
        units = torch.eye(self.d, dtype=x.dtype, device=x.device)
        return torch.stack([self.along(x, unit.expand_as(x)) for unit in units], -1)

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩ ``(n, m, p)`` for w ``(n, m, d)``."""
        return torch.einsum("nf,nmd->nmfd", self._features(x), covectors).flatten(2)

    def centred(self, mean: Tensor, scale: Tensor) -> RandomFeatureFields:
        """The features of the data's units; the span is another one, as random as before."""
        return replace(self, mean=mean.to(self.weights), scale=scale.to(self.weights))

    def table(self, coefficients: Tensor) -> Tensor:
        """The coefficients themselves ``(k, p)``."""
        return coefficients.T

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """``f3 ∂x`` for tanh of the third argument, ``∂x`` for the constant."""
        features = ["", *(f"f{i + 1} " for i in range(self.weights.shape[1]))]
        return [f"{f}∂{c}" for f in features for c in coordinates]

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢξᵢ, its twelve largest terms."""
        names = self.names(coordinates)
        largest = coefficients.abs().argsort(descending=True)[:12].sort().values.tolist()
        text = sum_text([(float(coefficients[i]), names[i]) for i in largest], latex=latex)
        return text if len(largest) == len(names) else f"{text} + …"
