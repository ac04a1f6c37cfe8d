"""⟨X₁ … X_m⟩ as a report: what given matrices or Pauli strings close to, its growth, and its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from symfind.answers.algebra import algebra_of_affine
from symfind.answers.representation import representation_of_complex
from symfind.errors import InputError
from symfind.fields.polynomial import linear_fields
from symfind.lie.algebras.affine_fields import AffineFields
from symfind.lie.algebras.classify import UNIDENTIFIED
from symfind.lie.groups.haar import realify
from symfind.lie.weights.generated import GeneratedAlgebra, generated_algebra
from symfind.lie.weights.labels import compact_name
from symfind.lie.weights.pauli import PauliClosure, pauli_closure, pauli_matrices
from symfind.lie.weights.roots import root_system
from symfind.lie.weights.torus import compact_form
from symfind.linalg.subspaces import UnclearRank
from symfind.schema.algebra import Algebra
from symfind.schema.coverage import Coverage
from symfind.schema.document import Environment, Generator, Report, Source, Space

# su(16) has 255 dimensions, gl(16,R) one more, and their roots are sorted in seconds; the time grows with the cube.
_MOST = 256
# Matrices of Pauli strings are formed where all of su(2ⁿ) is below that.
MOST_FORMED = 4
# The nearest subalgebra of more unknowns is an eigenvalue problem of minutes; larger algebras are named by their roots.
_MOST_UNKNOWNS = 3000
# A list of more numbers makes a report that nobody reads and few programs load.
_MOST_LISTED = 200_000
# Antihermitian and Hermitian matrices as they are typed: to the rounding of decimal fractions.
_TYPED = 1e-9


@dataclass(frozen=True, eq=False)
class Given:
    """Matrices whose closure is asked.

    Attributes
    ----------
    matrices
        ``(m, d, d)`` real or complex.
    names
        Of the coordinates.
    noise
        Relative error of a matrix; rounding if None.
    """

    matrices: Tensor
    names: tuple[str, ...]
    noise: float | None = None


def report_of_closure(given: Given, source: Source, settings: Mapping[str, Any], environment: Environment) -> Report:
    """The report of the algebra that matrices generate over the reals.

    Raises
    ------
    InputError
        A matrix is zero or not finite.
    UnclearRank
        The errors leave open whether a bracket is new.
    """
    found = generated_algebra(given.matrices, _MOST, given.noise)
    algebra, warnings = _named(found, given)
    notes = [_told(found, len(given.matrices))]
    if given.matrices.is_complex() and _is(given.matrices, 1):
        notes.append("all matrices are Hermitian and are taken as they are; a Hamiltonian H generates by iH")
    return Report(
        source=source,
        settings=settings,
        environment=environment,
        space=Space(name="linear", dimension=source_dimension(given)),
        generators=_listed(found, given),
        algebra=replace(algebra, growth=found.growth),
        coverage=Coverage(),
        notes=("the generators were given: no data stand behind their verdict", *notes),
        warnings=warnings,
    )


def source_dimension(given: Given) -> int:
    """Of the real vector space of all matrices of that size."""
    d = given.matrices.shape[1]
    return d * d * (2 if given.matrices.is_complex() else 1)


def _told(found: GeneratedAlgebra, count: int) -> str:
    if not found.closed:
        return f"more than {_MOST} dimensions: the search was stopped, and the algebra is larger"
    rounds = len(found.growth) - 1
    first = f"{count} matrices" + ("" if found.growth[0] == count else f", {found.growth[0]} of them independent,")
    return f"{first} close after {rounds} round{'' if rounds == 1 else 's'} of brackets"


def _is(matrices: Tensor, sign: int) -> bool:
    """Whether all matrices are Hermitian (sign 1) or antihermitian (−1)."""
    return float((matrices.mH - sign * matrices).abs().max()) <= _TYPED * float(matrices.abs().max())


def _named(found: GeneratedAlgebra, given: Given) -> tuple[Algebra, tuple[str, ...]]:
    k = len(found.matrices)
    if not found.closed:
        return Algebra(dimension=k, name=UNIDENTIFIED, reason="the search was stopped before it closed"), ()
    if _is(found.matrices, -1):
        return _compact(found.matrices), ()
    real = realify(found.matrices) if found.matrices.is_complex() else found.matrices
    d = real.shape[1]
    if k * (d * d - k) > _MOST_UNKNOWNS:
        return Algebra(dimension=k, name=UNIDENTIFIED, reason="it is not compact, and too large to be named"), ()
    fields = AffineFields.of_matrices(real, max(given.noise or 0.0, _TYPED))
    return algebra_of_affine(fields, real_names(given))


def _compact(matrices: Tensor) -> Algebra:
    """The algebra of antihermitian matrices, by its roots."""
    k = len(matrices)
    try:
        form = compact_form(matrices.to(torch.complex128))
        system = root_system(form)
    except UnclearRank as unclear:
        return Algebra(dimension=k, name=UNIDENTIFIED, reason=str(unclear))
    name, aliases, ideals = compact_name(system)
    centre, simple = len(system.centre), len(system.factors)
    return Algebra(
        dimension=k,
        name=name,
        aliases=aliases,
        closure=0.0,
        killing_signature=(0, k - centre),
        center_dimension=centre,
        radical_dimension=centre,
        ideals=ideals,
        simple=simple == 1 and not centre,
        semisimple=not centre,
        solvable=not simple,
        # A torus of antihermitian matrices may wind: whether its orbits close is not asked.
        compact=True if not centre else None,
        representation=representation_of_complex(form, system, name) if matrices.is_complex() else None,
    )


def real_names(given: Given) -> tuple[str, ...]:
    """Names of the real coordinates that the matrices act on: real parts, then imaginary parts."""
    if not given.matrices.is_complex():
        return given.names
    return (*(f"Re_{n}" for n in given.names), *(f"Im_{n}" for n in given.names))


def _listed(found: GeneratedAlgebra, given: Given) -> tuple[Generator, ...]:
    """The basis of the algebra, or the given matrices alone where the list would be too long."""
    basis = found.matrices
    real = realify(basis) if basis.is_complex() else basis
    d = real.shape[1]
    if real.numel() > _MOST_LISTED:
        real = real[: found.growth[0]]
    space, names = linear_fields(d), real_names(given)
    out = []
    for a in real:
        # Of norm √2, as turns have it: entries of Pauli strings and of turns are whole numbers over one.
        largest = a.abs().max()
        v = (a / largest).T.flatten()
        out.append(
            Generator(
                expression=space.expression(v, names),
                defect=None,
                verdict="certified",
                coefficients=tuple(v.tolist()),
                input_action=(a / largest).tolist(),
            )
        )
    return tuple(out)


def report_of_strings(
    strings: tuple[str, ...], source: Source, settings: Mapping[str, Any], environment: Environment
) -> Report:
    """The report of what i times Pauli strings generate: dimension and growth, and a name for few letters.

    Raises
    ------
    InputError
        The words are no Pauli strings of one length.
    """
    found = pauli_closure(strings)
    if found.qubits <= MOST_FORMED:
        names = tuple(f"z{i + 1}" for i in range(1 << found.qubits))
        return report_of_closure(Given(pauli_matrices(strings), names), source, settings, environment)
    return Report(
        source=source,
        settings=settings,
        environment=environment,
        space=Space(name="Pauli strings", dimension=4**found.qubits),
        algebra=Algebra(
            dimension=found.dimension,
            name=UNIDENTIFIED,
            reason=f"strings of more than {MOST_FORMED} letters are counted, not named",
            growth=found.growth,
        ),
        coverage=Coverage(),
        notes=(_strings_told(found),),
    )


def _strings_told(found: PauliClosure) -> str:
    return (
        f"{found.growth[0]} Pauli strings of {found.qubits} letters generate {found.dimension} of "
        f"{4**found.qubits - 1} after {len(found.growth) - 1} rounds of brackets; no matrix was formed"
    )


def check_most(k: int) -> None:
    """Refuse more generators than an algebra of the largest size has.

    Raises
    ------
    InputError
        With their number.
    """
    if k > _MOST:
        raise InputError(f"{k} matrices are given, of which at most {_MOST} are closed; give generators only")
