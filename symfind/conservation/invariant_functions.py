"""ξ_a·∇f = 0 for all generators at once: the polynomials that a Lie algebra of fields leaves unchanged.

It is the nullspace of :mod:`symfind.conservation.conserved` with the generators in place of the flow, at normally
distributed points, of which any number can be drawn: polynomials that vanish there vanish everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.conservation.conserved import AlongFlow, Conservation
from symfind.conservation.dependence import Dependence, dependence
from symfind.conservation.functions import FunctionSpace
from symfind.conservation.settings import SETTINGS
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Moments, input_geometry
from symfind.lie.algebras.canonical import canonical_basis
from symfind.linalg.nullspace import Pencil, streamed_pencil_spectrum

_MOST_FUNCTIONS = 330
# Rounding of a generalised singular value over a few hundred monomials of normal numbers is 1e-13.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class InvariantFunctions:
    """What is left unchanged.

    Attributes
    ----------
    space, vectors
        Polynomials, and the invariant ones ``(p, k)``, the simplest first.
    defects
        ρ ``(k,)``, the largest over the generators counted together.
    known
        How they depend on one another.
    degree
        The highest degree that was looked through.
    """

    space: FunctionSpace
    vectors: Tensor
    defects: tuple[float, ...]
    known: Dependence
    degree: int


def invariant_functions(
    fields: VectorFieldSpace, names: Sequence[str], degree: int, noise: float, generator: torch.Generator
) -> InvariantFunctions:
    """Invariants up to ``degree``, or as far as there are few enough monomials; ``noise`` is that of the generators."""
    d = fields.d
    while degree > 1 and math.comb(d + degree, degree) > _MOST_FUNCTIONS:
        degree -= 1
    space = FunctionSpace.of(f"polynomial:{degree}", names, degree)
    x = torch.randn(max(400, 4 * space.dim), d, generator=generator, dtype=torch.float64)
    moments = Moments(d)
    moments.add(x)
    geometry = input_geometry(moments, 1)
    rows = []
    for value in fields.evaluate(x).unbind(1):
        unit = value / value.square().mean().sqrt().clamp(min=1e-300)
        pencil = Conservation.of(space, AlongFlow(), geometry, x, unit).pencil(torch.cat([x, unit], 1))
        rows.append(pencil)
    stacked = Pencil(torch.cat([r.m for r in rows], 1), torch.cat([r.s for r in rows], 1))
    spectrum = streamed_pencil_spectrum([stacked], space.dim)
    # A generator with relative error ε moves an invariant of degree m by up to mε of what it moves others by.
    count = int((spectrum.values < max(_ROUNDING, 4 * degree * noise)).sum())
    if not count:
        return InvariantFunctions(space, spectrum.vectors[:, :0], (), Dependence((), (), (), ()), degree)
    kernel = spectrum.vectors[:, :count].T
    errors = torch.full_like(kernel, max(1e-10, noise) * float(kernel.abs().max()))
    basis = canonical_basis(kernel, errors).coefficients.T
    order = sorted(range(count), key=lambda i: space.complexity(basis[:, i]))
    basis = basis[:, order]
    sizes = torch.linalg.vector_norm(stacked.s.flatten(0, 1) @ basis, dim=0)
    defects = torch.linalg.vector_norm(stacked.m.flatten(0, 1) @ basis, dim=0) / sizes
    labels = [f"I{i + 1}" for i in range(count)]
    known = dependence(space(x) @ basis, space.gradients(x, basis), labels, SETTINGS.new)
    return InvariantFunctions(space, basis, tuple(defects.tolist()), known, degree)
