"""A certified algebra in the words of other libraries: NumPy, SymPy, EMLP, e3nn, PySINDy.

What is written is data, or a short Python program of data that needs the library alone.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.lie.algebras.affine_fields import structure_constants
from symfind.schema.document import Report
from symfind.untrusted_text import shown

# A number this near to a fraction of small denominator was recognised as it; others are printed with all digits.
_EXACT, _LARGEST_DENOMINATOR = 1e-9, 1000
# Monomials of a library times coordinates: a constraint a pair, of which more make no table.
_MOST_COEFFICIENTS = 5000


@dataclass(frozen=True)
class Handed:
    """What is handed on.

    Attributes
    ----------
    matrices
        ``(k, d, d)``: the linear parts of the certified generators.
    shifts
        ``(k, d)``: their constant parts, zero for linear fields.
    names
        Of the coordinates.
    title
        The algebra in words.
    parts
        Multiplicity and degree of each part under so(3); None for other algebras.
    """

    matrices: Tensor
    shifts: Tensor
    names: tuple[str, ...]
    title: str
    parts: tuple[tuple[int, int], ...] | None


# Digits of an entry beside the largest of its matrix: four of double precision are the rounding of what found it.
_DIGITS = 12


def handed(report: Report, name: str) -> Handed:
    """The certified matrices of a report.

    Raises
    ------
    InputError
        Nothing is certified, or the generators are no matrices.
    """
    certified = report.certified
    if not certified:
        raise InputError(f"{name}: the report has no certified generator; there is nothing to hand on")
    try:
        given = torch.tensor([g.input_action for g in certified], dtype=torch.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: the generators are no matrices; only linear and affine ones are handed on") from None
    if given.ndim != 3 or given.shape[1] != given.shape[2]:
        raise InputError(f"{name}: the generators are no matrices; only linear and affine ones are handed on")
    unit = given.abs().amax((1, 2), keepdim=True)
    given = torch.round(given / unit, decimals=_DIGITS) * unit + 0.0  # what is left of a zero is no −0
    d = given.shape[1]
    shifts = torch.zeros(len(given), d, dtype=torch.float64)
    if len(report.source.names) == d - 1 and not bool(given[:, -1].any()):
        given, shifts = given[:, :-1, :-1], given[:, :-1, -1]
    d = given.shape[1]
    names = report.source.names if len(report.source.names) == d else tuple(f"x{i + 1}" for i in range(d))
    algebra = report.algebra
    found = algebra.representation
    parts = None
    if found is not None and found.diagram == ("A1",) and algebra.name in ("so(3)", "su(2)"):
        parts = tuple((p.multiplicity, p.weights[0][0]) for p in found.parts)
    return Handed(given, shifts, names, f"{algebra.name}, dimension {algebra.dimension}", parts)


def as_numpy(given: Handed) -> bytes:
    """An npz archive: ``generators`` (k, d, d), ``shifts`` (k, d), ``structure_constants`` (k, k, k), ``names``."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        generators=given.matrices.numpy(),
        shifts=given.shifts.numpy(),
        structure_constants=structure_constants(_homogeneous(given)).numpy(),
        names=np.array(given.names),
    )
    return buffer.getvalue()


def _homogeneous(given: Handed) -> Tensor:
    k, d = given.shifts.shape
    out = given.matrices.new_zeros(k, d + 1, d + 1)
    out[:, :d, :d], out[:, :d, d] = given.matrices, given.shifts
    return out


def as_sympy(given: Handed) -> bytes:
    """``generators``, exact matrices where entries are fractions, and ``fields``, A x + b in symbols."""
    rows = [[_row(row) for row in m] for m in given.matrices.tolist()]
    matrices = ",\n    ".join(f"Matrix([{', '.join(m)}])" for m in rows)
    shifts = ",\n    ".join(f"Matrix({_row(row)})" for row in given.shifts.tolist())
    names = [_identifier(name, i) for i, name in enumerate(given.names)]
    return _program(
        given,
        "from sympy import Float, Matrix, Rational, symbols",
        f'x = Matrix(symbols("{" ".join(names)}", real=True, seq=True))',
        f"generators = [\n    {matrices},\n]",
        f"shifts = [\n    {shifts},\n]",
        "fields = [a * x + b for a, b in zip(generators, shifts)]",
    )


def as_emlp(given: Handed) -> bytes:
    """``group``, a matrix group by its Lie algebra, for EMLP's representations.

    Raises
    ------
    InputError
        The fields are not linear.
    """
    _check_linear(given, "EMLP")
    d = given.matrices.shape[1]
    return _program(
        given,
        "import numpy as np\nfrom emlp.groups import Group",
        f"lie_algebra = np.array({given.matrices.tolist()})",
        "class Found(Group):\n"
        f'    """{given.title}."""\n\n'
        "    def __init__(self):\n"
        "        self.lie_algebra = lie_algebra\n"
        f"        self.d = {d}\n"
        "        super().__init__()",
        "group = Found()",
    )


def as_e3nn(given: Handed) -> bytes:
    """``irreps`` and ``change``: Q with Q D(g) = D_irreps(g) Q, solved for from e3nn's own generators.

    Parities are those of (−1)^l: a rotation does not tell them.

    Raises
    ------
    InputError
        The algebra is not so(3) on whole degrees.
    """
    _check_linear(given, "e3nn")
    if given.parts is None or any(twice % 2 for _, twice in given.parts) or len(given.matrices) != 3:
        raise InputError("e3nn knows so(3) of whole degrees, and the report has no such part; choose another")
    words = "+".join(f"{m}x{twice // 2}{'eo'[(twice // 2) % 2]}" for m, twice in given.parts)
    return _program(
        given,
        "import torch\nfrom e3nn import o3",
        f"generators = torch.tensor({given.matrices.tolist()}, dtype=torch.float64)",
        f'irreps = o3.Irreps("{words}")',
        _CHANGE,
        "change = change_of_basis(generators, irreps)",
    )


# Cartesian generators of both sides: those with [e1, e2] = e3 in Killing's metric, whatever combinations are given.
_CHANGE = '''def standard(x):
    """Combinations e of three matrices with [e1, e2] = e3 and cyclic."""
    flat = x.flatten(1).T
    bracket = torch.einsum("iab,jbc->ijac", x, x)
    bracket = (bracket - bracket.transpose(0, 1)).flatten(0, 1).flatten(1).T
    f = torch.linalg.lstsq(flat, bracket).solution.T.reshape(3, 3, 3)
    killing = -0.5 * torch.einsum("iab,jba->ij", f, f)
    e = torch.einsum("ij,jab->iab", torch.linalg.inv(torch.linalg.cholesky(killing)), x)
    sign = torch.sign(((e[0] @ e[1] - e[1] @ e[0]) * e[2]).sum())
    return sign * e


def rotations(irreps):
    """The generators of e3nn's representation, part by part."""
    parts = [o3.so3_generators(ir.l).double() for m, ir in irreps for _ in range(m)]
    return torch.stack([torch.block_diag(*(p[i] for p in parts)) for i in range(3)])


def change_of_basis(generators, irreps):
    """An orthogonal-as-can-be Q with Q a = b Q for the generators a of the data and b of the irreps."""
    a, b = standard(generators), standard(rotations(irreps))
    eye = torch.eye(a.shape[1], dtype=torch.float64)
    rows = torch.cat([torch.kron(eye, p.T.contiguous()) - torch.kron(q.contiguous(), eye) for p, q in zip(a, b)])
    _, s, vt = torch.linalg.svd(rows)
    null = vt[s < 1e-6 * s[0]]
    torch.manual_seed(0)
    q = max((torch.randn(len(null), dtype=torch.float64) @ null for _ in range(16)),
            key=lambda v: float(torch.linalg.svdvals(v.reshape(eye.shape))[-1])).reshape(eye.shape)
    return q / torch.linalg.svdvals(q).log().mean().exp()'''


def as_pysindy(given: Handed, degree: int = 2) -> bytes:
    """``library``, ``constraint_lhs`` and ``constraint_rhs`` of dynamics dx/dt = ΞΘ(x) that the algebra leaves alone.

    The constraint is [ξ, F] = 0 for every generator, DF·(Ax + b) − A F = 0, monomial by monomial: linear in Ξ, in the
    order of PySINDy's targets (coefficient of feature j in equation i at i·f + j).

    Raises
    ------
    InputError
        The library has too many coefficients.
    """
    k, d = given.shifts.shape
    exponents = _library(d, degree)
    f = len(exponents)
    if d * f > _MOST_COEFFICIENTS:
        raise InputError(f"degree {degree} has {d * f:,} coefficients, at most {_MOST_COEFFICIENTS:,} are written")
    rows = equivariance_constraints(given.matrices, given.shifts, exponents)
    return _program(
        given,
        "import numpy as np\nimport pysindy as ps",
        f"library = ps.PolynomialLibrary(degree={degree}, include_bias=True)",
        f"constraint_lhs = np.array({rows.tolist()}).reshape(-1, {d * f})",
        "constraint_rhs = np.zeros(len(constraint_lhs))",
        "# ps.ConstrainedSR3(constraint_lhs=constraint_lhs, constraint_rhs=constraint_rhs, constraint_order='target')",
    )


def _library(d: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents in the order of scikit-learn, which PySINDy's polynomials have."""
    out = []
    for total in range(degree + 1):
        for chosen in itertools.combinations_with_replacement(range(d), total):
            out.append(tuple(chosen.count(i) for i in range(d)))
    return out


def equivariance_constraints(matrices: Tensor, shifts: Tensor, exponents: list[tuple[int, ...]]) -> Tensor:
    """Independent rows C ``(c, d·f)`` with C vec Ξ = 0 iff DF·(Ax + b) = A F for all generators; F = ΞΘ."""
    k, d = shifts.shape
    f = len(exponents)
    place = {e: i for i, e in enumerate(exponents)}
    rows = []
    for a, b in zip(matrices, shifts, strict=True):
        # L[j, l]: what Θ_j becomes along the field, as a combination of Θ_l (degrees do not rise).
        moved = torch.zeros(f, f, dtype=torch.float64)
        for j, e in enumerate(exponents):
            for i in range(d):
                if e[i]:
                    lower = tuple(v - (m == i) for m, v in enumerate(e))
                    moved[j, place[lower]] += e[i] * b[i]
                    for m in range(d):
                        moved[j, place[tuple(v + (n == m) for n, v in enumerate(lower))]] += e[i] * a[i, m]
        eye_d, eye_f = torch.eye(d, dtype=torch.float64), torch.eye(f, dtype=torch.float64)
        rows.append(torch.kron(eye_d, moved.T.contiguous()) - torch.kron(a.contiguous(), eye_f))
    whole = torch.cat(rows)
    whole = whole[whole.abs().amax(1) > 0]
    if not len(whole):
        return whole.new_zeros(0, d * f)
    _, s, vt = torch.linalg.svd(whole, full_matrices=False)
    independent: Tensor = vt[s > 1e-9 * s[0]]
    return independent


def _check_linear(given: Handed, library: str) -> None:
    if bool(given.shifts.any()):
        raise InputError(f"{library} takes linear groups, and the fields have constant parts; choose another")


def _row(values: list[float]) -> str:
    return "[" + ", ".join(map(_entry, values)) + "]"


def _entry(value: float) -> str:
    near = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
    if abs(float(near) - value) > _EXACT:
        return f"Float({value!r})"
    return str(near.numerator) if near.denominator == 1 else f"Rational({near.numerator}, {near.denominator})"


def _identifier(name: str, index: int) -> str:
    return name if name.isidentifier() and name.isascii() else f"x{index + 1}"


def _program(given: Handed, imports: str, *parts: str) -> bytes:
    names = ", ".join(shown(n).replace('"', "'").replace("\\", "/") for n in given.names)
    head = f'"""{given.title}, on {names}: written by symfind export."""'
    return ("\n\n".join([head, imports, *parts]) + "\n").encode()


TARGETS: dict[str, Callable[[Handed], bytes]] = {
    "numpy": as_numpy,
    "sympy": as_sympy,
    "emlp": as_emlp,
    "e3nn": as_e3nn,
    "pysindy": as_pysindy,
}
