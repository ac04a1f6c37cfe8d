"""ρ: G → GL(D), the representations that are not taken apart: V, irreducible ones, permutations.

Sums, tensor products and duals of these are :class:`symfind.lie.groups.representations.Representation`. An atom belongs
to one factor of a product group and sees the matrices of that factor alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.lie.groups import irreps
from symfind.lie.groups.haar import planar_rotations
from symfind.lie.groups.matrix_groups import CompactGroup, Group

_F64 = torch.float64

Action = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Atom:
    """One representation of one factor of a group.

    Attributes
    ----------
    name
        As written in formulas: "V", "1x2o", "image(8,8)".
    dim
        D.
    rho, drho
        Group element ``(…, d, d)`` ↦ ``(…, D, D)``; algebra element likewise, linear.
    orthogonal
        Whether ρ(g)ᵀρ(g) = 1, so that the atom is its own dual.
    permutation
        g ↦ σ ``(…, D)`` with ρ(g)eⱼ = e_σ(j), where ρ is a permutation representation; else None.
    factor
        Index of the factor of the group.
    group_key
        Digest of that factor.
    is_dual
        Whether ρ is g ↦ ρ(g⁻¹)ᵀ of the atom that bears this name.
    """

    name: str
    dim: int
    rho: Action
    drho: Action
    orthogonal: bool
    group_key: str
    permutation: Action | None = None
    factor: int = 0
    is_dual: bool = False

    @property
    def key(self) -> tuple[str, str, int, bool]:
        """Equal keys, equal representations."""
        return (self.group_key, self.name, self.factor, self.is_dual)

    @property
    def dual(self) -> Atom:
        """V*: g ↦ ρ(g⁻¹)ᵀ, A ↦ −dρ(A)ᵀ."""
        if self.orthogonal:
            return self
        rho, drho = self.rho, self.drho
        return replace(
            self, rho=lambda g: torch.linalg.inv(rho(g)).mT, drho=lambda a: -drho(a).mT, is_dual=not self.is_dual
        )

    def __str__(self) -> str:
        """The name, with a star for a dual."""
        return self.name + ("*" if self.is_dual else "")


def _zero(dim: int, a: Tensor) -> Tensor:
    return torch.zeros(*a.shape[:-2], dim, dim, dtype=_F64)


def _identity(x: Tensor) -> Tensor:
    return x


def _destination(g: Tensor) -> Tensor:
    """σ of permutation matrices, g eⱼ = e_σ(j)."""
    return g.argmax(-2)


def _matrices_of(permutation: Action, dim: int, g: Tensor) -> Tensor:
    return torch.eye(dim, dtype=_F64)[permutation(g)].mT


def defining(group: Group, factor: int = 0, name: str = "V") -> Atom:
    """V: the group's own matrices."""
    permutation = _destination if group.is_permutation else None
    return Atom(name, group.degree, _identity, _identity, group.is_orthogonal, group.key, permutation, factor)


def linear_part(group: Group) -> Atom:
    """L: ((A, b), (0, 1)) ↦ A, how vectors (differences of points) transform.

    Raises
    ------
    UsageError
        If the group is not affine.
    """
    if not group.affine:
        raise UsageError(f"'L' is the linear part of an affine group; {group.name} is linear already, write V")
    n = group.point_dimension
    skew = group.generators[:, :n, :n] + group.generators[:, :n, :n].mT
    unit = group.components[:, :n, :n].mT @ group.components[:, :n, :n] - torch.eye(n, dtype=_F64)
    # The entries are those of the catalogue, 0 and ±1, or a user's to rounding.
    orthogonal = all(float(t.abs().max()) < 1e-12 for t in (skew, unit) if t.numel())
    return Atom("L", n, lambda g: g[..., :n, :n], lambda a: a[..., :n, :n], orthogonal, group.key)


def points(group: Group, count: int) -> Atom:
    """(x₁, …, x_k, 1) ↦ (A xᵢ + b, 1): k points under one affine map, dimension kn + 1.

    Raises
    ------
    UsageError
        If the group is not affine.
    """
    if not group.affine:
        raise UsageError(f"points(k) are for affine groups; {group.name} is linear, write {count}V")
    n, dim = group.point_dimension, count * group.point_dimension + 1

    def spread(g: Tensor) -> Tensor:
        out = torch.zeros(*g.shape[:-2], dim, dim, dtype=_F64)
        for i in range(count):
            out[..., i * n : (i + 1) * n, i * n : (i + 1) * n] = g[..., :n, :n]
            out[..., i * n : (i + 1) * n, -1] = g[..., :n, n]
        out[..., -1, -1] = g[..., n, n]
        return out

    return Atom(f"points({count})", dim, spread, spread, False, group.key)


def determinant(group: Group, factor: int = 0) -> Atom:
    """Det: g ↦ det g, the sign of a permutation or the handedness of a map."""
    orthogonal = group.is_orthogonal or group.is_finite
    return Atom(
        "det",
        1,
        lambda g: torch.linalg.det(g)[..., None, None],
        lambda a: torch.einsum("...ii->...", a)[..., None, None],
        orthogonal,
        group.key,
        factor=factor,
    )


def has_irreps(group: Group) -> bool:
    """Whether irreducible representations are named by degree: so(2), o(2), so(3), o(3), su(2)."""
    return group.name in ("so(2)", "o(2)", "so(3)", "o(3)", "su(2)")


def irreducible(group: Group, twice: int, parity: str = "", factor: int = 0) -> Atom:
    """The real irreducible representation of degree ``twice``/2, of frequency for so(2) and o(2).

    Parameters
    ----------
    group
        so(2), o(2), so(3), o(3) or su(2).
    twice
        Twice the degree, so that half-integers of su(2) are integers here.
    parity
        "e" or "o" under −1 for o(3), where "" is the natural (−1)^l; "o" turns frequency 0 of o(2) into det.
        Rotations alone do not see it.
    factor
        Index of the factor of a product.

    Raises
    ------
    UsageError
        If the group has no such representation.
    """
    if not has_irreps(group):
        raise UsageError(
            f"irreducible representations by degree exist for so2, o2, so3, o3 and su2; "
            f"for {group.name} write powers of V, like 2V+1 or V^2"
        )
    if twice % 2 and group.name != "su(2)":
        raise UsageError(f"{group.name} has integer degrees only, not {twice}/2; half-integers belong to su2")
    if group.degree == 2:
        return _frequency(group, twice // 2, parity, factor)
    generators = irreps.rotation_generators(twice)
    degree, dim = twice // 2, generators.shape[-1]
    name = f"1x{twice}/2" if twice % 2 else f"1x{degree}"
    spinor = group.name == "su(2)"
    vector = irreps.rotation_vector_of_su2 if spinor else irreps.rotation_vector
    odd = group.name == "o(3)" and (parity or ("o" if degree % 2 else "e")) == "o"
    if group.name == "o(3)":
        name += "o" if odd else "e"

    def rho(g: Tensor) -> Tensor:
        if spinor:
            return irreps.wigner(irreps.quaternion_of_su2(g), generators)
        sign = torch.linalg.det(g).round()[..., None, None]
        d = irreps.wigner(irreps.quaternion_of_rotation(sign * g), generators)
        return sign * d if odd else d

    return Atom(
        name, dim, rho, lambda a: torch.einsum("...k,kij->...ij", vector(a), generators), True, group.key, factor=factor
    )


def _frequency(group: Group, k: int, parity: str, factor: int) -> Atom:
    """R(t) ↦ R(kt), and the reflection x → −x ↦ itself."""
    if k == 0:
        if group.name == "o(2)" and parity == "o":
            return replace(determinant(group, factor), name="1x0o")
        return Atom("1x0", 1, lambda g: 1 + _zero(1, g), partial(_zero, 1), True, group.key, factor=factor)
    flip = torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=_F64)

    def rho(g: Tensor) -> Tensor:
        mirrored = (torch.linalg.det(g) < 0)[..., None, None]
        turn = torch.where(mirrored, g @ flip, g)
        out = planar_rotations(k * torch.atan2(turn[..., 1, 0], turn[..., 0, 0]))
        return torch.where(mirrored, out @ flip, out)

    return Atom(f"1x{k}", 2, rho, lambda a: k * a, True, group.key, factor=factor)


def regular(group: Group, factor: int = 0) -> Atom:
    """R[G]: a finite group permuting its own elements, in the order of ``group.elements``.

    Raises
    ------
    UsageError
        If the group is not finite.
    """
    if not isinstance(group, CompactGroup) or not group.is_finite:
        raise UsageError(f"the regular representation of {group.name} is infinite-dimensional; use a finite group")
    every = group.elements
    flat = every.reshape(len(every), -1)

    def permutation(g: Tensor) -> Tensor:
        moved = torch.einsum("...ij,ejk->...eik", g, every).flatten(-2)
        return torch.cdist(moved, flat).argmin(-1)

    rho = partial(_matrices_of, permutation, len(every))
    return Atom("regular", len(every), rho, partial(_zero, len(every)), True, group.key, permutation, factor)


def image(group: Group, height: int, width: int, factor: int = 0) -> Atom:
    """Functions on a pixel grid, f ↦ f∘g⁻¹, turned about its centre; columns are x, rows run against y.

    A turn by +90° is ``torch.rot90(f, 1, (-2, -1))``.

    Raises
    ------
    UsageError
        If the group does not map the grid to itself.
    """
    integral = bool(((group.components == 0) | (group.components.abs() == 1)).all())
    allowed = group.is_finite and group.degree == 2 and integral
    swaps = allowed and bool((group.components[:, 0, 1] != 0).any())
    if not allowed or (swaps and height != width):
        raise UsageError(
            f"{group.name} does not map a {height} x {width} grid of pixels to itself; "
            "use c4 or d4 on squares, c2, d2 or reflections2 on rectangles"
        )
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    # Twice the coordinates from the centre are integers, so the grid is mapped exactly.
    xy = torch.stack([2 * column - (width - 1), (height - 1) - 2 * row], -1).reshape(-1, 2).to(_F64)

    def permutation(g: Tensor) -> Tensor:
        moved = torch.einsum("...ij,pj->...pi", g, xy).round().to(torch.int64)
        return ((height - 1) - moved[..., 1]) // 2 * width + (moved[..., 0] + width - 1) // 2

    dim = height * width
    rho = partial(_matrices_of, permutation, dim)
    return Atom(f"image({height},{width})", dim, rho, partial(_zero, dim), True, group.key, permutation, factor)
