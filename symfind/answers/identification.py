"""Which Lie algebra is it: generators of a report, or matrices typed in YAML ↦ a report whose algebra is filled in.

The YAML form::

    generators:            # square matrices of one size
      - [[0, -1], [1, 0]]
      - [[1, 0], [0, 1]]
    names: [x, y]          # optional, of the coordinates
    noise: 1.0e-3          # optional, relative error of a generator

Entries may be complex, as text: ``"1j"``, ``"0.5-2j"``; complex matrices act on (Re z, Im z). In place of
``generators`` there may be ``paulis``, words such as ``XXI``, each for i times a product of Pauli matrices.
"""

from __future__ import annotations

import cmath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symfind.answers.algebra import algebra_of_abstract, algebra_of_affine
from symfind.answers.generated import MOST_FORMED, Given, check_most, real_names, report_of_closure, report_of_strings
from symfind.answers.span import algebra_at_points, constants_at_points
from symfind.data.files import HDF5_SIGNATURE, sha256
from symfind.data.matrices import holds_matrices, stored_matrices
from symfind.errors import InputError
from symfind.fields.polynomial import PolynomialFields, linear_fields
from symfind.kinds.search import coordinate_names
from symfind.lie.algebras.affine_fields import AffineFields
from symfind.lie.algebras.algebra import algebra_of_structure_constants
from symfind.lie.groups.haar import realify
from symfind.lie.weights.pauli import pauli_codes, pauli_matrices
from symfind.schema.algebra import Algebra
from symfind.schema.coverage import Coverage
from symfind.schema.document import Environment, Generator, Report, Source, Space
from symfind.schema.store import from_json, read_report
from symfind.small_input import LIMITS, small_bytes, text_of, yaml_of

_KEYS = ("generators", "paulis", "names", "noise")
_FORM = "give a report that symfind wrote, or YAML, HDF5 or npz with `generators`, square matrices"
# Points for brackets of polynomial fields whose data are no longer there.
_POINTS = 400
# A complex number of double precision is typed in fewer characters.
_LONGEST_NUMBER = 64


def identify_source(
    path: Path, name: str, settings: Mapping[str, Any], environment: Environment, *, close: bool = False
) -> Report:
    """The report with its algebra, from a report (JSON, HDF5) or matrices (YAML, JSON, HDF5, npz, npy).

    Parameters
    ----------
    path
        The file.
    name
        As the user gave it.
    settings, environment
        For the report of matrices; a report keeps its own.
    close
        Whether the algebra is the one that the matrices generate, else their span.

    Raises
    ------
    InputError
        The file is neither, holds no generator, or matrices that are not square, finite, or independent.
    """
    content = small_bytes(path, _FORM)
    given: Given | tuple[str, ...]
    if holds_matrices(path, content[:8]):
        given = _stored(path)
    elif content.startswith(HDF5_SIGNATURE):
        return _of_report(read_report(str(path)), name, settings, environment, close=close)
    else:
        text = text_of(content, str(path), _FORM)
        if text.lstrip().startswith("{") and '"schema"' in text:
            return _of_report(from_json(text, str(path)), name, settings, environment, close=close)
        given = _typed(text, path)
    if isinstance(given, tuple):
        n = len(given[0])
        if close:
            words = Source(path=name, sha256=sha256(path), kind="generators", shapes={"paulis": (len(given), n)})
            return report_of_strings(given, words, settings, environment)
        if n > MOST_FORMED:
            raise InputError(f"{name}: matrices of {n} qubits are not formed; add --close for the dimension")
        matrices = pauli_matrices(given)
        given = Given(matrices, tuple(f"z{i + 1}" for i in range(matrices.shape[1])))
    source = Source(
        path=name,
        sha256=sha256(path),
        kind="generators",
        shapes={"generators": tuple(given.matrices.shape)},
        names=real_names(given),
    )
    if close:
        return report_of_closure(given, source, settings, environment)
    real = realify(given.matrices) if given.matrices.is_complex() else given.matrices
    return report_of_matrices(real, given.noise, source, settings, environment)


def _of_report(
    report: Report, name: str, settings: Mapping[str, Any], environment: Environment, *, close: bool
) -> Report:
    """A report with its algebra computed anew, or what its certified matrices generate."""
    if not close:
        return identified(report, name)
    certified = report.certified
    if not certified:
        raise InputError(f"{name}: the report has no certified generator; there is no algebra to close")
    try:
        matrices = torch.tensor([g.input_action for g in certified], dtype=torch.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: --close brackets matrices, and the generators are none; leave it out") from None
    names = report.source.names
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise InputError(f"{name}: --close brackets matrices, and the generators are none; leave it out")
    if matrices.shape[1] == len(names) + 1:
        names = (*names, "1")
    noise = report.algebra.noise if report.algebra.noise is not None else _noise(report)
    names = names if len(names) == matrices.shape[1] else tuple(coordinate_names(None, matrices.shape[1]))
    source = replace(report.source, kind="generators", shapes={"generators": tuple(matrices.shape)}, names=names)
    return report_of_closure(Given(matrices, names, noise), source, settings, environment)


def _stored(path: Path) -> Given:
    matrices = torch.from_numpy(stored_matrices(path))
    if not bool(torch.isfinite(torch.view_as_real(matrices) if matrices.is_complex() else matrices).all()):
        raise InputError(f"{path}: a generator has an entry that is not finite; correct it")
    if float(torch.linalg.matrix_norm(matrices).min()) == 0.0:
        raise InputError(f"{path}: a generator is zero; leave it out")
    check_most(len(matrices))
    return Given(matrices, tuple(coordinate_names(None, matrices.shape[1])))


def report_of_matrices(
    matrices: Tensor, noise: float | None, source: Source, settings: Mapping[str, Any], environment: Environment
) -> Report:
    """A report of linear fields Ax that were given, not found, with A ``(k, d, d)``."""
    k, d = matrices.shape[:2]
    space = linear_fields(d)
    vectors = matrices.transpose(1, 2).flatten(1)  # the basis of the space is x_j ∂_i
    rank = int(torch.linalg.matrix_rank(vectors / vectors.norm(dim=1, keepdim=True)))
    if rank < k:
        raise InputError(f"{source.path}: {k} generators span {rank} dimensions; leave out those that depend on others")
    algebra, warnings = algebra_of_affine(AffineFields.of_matrices(matrices, noise), source.names)
    generators = tuple(
        Generator(
            expression=space.expression(v, source.names),
            latex=space.expression(v, source.names, latex=True),
            defect=None,
            verdict="certified",
            coefficients=tuple(v.tolist()),
            input_action=a.tolist(),
        )
        for v, a in zip(vectors, matrices, strict=True)
    )
    return Report(
        source=source,
        settings=settings,
        environment=environment,
        space=Space(name=space.name, dimension=space.dim),
        generators=generators,
        algebra=algebra,
        coverage=Coverage(),
        notes=("the generators were given: no data stand behind their verdict",),
        warnings=warnings,
    )


def identified(report: Report, name: str) -> Report:
    """The report with the algebra of its certified generators computed anew.

    Raises
    ------
    InputError
        If no generator is certified, or their actions are neither matrices nor polynomials and their structure
        constants are missing.
    """
    certified = report.certified
    if not certified:
        raise InputError(f"{name}: the report has no certified generator; there is no algebra to identify")
    noise = report.algebra.noise if report.algebra.noise is not None else _noise(report)
    actions = [g.input_action for g in certified]
    names = report.source.names
    fields = _affine(actions, len(names), noise)
    if fields is not None:
        d = fields.linear.shape[1]
        algebra, warnings = algebra_of_affine(fields, names if len(names) == d else [f"x{i + 1}" for i in range(d)])
    elif all(isinstance(a, Mapping) and {"exponents", "coefficients"} <= set(a) for a in actions):
        algebra, warnings = _of_polynomials(actions, noise or 0.0)
    elif report.algebra.structure_constants is not None:
        f = torch.tensor(report.algebra.structure_constants, dtype=torch.float64)
        algebra, warnings = algebra_of_abstract(
            lambda: algebra_of_structure_constants(f, max(noise or 0.0, report.algebra.closure or 0.0)), len(f), f
        )
    else:
        raise InputError(f"{name}: the generators are neither matrices nor polynomials; discover them again")
    if report.algebra.closure is not None:
        # Of the span as it was measured, before entries were recognised.
        algebra = replace(algebra, closure=report.algebra.closure, distance=report.algebra.distance)
    kept = tuple(w for w in report.warnings if not w.startswith("algebra: "))
    return replace(report, algebra=algebra, warnings=(*kept, *warnings))


def _noise(report: Report) -> float | None:
    """The error of the span: its upper bound over the next defect (Davis, Kahan 1970); None where there are none."""
    upper = max((g.upper or 0.0 for g in report.certified), default=0.0)
    rest = [s.defect for s in report.spectrum[len(report.certified) :] if s.defect]
    return min(1.0, upper / rest[0]) if upper and rest else None


def _affine(actions: Sequence[Any], d: int, noise: float | None) -> AffineFields | None:
    """Square matrices as linear fields, or as affine ones if they have one row more than there are coordinates."""
    try:
        stacked = torch.tensor(actions, dtype=torch.float64)
    except (TypeError, ValueError):
        return None
    if stacked.ndim != 3 or stacked.shape[1] != stacked.shape[2]:
        return None
    if d and stacked.shape[1] == d + 1:
        zero = torch.zeros(d, dtype=torch.float64)
        return AffineFields(stacked[:, :d, :d], stacked[:, :d, d], noise, zero, torch.ones_like(zero))
    return AffineFields.of_matrices(stacked, noise)


def _of_polynomials(actions: Sequence[Any], noise: float) -> tuple[Algebra, tuple[str, ...]]:
    """Brackets of polynomial fields at normally distributed points."""
    exponents = torch.tensor(actions[0]["exponents"], dtype=torch.int64)
    table = torch.tensor([a["coefficients"] for a in actions], dtype=torch.float64)
    d, k = exponents.shape[1], len(actions)
    # Monomials are built from their parents, which must all be there.
    whole = _with_parents(exponents.tolist())
    place = {tuple(e): i for i, e in enumerate(whole)}
    full = torch.zeros(k, len(whole), d, dtype=torch.float64)
    full[:, [place[tuple(e)] for e in exponents.tolist()]] = table
    zero = torch.zeros(d, dtype=torch.float64)
    space = PolynomialFields(
        "polynomial", d, False, torch.tensor(whole, dtype=torch.int64), full, zero, torch.ones_like(zero)
    )
    points = torch.randn(_POINTS, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = torch.eye(k, dtype=torch.float64)
    return algebra_of_abstract(
        lambda: algebra_at_points(space, unit, points, noise), k, constants_at_points(space, unit, points)
    )


def _with_parents(exponents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Exponents and all below them, ascending in degree."""
    found: set[tuple[int, ...]] = set()
    left = [tuple(e) for e in exponents]
    while left:
        e = left.pop()
        if e not in found:
            found.add(e)
            left += [tuple(v - (i == j) for j, v in enumerate(e)) for i, a in enumerate(e) if a]
    return [list(e) for e in sorted(found, key=lambda e: (sum(e), [-v for v in e]))]


def _typed(text: str, path: Path) -> Given | tuple[str, ...]:
    """Matrices ``(k, d, d)`` with names and noise, or Pauli strings, of a YAML document."""
    if len(text) > LIMITS.typed_size:
        raise InputError(f"{path}: has {len(text) / 2**20:.1f} MiB of YAML, at most {LIMITS.typed_size >> 20} are read")
    document = yaml_of(text, str(path), _FORM)
    if not isinstance(document, Mapping) or not any(isinstance(document.get(k), list) for k in _KEYS[:2]):
        raise InputError(f"{path}: no `generators:` list; {_FORM}")
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        raise InputError(f"{path}: unknown key {str(unknown[0])!r}, expected {', '.join(_KEYS)}")
    if document.get("paulis") is not None:
        return _words(document, path)
    matrices = _matrices(document["generators"], path)
    d = matrices.shape[1]
    names = document.get("names")
    if names is None:
        names = coordinate_names(None, d)
    if not isinstance(names, list | tuple) or len(names) != d:
        raise InputError(f"{path}: `names` are {names!r}, expected {d} names of coordinates")
    noise = document.get("noise")
    if noise is not None and (not isinstance(noise, int | float) or isinstance(noise, bool) or not 0 <= noise < 1):
        raise InputError(f"{path}: `noise` is {noise!r}, expected a relative error of at least 0 and below 1")
    return Given(matrices, tuple(str(n) for n in names), noise)


def _words(document: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    words = document["paulis"]
    if set(document) != {"paulis"}:
        raise InputError(f"{path}: `paulis` stand alone, without `generators`, `names` and `noise`; leave these out")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InputError(f"{path}: `paulis` are {str(words)[:40]}, expected a list of words such as XXI")
    try:
        pauli_codes(words)
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from None
    return tuple(words)


def _matrices(given: list[Any], path: Path) -> Tensor:
    if not given:
        raise InputError(f"{path}: the list of generators is empty; give at least one square matrix")
    numbers = [[[_number(entry) for entry in row] if isinstance(row, list) else row for row in rows]
               if isinstance(rows, list) else rows for rows in given]  # fmt: skip
    for number, rows in enumerate(numbers, start=1):
        shape = _shape(rows)
        if shape is None or shape[0] != shape[1]:
            what = "not a list of rows of numbers" if shape is None else f"{shape[0]} × {shape[1]}"
            raise InputError(f"{path}: generator {number} is {what}, expected a square matrix")
        if shape != _shape(numbers[0]):
            d = len(numbers[0])
            raise InputError(f"{path}: generator {number} is {shape[0]} × {shape[1]}, the first is {d} × {d}")
        if not all(cmath.isfinite(entry) for row in rows for entry in row):
            raise InputError(f"{path}: generator {number} has an entry that is not finite; correct it")
        if not any(entry for row in rows for entry in row):
            raise InputError(f"{path}: generator {number} is zero; leave it out")
    complex_ones = any(isinstance(entry, complex) for rows in numbers for row in rows for entry in row)
    return torch.tensor(numbers, dtype=torch.complex128 if complex_ones else torch.float64)


def _number(entry: Any) -> Any:
    """A complex number typed as text, ``"1j"``, ``"0.5-2i"``; everything else as it is."""
    if not isinstance(entry, str) or len(entry) > _LONGEST_NUMBER:
        return entry
    try:
        return complex(entry.replace(" ", "").replace("i", "j"))
    except ValueError:
        return entry


def _shape(rows: Any) -> tuple[int, int] | None:
    """Rows and columns of a list of lists of numbers, None for anything else."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        return None
    numbers = all(isinstance(v, int | float | complex) and not isinstance(v, bool) for row in rows for v in row)
    return (len(rows), len(rows[0])) if numbers and len({len(row) for row in rows}) == 1 else None
