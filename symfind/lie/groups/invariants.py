"""(V₁ ⊗ … ⊗ V_m)^G: orthonormal invariants of a tensor product, never through its dense operators.

One element A of the algebra that is normal on every factor (or, failing that, a generic one) is diagonalised factor by
factor; its kernel on the product is spanned by the products of eigenvectors whose eigenvalues sum to zero. On that far
smaller space two random elements are applied factor by factor, and the kernel of their Gram matrix is the answer,
checked on every generator. Components act on what is left. Finite groups need no algebra: a permutation
representation has its orbits, and R[X] ⊗ W has ⊕ W^Stab(x) over the orbits of X (Frobenius reciprocity).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import NumericalError
from symfind.lie.groups.atoms import Atom
from symfind.lie.groups.matrix_groups import Group

_F64 = torch.float64

_NULL = 1e-9
"""Singular values below this share of the largest are zero: those of integral and unit-scale representations are
0 or above 1e-3, rounding is below 1e-12."""

_RESIDUAL = 1e-9
"""A residual above this (relative to the generators) after refinement means the answer is wrong, not inexact."""

_MAX_ENTRIES = 250_000_000
"""Largest array made on the way, 2 GB of float64."""


@dataclass(frozen=True, eq=False)
class Action:
    """One tensor factor: the images of the group's generators and component representatives.

    Attributes
    ----------
    key
        Equal keys, equal actions.
    algebra
        ``(k, n, n)``.
    components
        ``(c, n, n)``.
    orthogonal
        Skew algebra and orthogonal components.
    """

    key: Hashable
    algebra: Tensor
    components: Tensor
    orthogonal: bool

    @property
    def dim(self) -> int:
        """Dimension n of the factor."""
        return int(self.algebra.shape[-1])


def action_of(atom: Atom, group: Group) -> Action:
    """The atom evaluated on the generators and components of its group."""
    return Action(atom.key, atom.drho(group.generators), atom.rho(group.components), atom.orthogonal)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run small solves on one thread: threads cost more than they bring on matrices of a few hundred rows."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def apply_derivation(matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """(A₁⊗1⊗… + 1⊗A₂⊗… + …) x, factor by factor: ``(D, r)`` → ``(D, r)``."""
    out = torch.zeros_like(x)
    before, after = 1, x.shape[0]
    for m in matrices:
        after //= m.shape[0]
        out += torch.matmul(m, x.reshape(before, m.shape[0], after * x.shape[1])).reshape(x.shape)
        before *= m.shape[0]
    return out


def apply_product(matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    """(g₁⊗g₂⊗…) x, factor by factor: ``(D, r)`` → ``(D, r)``."""
    before, after = 1, x.shape[0]
    for m in matrices:
        after //= m.shape[0]
        x = torch.matmul(m, x.reshape(before, m.shape[0], after * x.shape[1])).reshape(x.shape)
        before *= m.shape[0]
    return x


@dataclass(frozen=True)
class _Spectrum:
    """Eigenvectors of one factor; ``conjugate[i]`` is the index of the complex conjugate of vector i."""

    values: Tensor
    vectors: Tensor
    conjugate: Tensor
    condition: float


def _skew_spectrum(a: Tensor) -> _Spectrum:
    w, v = torch.linalg.eigh(1j * a)
    # Rounding of an n × n eigenproblem; true weights of unit-scale random elements are far above it.
    positive = w > 1e-11 * max(float(w.abs().max()), 1e-300) * len(w)
    up = v[:, positive]
    p, n = up.shape[1], len(w)
    rest = torch.eye(n, dtype=_F64) - 2 * (up @ up.mH).real
    zero = torch.linalg.eigh(rest)[1][:, 2 * p :].to(torch.complex128)
    values = torch.cat([-1j * w[positive], 1j * w[positive], torch.zeros(n - 2 * p, dtype=torch.complex128)])
    order = torch.arange(n)
    conjugate = torch.cat([order[p : 2 * p], order[:p], order[2 * p :]])
    return _Spectrum(values, torch.cat([up, up.conj(), zero], 1), conjugate, 1.0)


def _symmetric_spectrum(a: Tensor) -> _Spectrum:
    w, v = torch.linalg.eigh(a)
    return _Spectrum(w.to(torch.complex128), v.to(torch.complex128), torch.arange(len(w)), 1.0)


def _general_spectrum(a: Tensor) -> _Spectrum:
    w, v = torch.linalg.eig(a)
    conjugate = torch.arange(len(w))
    # LAPACK returns the eigenvalues of a real matrix as adjacent conjugate pairs, the upper one first.
    first = torch.nonzero(w.imag > 0)[:, 0]
    conjugate[first], conjugate[first + 1] = first + 1, first
    singular = torch.linalg.svdvals(v)
    return _Spectrum(w, v, conjugate, float(singular[0] / singular[-1].clamp_min(1e-300)))


def _zero_tuples(spectra: Sequence[_Spectrum]) -> Tensor:
    """Flat indices of the products of eigenvectors whose eigenvalues sum to zero, one of each conjugate pair."""
    total = torch.zeros(1, dtype=torch.complex128)
    mirror = torch.zeros(1, dtype=torch.int64)
    for s in spectra:
        n = len(s.values)
        total = (total[:, None] + s.values[None]).reshape(-1)
        mirror = (mirror[:, None] * n + s.conjugate[None]).reshape(-1)
    scale = sum(float(s.values.abs().max()) for s in spectra)
    # Sums that vanish do so to rounding times the condition; a sum that vanishes only by chance is caught by the check.
    zero = total.abs() <= 1e-10 * max(scale, 1e-300) * max(s.condition for s in spectra)
    return torch.nonzero(zero & (torch.arange(len(total)) <= mirror))[:, 0]


def _kernel_of(spectra: Sequence[_Spectrum], flat: Tensor) -> Tensor:
    """Real orthonormal basis ``(D, r)`` of the span of those products and their conjugates."""
    columns = torch.ones(1, len(flat), dtype=torch.complex128)
    own = torch.ones(len(flat), dtype=torch.bool)
    index, rest = [], flat
    for s in reversed(spectra):
        index.append(rest % len(s.values))
        rest = rest // len(s.values)
    for s, i in zip(spectra, reversed(index), strict=True):
        columns = (columns[:, None, :] * s.vectors[:, i][None]).flatten(0, 1)
        own &= s.conjugate[i] == i
    pairs = columns[:, ~own] * math.sqrt(2)
    real = torch.cat([columns[:, own].real, pairs.real, pairs.imag], 1)
    if max(s.condition for s in spectra) > 1.0:
        real = torch.linalg.qr(real)[0]
    return real.contiguous()


def _null_combinations(rows: Tensor) -> Tensor:
    """Orthonormal c ``(k, s)`` with rows @ c = 0."""
    _, sigma, vh = torch.linalg.svd(rows, full_matrices=True)
    rank = int((sigma > _NULL * max(float(sigma.max()), 1e-300)).sum()) if len(sigma) else 0
    out: Tensor = vh[rank:].mT
    return out


def _first_kernel(factors: Sequence[Action], rng: torch.Generator) -> Tensor | None:
    """Basis of the kernel of one well-chosen algebra element, None where every element is defective."""
    distinct = {f.key: f for f in factors}
    k = factors[0].algebra.shape[0]
    best: tuple[int, list[_Spectrum], Tensor] | None = None
    for sign, spectrum in ((1.0, _skew_spectrum), (-1.0, _symmetric_spectrum)):
        part = [(f.algebra + sign * f.algebra.mT).reshape(k, -1).mT for f in distinct.values()]
        c = (
            torch.eye(k, dtype=_F64)
            if sign > 0 and all(f.orthogonal for f in factors)
            else _null_combinations(torch.cat(part))
        )
        if c.shape[1] == 0:
            continue
        element = c @ torch.randn(c.shape[1], dtype=_F64, generator=rng)
        made = {key: spectrum(torch.einsum("k,kij->ij", element, f.algebra)) for key, f in distinct.items()}
        spectra = [made[f.key] for f in factors]
        flat = _zero_tuples(spectra)
        if best is None or len(flat) < best[0]:
            best = (len(flat), spectra, flat)
        if sign > 0 and c.shape[1] == k:
            break
    if best is not None:
        return _bounded_kernel(best[1], best[2])
    tries = []
    for _ in range(6):
        element = torch.randn(k, dtype=_F64, generator=rng)
        made = {key: _general_spectrum(torch.einsum("k,kij->ij", element, f.algebra)) for key, f in distinct.items()}
        tries.append(made)
    made = min(tries, key=lambda m: max(s.condition for s in m.values()))
    # Beyond this the element is defective to working precision for products of a few factors.
    if max(s.condition for s in made.values()) > 1e4:
        return None
    spectra = [made[f.key] for f in factors]
    return _bounded_kernel(spectra, _zero_tuples(spectra))


def _bounded_kernel(spectra: Sequence[_Spectrum], flat: Tensor) -> Tensor:
    _guard(2 * len(flat) * math.prod(len(s.values) for s in spectra), "×".join(str(len(s.values)) for s in spectra))
    return _kernel_of(spectra, flat)


def _guard(entries: int, what: str) -> None:
    if entries > _MAX_ENTRIES:
        raise NumericalError(
            f"invariants of a tensor product of dimensions {what} need an array of {entries:.1e} numbers; "
            "use representations of lower degree"
        )


def null_coefficients(y: Tensor, scale: float) -> Tensor:
    """Orthonormal c ``(r, s)`` with Y c = 0 for a tall Y ``(n, r)``, by its Gram matrix and refinement.

    ``scale`` is the size of the operators that made Y: what is below 1e-9 of it is zero, even where all of Y is.

    The Gram matrix squares the condition, so its kernel is corrected once by c ← c − (YᵀY)⁺Yᵀ(Yc), where Yc is formed
    before anything is squared; singular values that remain in doubt are computed from Y c itself.
    """
    values, vectors = torch.linalg.eigh(y.mT @ y)
    # 1e-6 in λ is 1e-3 in σ, beyond any zero; the small singular values among these are looked at unsquared.
    small = values <= 1e-6 * scale**2
    c, rest, inverse = vectors[:, small], vectors[:, ~small], 1 / values[~small]
    if c.shape[1] == 0:
        return torch.zeros(y.shape[1], 0, dtype=_F64)
    yc = y @ c
    c = torch.linalg.qr(c - rest @ (inverse[:, None] * (rest.mT @ (y.mT @ yc))))[0]
    yc = y @ c
    if float(torch.linalg.vector_norm(yc, dim=0).max()) > _NULL * scale:
        _, sigma, vh = torch.linalg.svd(yc, full_matrices=len(yc) < c.shape[1])
        c = c @ vh[int((sigma > _NULL * scale).sum()) :].mT
    out: Tensor = c
    return out


def _derivation_residual(factors: Sequence[Action], x: Tensor) -> float:
    """Largest ‖A x‖ over generators and columns, relative to Σ ‖A_f‖."""
    worst = 0.0
    for i in range(factors[0].algebra.shape[0]):
        parts = [f.algebra[i] for f in factors]
        size = sum(float(torch.linalg.matrix_norm(p)) for p in parts)
        if size and x.shape[1]:
            worst = max(worst, float(torch.linalg.vector_norm(apply_derivation(parts, x), dim=0).max()) / size)
    return worst


def _unit_generators(factors: Sequence[Action]) -> list[Action]:
    """The same algebra with every generator of size one on the product, so that units do not weigh."""
    size = sum(torch.linalg.matrix_norm(f.algebra) for f in factors)
    share = 1 / torch.where(torch.as_tensor(size) > 0, size, torch.ones(()))
    scaled = {f.key: replace(f, algebra=f.algebra * share[:, None, None]) for f in factors}
    return [scaled[f.key] for f in factors]


def connected_invariants(factors: Sequence[Action]) -> Tensor:
    """Orthonormal basis ``(D, r)`` of {x : A x = 0 for every generator A}.

    Raises
    ------
    NumericalError
        If the space is too large for memory, or the residual on some generator does not vanish.
    """
    rng = torch.Generator().manual_seed(20)
    factors = _unit_generators(factors)
    dim, k = math.prod(f.dim for f in factors), factors[0].algebra.shape[0]
    start = _first_kernel(factors, rng)
    if start is None:
        _guard(dim * dim * k, "×".join(str(f.dim) for f in factors))
        start = torch.eye(dim, dtype=_F64)
    if start.shape[1] == 0:
        return start

    def solved(elements: Sequence[Sequence[Tensor]]) -> Tensor:
        scale = max(sum(float(torch.linalg.matrix_norm(m, 2)) for m in e) for e in elements)
        out: Tensor = start @ null_coefficients(torch.cat([apply_derivation(e, start) for e in elements]), scale)
        return out

    # One generator leaves nothing to do but the check; two random elements generate a semisimple algebra.
    x = start
    if k > 1 or start.shape[1] == dim:
        draws = torch.randn(2, k, dtype=_F64, generator=rng)
        x = solved([[torch.einsum("k,kij->ij", c, f.algebra) for f in factors] for c in draws])
    if _derivation_residual(factors, x) > _RESIDUAL:
        x = solved([[f.algebra[i] for f in factors] for i in range(k)])
        residual = _derivation_residual(factors, x)
        if residual > _RESIDUAL:
            raise NumericalError(
                f"invariants of {len(factors)} factors keep a residual of {residual:.1e} on some generator; "
                "give generators that are skew, symmetric or better conditioned"
            )
    return x


def component_invariants(factors: Sequence[Action], x: Tensor) -> Tensor:
    """The part of span(x) that every component representative fixes, ``(D, r)`` → ``(D, s)``, orthonormal."""
    for j in range(factors[0].components.shape[0]):
        parts = [f.components[j] for f in factors]
        scale = 1 + math.prod(float(torch.linalg.matrix_norm(p, 2)) for p in parts)
        if x.shape[1]:
            x = x @ null_coefficients(apply_product(parts, x) - x, scale)
    return x
