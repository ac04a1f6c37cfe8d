"""F(x) = Σ c_k(z(x)) K_k(x): a perceptron on invariants z with covariants K, and the gradient of an invariant.

Axis letters: n points, D input width, r invariants, p features of them, k covariants.
"""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

import math
import re

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariant_modules import Shaped
from symfind.equivariance.methods.frames import vectors_and_scalars
from symfind.errors import UsageError
from symfind.lie.groups.intertwiners import intertwiners, invariants
from symfind.lie.groups.representations import Representation, trivial

# Families whose only invariants are ratios.
_SCALING = re.compile(r"(scalings|diagonal|gl|aff|sim)\(\d+\)")

# 32 MB of float64: a network that is called row by row should not be larger than what it replaces.
_MOST_NUMBERS = 2**22


def _dense(source: Representation, target: Representation, what: str) -> Tensor:
    """A basis of Hom_G ``(r, dim target, dim source)``; raises UsageError where it is large."""
    space = intertwiners(source, target)
    if space.dim * source.dim * target.dim > _MOST_NUMBERS:
        raise UsageError(f"{space.dim} {what} of {source} are too many for a network on invariants")
    return space.basis()


class Invariants(nn.Module):
    """x ↦ φ(z(x)) with all linear and quadratic invariants z of G: ``(n, …)`` → ``(n, p)``.

    φ holds z in units of its spread and z (1 + z²)^{−1/4}, which for large z is its root: norms beside their squares.

    Parameters
    ----------
    rep
        Of rows; of one dimension more than rows, as affine groups act on (x, 1).
    x
        Rows for the units.

    Raises
    ------
    UsageError
        No invariant varies on the rows, or there are too many.
    """

    linear: Tensor
    forms: Tensor
    mean: Tensor
    spread: Tensor
    size: Tensor

    def __init__(self, rep: Representation, x: Tensor) -> None:
        super().__init__()
        flat = x.reshape(len(x), -1).double()
        self.homogeneous = rep.dim == flat.shape[1] + 1
        linear = _dense(rep, trivial(rep.group), "invariants")[:, 0]
        forms = _dense(rep, rep.dual, "invariants")
        forms = forms + forms.mT
        # Independent ones: symmetric parts of a basis may repeat one another.
        left, size, _ = torch.linalg.svd(forms.flatten(1).mT, full_matrices=False)
        own = size > 1e-9 * size.amax(0, keepdim=True).clamp_min(1.0) if len(size) else size > 0
        forms = left[:, own].mT.reshape(-1, rep.dim, rep.dim)
        self.scale = float(flat.square().mean().sqrt()) or 1.0
        self.register_buffer("linear", linear)
        self.register_buffer("forms", forms)
        ones = torch.ones(len(linear) + len(forms), dtype=torch.float64)
        self.register_buffer("mean", 0 * ones)
        self.register_buffer("spread", ones)
        self.register_buffer("size", ones)
        z = self.values(flat)[0]
        spread = (z - z.mean(0)).square().mean(0).sqrt()
        varying = spread > 1e-9 * z.square().mean(0).sqrt().clamp_min(1e-300)
        if not bool(varying.any()):
            raise UsageError(f"{rep.group.name} has no polynomial invariants of {rep} up to degree two that vary")
        self.linear, self.forms = linear[varying[: len(linear)]], forms[varying[len(linear) :]]
        self.mean, self.spread = z[:, varying].mean(0), spread[varying]
        self.size = z[:, varying].square().mean(0).sqrt()
        self.width = 2 * int(varying.sum())

    def values(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return z ``(n, r)``, the rows in their unit (with a one, for affine groups), and B x ``(n, r₂, D)``."""
        x = flat / self.scale
        if self.homogeneous:
            x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        d = x.shape[1]
        half = (x @ self.forms.reshape(-1, d).t()).reshape(x.shape[0], self.forms.shape[0], d)
        return torch.cat([x @ self.linear.t(), (half * x.unsqueeze(1)).sum(2)], 1), x, half

    def forward(self, x: Tensor) -> Tensor:
        """φ(z(x))."""
        z = self.values(x.flatten(1))[0]
        w = z / self.size
        return torch.cat([(z - self.mean) / self.spread, w * (1 + w * w).pow(-0.25)], 1)

    def pulled(self, x: Tensor, slope: Tensor) -> Tensor:
        """Σ slope_p ∇φ_p(x): ``(n, D)`` rows and ``(n, p)`` → ``(n, D)``."""
        flat = x.flatten(1)
        z, rows, half = self.values(flat)
        w = z / self.size
        bend = (1 + w * w).pow(-0.25) - 0.5 * w * w * (1 + w * w).pow(-1.25)
        r = z.shape[1]
        of_z = slope[:, :r] / self.spread + slope[:, r:] * bend / self.size
        k = self.linear.shape[0]
        out = of_z[:, :k] @ self.linear + 2 * (of_z[:, k:].unsqueeze(2) * half).sum(1)
        return out[:, : flat.shape[1]] / self.scale


class Ratios(nn.Module):
    """Invariants of groups that scale: ``(n, …)`` → ``(n, p)``, unchanged under scalings, diagonal, gl, aff or sim.

    With rows X ``(k, d)``: x/|x| for one scale; x_ai/√Σ_a x_ai² for a scale a coordinate; Gram matrix by its trace for
    rotations and a scale; and for all linear maps the projection P = X(XᵀX)⁻¹Xᵀ, which XA shares with X and which for
    k > d is all there is. Points are centred first.

    Parameters
    ----------
    rep
        k vectors or points, and scalars.
    x
        Rows for the units.

    Raises
    ------
    UsageError
        The group has other invariants; other summands; no invariant varies (k ≤ d: all rows are one orbit).
    """

    places: Tensor
    rest: Tensor
    pairs: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, rep: Representation, x: Tensor) -> None:
        super().__init__()
        known = _SCALING.fullmatch(rep.group.name)
        if known is None:
            raise UsageError(f"{rep.group.name} has polynomial invariants")
        vectors, scalars, points = vectors_and_scalars(rep, "--rep-in")
        flat = x.reshape(len(x), -1).double()
        self.name, self.centred, self.k, self.d = known[1], points, len(vectors), vectors.shape[1]
        self.homogeneous = rep.dim == flat.shape[1] + 1
        self.scale = float(flat.square().mean().sqrt()) or 1.0
        self.register_buffer("places", vectors.flatten())
        self.register_buffer("rest", scalars)
        pairs = torch.triu_indices(self.k, self.k)
        self.register_buffer("pairs", pairs[0] * self.k + pairs[1])
        z = self.values(flat)
        self.register_buffer("mean", z.mean(0))
        spread = (z - z.mean(0)).square().mean(0).sqrt()
        if z.shape[1] == 0 or float(spread.max()) < 1e-9:
            raise UsageError(f"{rep.group.name} has no invariants of {rep}: all rows are one orbit")
        self.register_buffer("spread", spread.clamp_min(1e-3 * float(spread.max())))
        self.width = z.shape[1]

    def values(self, flat: Tensor) -> Tensor:
        """Return the ratios, and the scalars as they are."""
        x = flat.index_select(1, self.places).reshape(-1, self.k, self.d)
        if self.centred:
            x = x - x.mean(1, keepdim=True)
        if self.name == "scalings":
            z = (x / x.square().sum([1, 2], keepdim=True).sqrt()).flatten(1)
        elif self.name == "diagonal":
            z = (x / x.square().sum(1, keepdim=True).sqrt()).flatten(1)
        else:
            if self.name != "sim":
                x = torch.linalg.qr(x)[0]
            z = x @ x.transpose(1, 2)
            if self.name == "sim":
                z = z / z.diagonal(dim1=1, dim2=2).sum(1).reshape(-1, 1, 1)
            z = z.flatten(1).index_select(1, self.pairs)
        return torch.cat([z, flat.index_select(1, self.rest)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """φ(x)."""
        out: Tensor = (self.values(x.flatten(1)) - self.mean) / self.spread
        return out


def _layer(inputs: int, outputs: int, size: float, rng: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.normal_(0.0, size / math.sqrt(inputs), generator=rng)
        layer.bias.zero_()
    return layer


class InvariantMLP(nn.Module):
    """F(x) = Σ c_k(z(x)) K_k(x), c a perceptron, K constant, linear and (for few numbers) quadratic covariants.

    Parameters
    ----------
    rep_in, rep_out
        Of flattened rows of x and of F(x).
    x
        Rows for the units.
    output_shape
        Of one row.
    width
        Of the two hidden layers.
    rng
        Of the first values.

    Raises
    ------
    UsageError
        No invariants, no covariants, or too many of them.
    """

    constant: Tensor
    first: Tensor
    second: Tensor
    unit: Tensor

    def __init__(
        self,
        rep_in: Representation,
        rep_out: Representation,
        x: Tensor,
        output_shape: tuple[int, ...],
        width: int,
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.features = (Ratios if _SCALING.fullmatch(rep_in.group.name) else Invariants)(rep_in, x)
        d, m = rep_in.dim, rep_out.dim
        space = invariants(rep_out)
        constant = space.matrix(torch.eye(space.dim, dtype=torch.float64))[:, :, 0]
        first, second = torch.zeros(0, m, d, dtype=torch.float64), torch.zeros(0, m, d * d, dtype=torch.float64)
        if not rep_out.is_trivial:
            first = _dense(rep_in, rep_out, "linear covariants")
            if not self.features.homogeneous and d * d * m <= 2**13:
                second = _dense(rep_in * rep_in, rep_out, "quadratic covariants")
        self.plain_output = rep_out.is_trivial
        count = len(constant) + len(first) + len(second)
        self.register_buffer("constant", constant)
        self.register_buffer("first", first)
        self.register_buffer("second", second)
        self.register_buffer("unit", torch.ones(count, dtype=torch.float64))
        if not self.plain_output:
            # Some vanish on all rows, as x × x does; their unit would be rounding.
            size = self.covariants(x.reshape(len(x), -1).double()).square().sum(2).mean(0).sqrt()
            kept = size > 1e-6 * float(size.max()) if count else size > 0
            one, two, three = torch.split(kept, [len(constant), len(first), len(second)])
            self.constant, self.first, self.second = constant[one], first[two], second[three]
            self.unit, count = size[kept], int(kept.sum())
        if count == 0:
            raise UsageError(f"{rep_out} has no covariants of {rep_in} up to degree two")
        self.body = nn.Sequential(
            _layer(self.features.width, width, 1.5, rng),
            nn.SiLU(),
            _layer(width, width, 1.5, rng),
            nn.SiLU(),
            _layer(width, m if self.plain_output else count, 0.3, rng),
        )
        self.last = Shaped(output_shape, 1.0, torch.zeros(m, dtype=torch.float64))

    def covariants(self, flat: Tensor) -> Tensor:
        """K(x) in their units: ``(n, D)`` → ``(n, k, m)``."""
        x = flat / self.features.scale
        if self.features.homogeneous:
            x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        n, m = x.shape[0], self.constant.shape[1]
        parts = [self.constant.unsqueeze(0).expand(n, -1, -1)]
        parts.append((x @ self.first.reshape(-1, x.shape[1]).t()).reshape(n, self.first.shape[0], m))
        if self.second.shape[0] > 0:
            pairs = (x.unsqueeze(2) * x.unsqueeze(1)).reshape(n, -1)
            parts.append((pairs @ self.second.reshape(-1, pairs.shape[1]).t()).reshape(n, self.second.shape[0], m))
        return torch.cat(parts, 1) / self.unit.reshape(1, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out = self.body(self.features(x))
        if not self.plain_output:
            out = (out.unsqueeze(2) * self.covariants(x.flatten(1))).sum(1)
        y: Tensor = self.last(out)
        return y

    def plain(self) -> nn.Module:
        """Itself: all its parts are torch's own."""
        return self


class GradientMLP(nn.Module):
    """F = a ∇f, or (f, a ∇f), of an invariant f(z(x)): forces that have an energy, with that energy beside them or not.

    The gradient is written out, so that the file needs no automatic differentiation.

    Parameters
    ----------
    rep_in
        Of flattened rows of x.
    x, output_shape, width, rng
        As in :class:`InvariantMLP`.

    Raises
    ------
    UsageError
        An output of another width than x, or than x and one.
    """

    def __init__(
        self, rep_in: Representation, x: Tensor, output_shape: tuple[int, ...], width: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        d, m = math.prod(x.shape[1:]), math.prod(output_shape)
        if m not in (d, d + 1):
            raise UsageError(f"{m} outputs are no gradient in {d} inputs")
        self.with_value = m == d + 1
        self.features = Invariants(rep_in, x)
        self.one = _layer(self.features.width, width, 1.5, rng)
        self.two = _layer(width, width, 1.5, rng)
        self.three = _layer(width, 1, 0.3, rng)
        self.sign = nn.Parameter(-torch.ones(1, dtype=torch.float64))
        self.unit = self.features.scale
        self.last = Shaped(output_shape, 1.0, torch.zeros(m, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        u = self.one(self.features(x))
        h = torch.sigmoid(u)
        v = self.two(u * h)
        k = torch.sigmoid(v)
        back = self.three.weight * (k + v * k * (1 - k))  # f′ at the second layer, (silu)′ = σ + v σ(1 − σ)
        back = (back @ self.two.weight) * (h + u * h * (1 - h))
        out = self.sign * self.unit * self.features.pulled(x, back @ self.one.weight)
        if self.with_value:
            out = torch.cat([self.three(v * k), out], 1)
        y: Tensor = self.last(out)
        return y

    def plain(self) -> nn.Module:
        """Itself: all its parts are torch's own."""
        return self
