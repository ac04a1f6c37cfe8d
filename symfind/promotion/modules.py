"""F = φᵀW as torch modules that can be saved as TorchScript and need nothing but torch."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from symfind.fits.features import PolynomialFeatures
from symfind.promotion.library import LibraryFeatures


class PolynomialModule(nn.Module):
    """x ↦ Σ_α W_α z^α, z = (x − mean)/scale: each monomial is an earlier one times a coordinate.

    Parameters
    ----------
    features
        All monomials up to a degree, by degree.
    weights
        ``(f, m)``.
    output_shape
        Of one value.
    """

    mean: Tensor
    scale: Tensor
    parents: Tensor
    factors: Tensor
    # Declared for TorchScript, which cannot tell what an empty list would hold.
    levels: list[int]
    output_shape: list[int]

    def __init__(self, features: PolynomialFeatures, weights: Tensor, output_shape: Sequence[int]) -> None:
        super().__init__()
        d = features.exponents.shape[1]
        places = {tuple(alpha): i for i, alpha in enumerate(features.exponents.tolist())}
        parents, factors = [], []
        levels = [0] * max(0, features.degree - 1)
        for alpha in features.exponents.tolist()[1 + d :]:
            first = next(i for i, power in enumerate(alpha) if power)
            parents.append(places[tuple(power - (i == first) for i, power in enumerate(alpha))])
            factors.append(first)
            levels[sum(alpha) - 2] += 1
        self.levels = levels
        self.output_shape = list(output_shape)
        self.register_buffer("mean", features.standard.mean.clone())
        self.register_buffer("scale", features.standard.scale.clone())
        self.register_buffer("parents", torch.tensor(parents, dtype=torch.int64))
        self.register_buffer("factors", torch.tensor(factors, dtype=torch.int64))
        self.weight = nn.Parameter(weights.clone())

    def forward(self, x: Tensor) -> Tensor:
        """F(x) ``(n, *output_shape)``."""
        z = (x.reshape(x.size(0), -1) - self.mean) / self.scale
        terms = torch.cat([torch.ones_like(z[:, :1]), z], 1)
        start = 0
        for size in self.levels:
            parents, factors = self.parents[start : start + size], self.factors[start : start + size]
            terms = torch.cat([terms, terms.index_select(1, parents) * z.index_select(1, factors)], 1)
            start += size
        return (terms @ self.weight).reshape([x.size(0)] + self.output_shape)


class LibraryModule(nn.Module):
    """x ↦ Σ_f W_f φ_f(x) for typed formulas; to be traced, since a syntax tree cannot be scripted."""

    def __init__(self, features: LibraryFeatures, weights: Tensor, output_shape: Sequence[int]) -> None:
        super().__init__()
        self._formulas = features.formulas
        self._output_shape = tuple(output_shape)
        self.weight = nn.Parameter(weights.clone())

    def forward(self, x: Tensor) -> Tensor:
        """F(x) ``(n, *output_shape)``."""
        flat = x.reshape(x.shape[0], -1)
        values = dict(zip(self._formulas[0].variables, flat.unbind(-1), strict=True))
        columns = torch.stack([formula(values) for formula in self._formulas], -1)
        return (columns @ self.weight).reshape((x.shape[0], *self._output_shape))


def module_of(
    features: PolynomialFeatures | LibraryFeatures, weights: Tensor, x: Tensor, output_shape: Sequence[int]
) -> nn.Module:
    """The module of a fit; ``x`` are a few rows of the shape it will be given."""
    if isinstance(features, PolynomialFeatures):
        return PolynomialModule(features, weights, output_shape)
    module = LibraryModule(features, weights, output_shape).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the numbers of a formula are constants of the trace, as they should be
        traced: nn.Module = torch.jit.trace(module, (x,))  # type: ignore[no-untyped-call]
    return traced


class StandardisedNetwork(nn.Module):
    """x ↦ mean_y + scale_y · net((x − mean)/scale), so that the network itself works in standard units."""

    mean: Tensor
    scale: Tensor
    output_mean: Tensor
    output_scale: Tensor
    output_shape: list[int]

    def __init__(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], hidden: Sequence[int], output_shape: Sequence[int]
    ) -> None:
        super().__init__()
        for name, value in zip(("mean", "scale", "output_mean", "output_scale"), (*inputs, *outputs), strict=True):
            self.register_buffer(name, value.clone())
        self.output_shape = list(output_shape)
        widths = [inputs[0].shape[0], *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(before, after, dtype=torch.float64), nn.SiLU()]
        self.net = nn.Sequential(*layers, nn.Linear(widths[-1], outputs[0].shape[0], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """F(x) ``(n, *output_shape)``."""
        z = (x.reshape(x.size(0), -1) - self.mean) / self.scale
        y: Tensor = self.net(z) * self.output_scale + self.output_mean
        return y.reshape([x.size(0)] + self.output_shape)
