"""Finite groups of the catalogue."""

from __future__ import annotations

import torch

from symfind.lie.groups.families.family import Family
from symfind.lie.groups.families.generators import F64, reflection
from symfind.lie.groups.families.standard import cycle, finite, permutations, plane, signed_permutations


def finite_families() -> tuple[Family, ...]:
    """In the order in which they are listed."""
    return (
        Family(
            "s(n)", "s5", "0", True, "n!", "permutations of n coordinates or objects", ("permutations", "symmetric"), 1,
            lambda n: permutations(f"s{n}", n),
        ),
        Family(
            "z(n)", "z5", "0", True, "n", "cyclic shifts of n coordinates or objects", ("cyclic", "shifts"), 1,
            lambda n: finite(f"z{n}", [cycle(n)] if n > 1 else [], n, n, f"cyclic shifts of {n} coordinates"),
        ),
        Family(
            "c(n)", "c4", "0", True, "n", "turns of the plane by 360/n degrees; c4 turns images", (), 1,
            lambda n: plane(f"c{n}", n, False),
        ),
        Family(
            "d(n)", "d4", "0", True, "2n", "those turns and reflections; d4 turns and flips images", ("dihedral",), 1,
            lambda n: plane(f"d{n}", n, True),
        ),
        Family(
            "reflections(n)", "reflections3", "0", True, "2^n", "sign changes of the coordinates of R^n", ("signs",), 1,
            lambda n: finite(f"reflections({n})", [reflection(n, i) for i in range(n)], n, 2**n,
                             f"sign changes of the coordinates of R^{n}"),
        ),
        Family(
            "inversion(n)", "inversion3", "0", True, "2", "x → −x on R^n", ("parity",), 1,
            lambda n: finite(f"inversion({n})", [-torch.eye(n, dtype=F64)], n, 2, f"x → −x on R^{n}"),
        ),
        Family(
            "b(n)", "b3", "0", True, "2^n n!", "permutations and sign changes of R^n", ("hyperoctahedral",), 1,
            lambda n: signed_permutations(f"b{n}", n),
        ),
    )  # fmt: skip
