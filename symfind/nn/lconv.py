"""y = x W⁰ + Σᵢ Lᵢ x Wⁱ: convolution by a learned Lie algebra (L-conv; Dehmamy et al. 2021, arXiv 2109.07103, eq. 9).

A signal has m channels on d positions, x ``(n, m, d)``, or on an image, ``(n, m, H, W)`` with d = H·W. A generator L
is a d × d matrix that acts on positions alike in every channel. Axis letters: n signals, m channels, d positions,
k generators, r rank.
"""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

from collections.abc import Sequence
from math import prod
from typing import Optional

import torch
from torch import Tensor, nn

from symfind.errors import UsageError
from symfind.fields.plane import Grid, derivative_stencil


class Generators(nn.Module):
    """Linear maps x ↦ Lᵢx on positions, alike in every channel: ``(n, m, d)`` → ``(n, k, m, d)``.

    Attributes
    ----------
    count
        k.
    """

    count: int

    def matrices(self) -> Tensor:
        """The generators ``(k, d, d)``; for looking at them, not needed in a forward pass."""
        raise NotImplementedError


class FullGenerators(Generators):
    """Lᵢx with unrestricted Lᵢ: ``(n, m, d)`` → ``(n, k, m, d)``.

    Attributes
    ----------
    weight
        ``(k, d, d)``; a parameter, or a buffer where the generators are fixed.
    """

    weight: Tensor

    def __init__(self, matrices: Tensor, learned: bool = True) -> None:
        super().__init__()
        if matrices.dim() != 3 or matrices.shape[1] != matrices.shape[2]:
            raise UsageError(f"generators have shape {tuple(matrices.shape)}, expected (k, d, d)")
        if learned:
            self.weight = nn.Parameter(matrices.clone())
        else:
            self.register_buffer("weight", matrices.clone())
        self.count = matrices.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Lᵢx."""
        return torch.einsum("kde,nme->nkmd", self.weight, x)

    def matrices(self) -> Tensor:
        """The generators ``(k, d, d)``."""
        return self.weight


class LowRankGenerators(Generators):
    """Lᵢx = Uᵢ(Vᵢx) with Uᵢ ``(d, r)`` and Vᵢ ``(r, d)``: no d × d matrix is formed in a forward pass.

    Attributes
    ----------
    left
        U ``(k, d, r)``.
    right
        V ``(k, r, d)``.
    """

    def __init__(self, count: int, positions: int, rank: int) -> None:
        super().__init__()
        if not 1 <= rank <= positions:
            raise UsageError(f"the rank is {rank}, expected a number from 1 to {positions}, the number of positions")
        # Entries of UV then have the variance 1/d of the unrestricted start.
        self.left = nn.Parameter(torch.randn(count, positions, rank) / rank**0.5)
        self.right = nn.Parameter(torch.randn(count, rank, positions) / positions**0.5)
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """Lᵢx."""
        k, r, d = self.right.shape
        inner = (x @ self.right.reshape(k * r, d).T).reshape(x.shape[0], x.shape[1], k, r)
        return torch.einsum("kdr,nmkr->nkmd", self.left, inner)

    def matrices(self) -> Tensor:
        """The generators ``(k, d, d)``."""
        return self.left @ self.right


class FieldGenerators(Generators):
    """Lᵢx = −Σ_a (aᵢ + Bᵢp)_a ∂_a x: affine vector fields on the grid of positions p, six numbers each in the plane.

    Derivatives are applied along one axis at a time, by matrices (H, H) and (W, W).

    Attributes
    ----------
    coefficients
        ``(k, 2, 3)`` with ξ_a = c₀ + c₁x + c₂y in the plane (:mod:`symfind.fields.plane` says which x and y);
        ``(k, 1, 2)`` with ξ = c₀ + c₁s on a line, s in [−1, 1].
    """

    points: Tensor
    along: Tensor
    down: Tensor

    def __init__(self, count: int, shape: tuple[int, ...], stencil: str = "sinc") -> None:
        super().__init__()
        self.plane: bool = len(shape) == 2
        self.height: int = shape[0] if self.plane else 1
        self.width: int = shape[-1]
        self.count = count
        if self.plane:
            grid = Grid(shape[0], shape[1])
            along, down = grid.gradient_stencils(stencil)
            points = grid.points
        else:
            half = shape[0] / 2
            along, down = half * derivative_stencil(shape[0], stencil), torch.zeros(1, 1, dtype=torch.float64)
            points = ((torch.arange(shape[0], dtype=torch.float64) - (shape[0] - 1) / 2) / half)[:, None]
        kind = torch.get_default_dtype()
        homogeneous = torch.cat([torch.ones_like(points[:, :1]), points], 1).T  # (1 + axes, d)
        self.register_buffer("points", homogeneous.to(kind))
        self.register_buffer("along", along.T.contiguous().to(kind))
        self.register_buffer("down", down.to(kind))
        axes = 2 if self.plane else 1
        self.coefficients = nn.Parameter(torch.randn(count, axes, axes + 1) / (axes + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Lᵢx."""
        n, m, d = x.shape
        images = x.reshape(n, m, self.height, self.width)
        slopes = (images @ self.along).reshape(n, m, 1, d)
        if self.plane:
            slopes = torch.cat([slopes, (self.down @ images).reshape(n, m, 1, d)], 2)
        velocity = self.coefficients @ self.points  # (k, axes, d)
        return -torch.einsum("kad,nmad->nkmd", velocity, slopes)

    def matrices(self) -> Tensor:
        """The generators ``(k, d, d)``."""
        d = self.points.shape[1]
        unit = torch.eye(d, dtype=self.points.dtype, device=self.points.device)
        return self.forward(unit[:, None]).squeeze(2).permute(1, 2, 0)


class LConv(nn.Module):
    """y = x W⁰ + Σᵢ Lᵢ x Wⁱ + b: ``(n, m, d)`` → ``(n, m′, d)``, or ``(n, m, H, W)`` → ``(n, m′, H, W)``.

    Parameters
    ----------
    in_channels, out_channels
        m and m′.
    shape
        Of the positions: ``(d,)`` or ``(H, W)``.
    generators
        k.
    parametrisation
        ``"full"``: Lᵢ any d × d matrix; ``"low-rank"``: Lᵢ = UᵢVᵢ; ``"field"``: affine vector fields on the grid.
    rank
        r, for ``"low-rank"`` only.
    stencil
        How a field differentiates: ``sinc``, ``central`` or ``smoothed``.
    bias
        Whether b is added.

    Attributes
    ----------
    generators
        A module x ↦ Lᵢx, ``(n, m, d)`` → ``(n, k, m, d)``, with ``matrices()``; may be shared between layers.
    weight
        W⁰ … W^k as one matrix ``(m′, (1 + k)·m)``, acting on x, L₁x, …, L_kx side by side.

    Raises
    ------
    UsageError
        For an unknown parametrisation, or a rank without ``"low-rank"``.

    Examples
    --------
    >>> LConv(3, 5, (8, 8), generators=2, parametrisation="low-rank", rank=4)(torch.zeros(7, 3, 8, 8)).shape
    torch.Size([7, 5, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        shape: Sequence[int],
        generators: int = 1,
        parametrisation: str = "full",
        rank: Optional[int] = None,  # noqa: UP045
        stencil: str = "sinc",
        bias: bool = True,
    ) -> None:
        super().__init__()
        grid = tuple(shape)
        if len(grid) not in (1, 2) or min(grid) < 1:
            raise UsageError(f"the shape is {grid}, expected (d,) for signals or (H, W) for images")
        if (rank is not None) != (parametrisation == "low-rank"):
            raise UsageError(f'rank={rank} with parametrisation="{parametrisation}": a rank goes with "low-rank" only')
        d = prod(grid)
        if parametrisation == "full":
            self.generators: Generators = FullGenerators(torch.randn(generators, d, d) / d**0.5)
        elif parametrisation == "low-rank":
            self.generators = LowRankGenerators(generators, d, rank or 1)
        elif parametrisation == "field":
            self.generators = FieldGenerators(generators, grid, stencil)
        else:
            raise UsageError(f'parametrisation is "{parametrisation}", expected full, low-rank or field')
        self._mixing(in_channels, out_channels, generators, bias)

    @classmethod
    def of(cls, generators: Generators, in_channels: int, out_channels: int, bias: bool = True) -> "LConv":
        """L-conv by given generators: fixed matrices, or those of another layer, which are then shared."""
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        layer.generators = generators
        layer._mixing(in_channels, out_channels, generators.count, bias)
        return layer

    def _mixing(self, in_channels: int, out_channels: int, count: int, bias: bool) -> None:
        fan = (1 + count) * in_channels
        self.weight = nn.Parameter(torch.randn(out_channels, fan) / fan**0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels, 1)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, of the shape of x but for its channels."""
        flat = x.flatten(2)  # (n, m, d)
        moved = self.generators(flat).flatten(1, 2)  # (n, k·m, d)
        bias = self.bias
        # A convolution by single points is one product for the whole batch, twice as fast as one for each signal.
        y = nn.functional.conv1d(
            torch.cat([flat, moved], 1), self.weight.unsqueeze(2), None if bias is None else bias.flatten()
        )
        if x.dim() == 4:
            return y.reshape(x.shape[0], y.shape[1], x.shape[2], x.shape[3])
        return y


class ResidualLConv(nn.Module):
    """y = x + φ(L-conv(x)), for m′ = m; repeated with the same weights when ``steps`` > 1.

    Without φ, ``steps`` of x + (t/steps) Lx approximate exp(tL)x: the recurrent form follows a finite transformation.

    Parameters
    ----------
    layer
        With as many channels out as in.
    steps
        How often it is applied.
    activation
        φ; the identity by default.

    Raises
    ------
    UsageError
        If the layer changes the number of channels.
    """

    def __init__(self, layer: LConv, steps: int = 1, activation: Optional[nn.Module] = None) -> None:  # noqa: UP045
        super().__init__()
        out, fan = layer.weight.shape
        if fan != (1 + layer.generators.count) * out:
            raise UsageError("a residual L-conv needs as many channels out as in")
        if steps < 1:
            raise UsageError(f"steps is {steps}, expected at least 1")
        self.layer = layer
        self.steps: int = steps
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        """The signal after all steps."""
        for _ in range(self.steps):
            x = x + self.activation(self.layer(x))
        return x


class InvariantPool(nn.Module):
    """Pooling over positions, ``(n, m, d)`` or ``(n, m, H, W)`` → ``(n, m)``.

    ``mean`` is invariant where each L has columns that sum to zero (permutations, flows without divergence), ``max``
    under permutations, ``norm`` (root mean square) where each L is antisymmetric.
    """

    def __init__(self, kind: str = "mean") -> None:
        super().__init__()
        if kind not in ("mean", "max", "norm"):
            raise UsageError(f'the pooling is "{kind}", expected mean, max or norm')
        self.kind: str = kind

    def forward(self, x: Tensor) -> Tensor:
        """One number a channel."""
        flat = x.flatten(2)
        if self.kind == "max":
            return flat.amax(2)
        if self.kind == "norm":
            return flat.square().mean(2).sqrt()
        return flat.mean(2)
