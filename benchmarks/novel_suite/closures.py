"""Dynamical Lie algebras of chains with two-site terms: dimensions beside the names of the published classification.

Expected dimensions follow from the names in Wiersema, Kökcü, Kemper, Bakalov 2024 (npj Quantum Information 10, 110),
which PauLie's tests check at 6 and 10 sites: so(N) has N(N−1)/2 dimensions, su(N) N² − 1, sp(N) N(2N+1), u(1) one.
"""

from __future__ import annotations

import time

from symfind.lie.weights.pauli import pauli_closure


def so(n: int) -> int:
    return n * (n - 1) // 2


def su(n: int) -> int:
    return n * n - 1


def sp(n: int) -> int:
    return n * (2 * n + 1)


def _a3(n: int) -> int:
    q = 2 ** (n - 2)
    kinds = {
        0: 4 * so(q),
        1: so(2 * q),
        2: 2 * su(q),
        3: sp(q),
        4: 4 * sp(q // 2),
        5: sp(q),
        6: 2 * su(q),
        7: so(2 * q),
    }
    return kinds[n % 8]


def _a5(n: int) -> int:
    q = 2 ** (n - 2)
    return {0: 4 * so(q), 1: so(2 * q), 2: 2 * su(q), 3: sp(q), 4: 2 * su(q), 5: so(2 * q)}[n % 6]


def _a6(n: int) -> int:
    return su(2 ** (n - 1)) if n % 2 else 4 * su(2 ** (n - 2))


def expected(n: int) -> dict[str, tuple[str, int]]:
    """Terms and dimension of each family at n sites."""
    whole, half = su(2**n), 2 * su(2 ** (n - 1))
    return {
        "a0": ("XX", n - 1),
        "a1": ("XY", so(n)),
        "a2": ("XY YX", 2 * so(n)),
        "a3": ("XX YZ", _a3(n)),
        "a4": ("XX YY", 2 * so(n)),
        "a5": ("XY YZ", _a5(n)),
        "a6": ("XX YZ ZY", _a6(n)),
        "a7": ("XX YY ZZ", _a6(n)),
        "a8": ("XX XZ", so(2 * n - 1)),
        "a9": ("XY XZ", sp(2 ** (n - 2))),
        "a10": ("XY YZ ZX", _a6(n)),
        "a11": ("XY YX YZ", so(2**n)),
        "a12": ("XX XY YZ", whole),
        "a13": ("XX YY YZ", half),
        "a14": ("XX YY XY", so(2 * n)),
        "a15": ("XX XY XZ", half),
        "a16": ("XY YX YZ ZY", so(2**n)),
        "a17": ("XX XY ZX", whole),
        "a18": ("XX XZ YY ZY", whole),
        "a19": ("XX XY ZX YZ", whole),
        "a20": ("XX YY ZZ ZY", half),
        "a21": ("XX YY XY ZX", whole),
        "a22": ("XX XY XZ YX", whole),
        "b0": ("XI IX", n),
        "b1": ("XX XI IX", 2 * n - 1),
        "b2": ("XY XI IX", sp(2 ** (n - 2)) + 1),
        "b3": ("XI YI IX IY", 3 * n),
        "b4": ("XX XY XZ XI IX IY IZ", half + 1),
    }


def chain(terms: str, n: int) -> list[str]:
    return ["I" * i + t + "I" * (n - 2 - i) for t in terms.split() for i in range(n - 1)]


def table() -> str:
    """A line a family: dimensions found and expected at 6 and 10 sites, and the seconds of the larger."""
    lines = [
        "| family | terms | 6 sites: found / expected | 10 sites: found / expected | rounds | seconds |",
        "|---|---|---|---|---|---|",
    ]
    right = count = 0
    for name, (terms, six) in expected(6).items():
        ten = expected(10)[name][1]
        small = pauli_closure(chain(terms, 6)).dimension
        start = time.perf_counter()
        large = pauli_closure(chain(terms, 10))
        seconds = time.perf_counter() - start
        right += (small == six) + (large.dimension == ten)
        count += 2
        lines.append(
            f"| {name} | {terms} | {small:,} / {six:,} | {large.dimension:,} / {ten:,} | {len(large.growth) - 1} | "
            f"{seconds:.1f} |"
        )
    lines.append(f"| **all** | | | **{right} of {count} as published** | | |")
    return "\n".join(lines)
