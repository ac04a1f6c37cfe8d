"""W = Σ cᵢbᵢ over a basis of Hom_G: layers that are equivariant by construction, and a network of them.

Axis letters: n points, c channels, u dimension of the representation of one channel, r products.
"""

import torch
from torch import Tensor, nn

from symfind.equivariance.coordinates import changed
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import Group
from symfind.lie.groups.intertwiners import HomSpace, intertwiners, invariants
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, trivial

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.


class EquivariantLinear(nn.Module):
    """x ↦ Wx + b with W in Hom_G(V, V′) and b invariant: ``(…, dim V)`` → ``(…, dim V′)``.

    The parameters are the coefficients in an orthonormal basis, so that training never leaves the space. A row of one
    number less than dim V is taken as (x, 1), as affine groups act on it; b is then part of W.

    Parameters
    ----------
    rep_in, rep_out
        V and V′, representations of one group.
    bias
        Whether there is b.
    dtype
        Of the parameters.
    """

    def __init__(
        self, rep_in: Representation, rep_out: Representation, bias: bool = True, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = rep_in, rep_out
        self.space = intertwiners(rep_in, rep_out)
        self.bias_space = invariants(rep_out)
        self.coefficients = nn.Parameter(torch.empty(self.space.dim, dtype=dtype))
        self.bias_coefficients = nn.Parameter(torch.zeros(self.bias_space.dim if bias else 0, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw W with E‖W‖² = dim V′, which gives unit variance to unit inputs; b = 0."""
        with torch.no_grad():
            size = (self.rep_out.dim / max(1, self.space.dim)) ** 0.5
            self.coefficients.normal_(0.0, size, generator=rng)
            self.bias_coefficients.zero_()

    @property
    def weight(self) -> Tensor:
        """W ``(dim V′, dim V)``, differentiable in the coefficients."""
        return self.space.matrix(self.coefficients)

    @property
    def bias(self) -> Tensor:
        """The vector b ``(dim V′,)``; zero where there is none."""
        if self.bias_coefficients.numel() == 0:
            return self.coefficients.new_zeros(self.rep_out.dim)
        return self.bias_space.matrix(self.bias_coefficients)[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """Wx + b."""
        weight = self.weight
        if x.shape[-1] == self.rep_in.dim - 1:
            return nn.functional.linear(x, weight[:, :-1], weight[:, -1] + self.bias)
        return nn.functional.linear(x, weight, self.bias)

    def plain(self) -> nn.Linear:
        """The layer as ``nn.Linear`` with its weights written out."""
        with torch.no_grad():
            weight, bias = self.weight, self.bias
            if self.homogeneous:
                weight, bias = weight[:, :-1], weight[:, -1] + bias
            out = nn.Linear(weight.shape[1], weight.shape[0]).to(weight)
            out.weight.copy_(weight)
            out.bias.copy_(bias)
        return out

    @property
    def homogeneous(self) -> bool:
        """Whether V acts on (x, 1)."""
        return any(a.name.startswith("points(") for w in self.rep_in.words for a in w)


class Intertwining(nn.Module):
    """W ↦ Σ ⟨bᵢ, W⟩ bᵢ: a parametrisation (torch.nn.utils.parametrize) under which a weight never leaves Hom_G.

    Parameters
    ----------
    space
        Hom_G(V, V′) of the weight as a matrix ``(dim V′, dim V)``; of a bias, the invariants of V′.
    """

    def __init__(self, space: HomSpace) -> None:
        super().__init__()
        self.space = space

    def forward(self, weight: Tensor) -> Tensor:
        """The projection, in the shape and type of ``weight``."""
        matrix = weight.double().reshape(self.space.target.dim, self.space.source.dim)
        return self.space.matrix(self.space.coefficients(matrix)).reshape(weight.shape).to(weight.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What is stored for a weight: itself."""
        return weight


class GatedProduct(nn.Module):
    """(a, b) ↦ gate(a + a × b): the nonlinearity of :class:`EquivariantMLP`, for any group.

    Each channel carries one representation U = 1 + …; a × b is a learned element of Hom_G(U ⊗ U, U) for every channel
    (for SO(3) and U = 1 + V: products with scalars, inner and cross products). The gate takes the channel's scalar s to
    SiLU(s) and multiplies the rest by sigmoid(s).

    Parameters
    ----------
    channel
        U, whose first entry is a scalar.
    channels
        c.
    dtype
        Of the parameters.
    """

    basis: Tensor

    def __init__(self, channel: Representation, channels: int, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        u = channel.dim
        self.channels, self.u = channels, u
        basis = intertwiners(channel * channel, channel).basis().reshape(-1, u, u, u)
        self.register_buffer("basis", basis.to(dtype))
        self.strength = nn.Parameter(torch.empty(channels, len(basis), dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw the products with unit size in the mean."""
        with torch.no_grad():
            self.strength.normal_(0.0, (self.u / max(1, len(self.basis))) ** 0.5, generator=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (a, b) ``(n, 2cu)`` → ``(n, cu)``."""
        a, b = x.reshape(x.shape[0], 2, self.channels, self.u).unbind(1)
        table = torch.einsum("cr,rkij->ckij", self.strength, self.basis)
        inner = torch.einsum("ckij,ncj->ncki", table, b)
        h = a + (inner * a.unsqueeze(2)).sum(3)
        scalar = h[:, :, :1]
        gate = torch.sigmoid(scalar)
        return torch.cat([scalar * gate, h[:, :, 1:] * gate], 2).flatten(1)


class Scaled(nn.Module):
    """x ↦ x / s, rows flattened; one s for all numbers commutes with every linear action."""

    def __init__(self, scale: float, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=dtype))

    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``(n, *shape)`` → ``(n, D)``."""
        return x.flatten(1) / self.scale


class Shaped(nn.Module):
    """y ↦ s y + t, in the shape of the output; t invariant."""

    scale: Tensor
    shift: Tensor

    def __init__(self, shape: tuple[int, ...], scale: float, shift: Tensor) -> None:
        super().__init__()
        self.shape = [-1, *shape]
        self.register_buffer("scale", torch.tensor(scale, dtype=shift.dtype))
        self.register_buffer("shift", shift.clone())

    def forward(self, y: Tensor) -> Tensor:
        """``(n, m)`` → ``(n, *shape)``."""
        return (y * self.scale + self.shift).reshape(self.shape)


class Started(nn.Module):
    """x ↦ S(x) + G(x): a network beside the map that it was started from."""

    def __init__(self, start: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.start, self.network = start, network

    def forward(self, x: Tensor) -> Tensor:
        """``(n, …)`` → the shape of G."""
        y: Tensor = self.network(x)
        first: Tensor = self.start(x)
        return y + first.reshape(y.shape)


class EquivariantMLP(nn.Module):
    """F(ρ_in(g)x) = ρ_out(g)F(x) by construction: intertwiners and gated products, ``(n, …)`` → ``(n, *output_shape)``.

    Any group of the catalogue, compact or not. Every hidden layer has ``channels`` copies of ``channel``.

    Parameters
    ----------
    rep_in, rep_out
        Of flattened rows of x and of F(x).
    channels
        Width c.
    depth
        Number of hidden layers.
    channel
        U, whose first summand is a scalar; 1 + V when absent, 1 + L for affine groups.
    output_shape
        Of one row; ``(dim ρ_out,)`` when absent.
    scale
        The size of the inputs, by which they are divided.
    coordinates
        T where V is T⁻¹ g T (see :func:`symfind.equivariance.coordinates.changed`); only for the default of
        ``channel``.
    dtype
        Of the parameters.
    rng
        Of the first values; torch's global one when absent.

    Raises
    ------
    UsageError
        For outputs that are points of an affine group.

    Examples
    --------
    >>> from symfind.lie.groups.catalogue import parse_group
    >>> from symfind.lie.groups.notation import parse_representation
    >>> so3 = parse_group("so3")
    >>> net = EquivariantMLP(parse_representation(so3, "9V"), parse_representation(so3, "1"))
    >>> net(torch.zeros(2, 9, 3, dtype=torch.float64)).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        channels: int = 32,
        depth: int = 2,
        channel: Representation | None = None,
        output_shape: tuple[int, ...] | None = None,
        scale: float = 1.0,
        coordinates: Tensor | None = None,
        dtype: torch.dtype = torch.float64,
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if any(a.name.startswith("points(") for w in rep_out.words for a in w):
            raise UsageError(f"an equivariant network has no outputs of the kind {rep_out}; write differences, L")
        unit = default_channel(rep_in.group, coordinates) if channel is None else channel
        hidden = channels * unit
        shape = (rep_out.dim,) if output_shape is None else output_shape
        modules: list[nn.Module] = [Scaled(scale, dtype)]
        source = rep_in
        for _ in range(depth):
            modules += [EquivariantLinear(source, 2 * hidden, dtype=dtype), GatedProduct(unit, channels, dtype)]
            source = hidden
        modules.append(EquivariantLinear(source, rep_out, dtype=dtype))
        modules.append(Shaped(shape, 1.0, torch.zeros(rep_out.dim, dtype=dtype)))
        self.body = nn.Sequential(*modules)
        if rng is not None:
            for module in modules:
                if isinstance(module, EquivariantLinear | GatedProduct):
                    module.reset_parameters(rng)

    @property
    def linear_layers(self) -> list[EquivariantLinear]:
        """The equivariant linear layers in execution order."""
        return [m for m in self.body if isinstance(m, EquivariantLinear)]

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.body(x)
        return out

    def plain(self) -> nn.Sequential:
        """The same map with its weights written out: torch's own layers, which TorchScript can save."""
        return nn.Sequential(*(m.plain() if isinstance(m, EquivariantLinear) else m for m in self.body))


def default_channel(group: Group, coordinates: Tensor | None = None) -> Representation:
    """U = 1 + V, or 1 + L for an affine group."""
    if group.affine:
        return parse_representation(group, "1+L")
    return trivial(group) + changed(group, coordinates)
