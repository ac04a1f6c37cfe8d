"""ξ_k = σ ⊙ (H_k · (1, h(z))), z = (x − μ)/σ: vector fields from the last hidden layer h of a network.

Every component is linear in the head H, so that the best head for given hidden layers is a generalised eigenvalue
problem; with a free head the fields h_f ∂_a and ∂_a are a space like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.fields.taylor import Series, tanh
from symfind.fields.typeset import sum_text

# First-layer slopes in units of the data: nearly affine units, of which many resolve a field of low degree (KdV's
# algebra before any training: cosines of 0.999, with 0.35 of 0.98, with 0.5 of 0.92).
_FIRST = 0.2


@dataclass(frozen=True)
class NeuralFields:
    """p vector fields on R^d that share hidden layers.

    Attributes
    ----------
    name, d
        As in :class:`~symfind.fields.space.VectorFieldSpace`.
    layers
        Weights ``(a, b)`` and offsets ``(b,)`` of each hidden layer, tanh after each.
    head
        ``(1 + H, p, d)``, the constants first.
    mean, scale
        ``(d,)``, units of the data.
    has_constants
        Whether the constant fields lie in the span.
    """

    name: str
    d: int
    layers: tuple[tuple[Tensor, Tensor], ...]
    head: Tensor
    mean: Tensor
    scale: Tensor
    has_constants: bool = False

    @classmethod
    def draw(
        cls, d: int, fields: int, widths: Sequence[int], generator: torch.Generator, name: str = "neural"
    ) -> NeuralFields:
        """Layers and head drawn at random."""
        layers = []
        fan = d
        for i, width in enumerate(widths):
            size = _FIRST if i == 0 else fan**-0.5
            weights = size * torch.randn(fan, width, generator=generator, dtype=torch.float64)
            offsets = torch.randn(width, generator=generator, dtype=torch.float64) * (1.0 if i == 0 else 0.3)
            layers.append((weights, offsets))
            fan = width
        head = torch.randn(fan + 1, fields, d, generator=generator, dtype=torch.float64) / (fan + 1) ** 0.5
        zero = torch.zeros(d, dtype=torch.float64)
        return cls(name, d, tuple(layers), head, zero, torch.ones(d, dtype=torch.float64))

    @property
    def dim(self) -> int:
        """Number p of fields."""
        return self.head.shape[1]

    @property
    def parameters(self) -> list[Tensor]:
        """What is learned: layers, then the head."""
        return [*(p for layer in self.layers for p in layer), self.head]

    def with_parameters(self, values: Sequence[Tensor]) -> NeuralFields:
        """The same network with other numbers, in the order of :attr:`parameters`."""
        pairs = tuple((values[2 * i], values[2 * i + 1]) for i in range(len(self.layers)))
        return replace(self, layers=pairs, head=values[-1])

    def opened(self) -> NeuralFields:
        """The space of all heads: h_f ∂_a and ∂_a, in units of the data."""
        features = self.head.shape[0]
        head = torch.eye(features * self.d, dtype=self.head.dtype).reshape(features * self.d, features, self.d)
        return replace(self, head=head.transpose(0, 1).contiguous(), has_constants=True)

    def combined(self, vectors: Tensor) -> NeuralFields:
        """The k fields Σ_i vectors[i, k] ξ_i, for vectors ``(p, k)``."""
        return replace(self, head=torch.einsum("fpd,pk->fkd", self.head, vectors), has_constants=False)

    def _features(self, x: Tensor) -> Tensor:
        h = (x - self.mean.to(x)) / self.scale.to(x)
        for weights, offsets in self.layers:
            h = torch.tanh(h @ weights.to(x) + offsets.to(x))
        return torch.cat([torch.ones_like(h[..., :1]), h], -1)

    def _fields(self, features: Tensor) -> Tensor:
        return torch.einsum("...f,fpd->...pd", features, self.head.to(features)) * self.scale.to(features)

    def evaluate(self, x: Tensor) -> Tensor:
        """ξ ``(n, p, d)`` at points ``(n, d)``."""
        return self._fields(self._features(x))

    def on_series(self, x: Series) -> Series:
        """ξ ``(n, p, d)`` on the series x ``(n, d)``: all total derivatives, exact."""
        h = (x - self.mean) * (1.0 / self.scale)
        for weights, offsets in self.layers:
            h = tanh(h.linear(lambda c, w=weights: c @ w) + offsets)  # type: ignore[misc]
        one = torch.zeros_like(h.coefficients[..., :1])
        one[0] = 1.0
        return Series(x.truncation, self._fields(torch.cat([one, h.coefficients], -1)))

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξ(x)·v ``(n, p, d)``."""
        h, slope = (x - self.mean.to(x)) / self.scale.to(x), v / self.scale.to(x)
        for weights, offsets in self.layers:
            h = torch.tanh(h @ weights.to(x) + offsets.to(x))
            slope = (1 - h.square()) * (slope @ weights.to(x))
        return self._fields(torch.cat([torch.zeros_like(slope[..., :1]), slope], -1))

    def jacobian(self, x: Tensor) -> Tensor:
        """∂(ξ_k)_a/∂x_b ``(n, p, d, d)``."""
        units = torch.eye(self.d, dtype=x.dtype, device=x.device)
        return torch.stack([self.along(x, unit.expand_as(x)) for unit in units], -1)

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξ_k(x)⟩ ``(n, m, p)`` for w ``(n, m, d)``."""
        return torch.einsum("npd,nmd->nmp", self.evaluate(x), covectors)

    def centred(self, mean: Tensor, scale: Tensor) -> NeuralFields:
        """The network in the data's units."""
        return replace(self, mean=mean.to(self.head), scale=scale.to(self.head))

    def table(self, coefficients: Tensor) -> Tensor:
        """The coefficients themselves ``(k, p)``."""
        return coefficients.T

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """``ξ1``, ``ξ2``, …: a network has no formula that reads well."""
        return [f"ξ{i + 1}" for i in range(self.dim)]

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢξᵢ."""
        names = self.names(coordinates)
        return sum_text(list(zip(coefficients.tolist(), names, strict=True)), latex=latex)
