"""Linear groups of the catalogue: rotations, unitary, special, general and symplectic ones, scalings."""

from __future__ import annotations

import torch

from symfind.lie.groups.families.family import Family
from symfind.lie.groups.families.generators import F64, general_linear, reflection, special_linear, stack, unit
from symfind.lie.groups.families.standard import indefinite, rotations, symplectic_group, unitary_group
from symfind.lie.groups.matrix_groups import Group


def linear_families() -> tuple[Family, ...]:
    """In the order in which they are listed."""
    rotation, half = "rotations of R^n", "n(n−1)/2"
    return (
        Family("so(n)", "so3", half, True, "1", rotation, ("rotations",), 1, lambda n: rotations(f"so({n})", n, False)),
        Family(
            "o(n)", "o3", half, True, "2", "rotations and reflections of R^n", ("orthogonal",), 1,
            lambda n: rotations(f"o({n})", n, True),
        ),
        Family(
            "so(p,q)", "so13", half + ", n = p+q", False, "1", "preserves diag(+p, −q); identity component",
            ("lorentz = so(1,3)",), 2, lambda p, q: indefinite(f"so({p},{q})", p, q, False),
        ),
        Family(
            "o(p,q)", "o(1,3)", half + ", n = p+q", False, "4", "preserves diag(+p, −q)", (), 2,
            lambda p, q: indefinite(f"o({p},{q})", p, q, True),
        ),
        Family(
            "su(n)", "su2", "n²−1", True, "1", "C^n as R^2n, (Re z, Im z)", (), 1,
            lambda n: unitary_group(f"su({n})", n, True),
        ),
        Family(
            "u(n)", "u(2)", "n²", True, "1", "C^n as R^2n, (Re z, Im z)", ("unitary",), 1,
            lambda n: unitary_group(f"u({n})", n, False),
        ),
        Family(
            "sl(n)", "sl2", "n²−1", False, "1", "volume-preserving maps of R^n", (), 1,
            lambda n: Group(f"sl({n})", special_linear(n), stack([], n), defining=f"volume-preserving maps of R^{n}"),
        ),
        Family(
            "gl(n)", "gl3", "n²", False, "2", "all invertible maps of R^n", ("linear",), 1,
            lambda n: Group(f"gl({n})", general_linear(n), reflection(n, 0)[None], 2,
                            defining=f"invertible maps of R^{n}"),
        ),
        Family(
            "sp(n)", "sp4", "n(n+1)/2, n even", False, "1", "canonical maps of R^n, (q, p)", ("symplectic",), 1,
            symplectic_group,
        ),
        Family(
            "scalings(n)", "scalings3", "1", False, "1", "x → e^t x on R^n", ("scaling",), 1,
            lambda n: Group(f"scalings({n})", torch.eye(n, dtype=F64)[None], stack([], n),
                            defining=f"x → e^t x on R^{n}"),
        ),
        Family(
            "diagonal(n)", "diagonal3", "n", False, "1", "each coordinate of R^n scaled by itself", ("diag",), 1,
            lambda n: Group(f"diagonal({n})", stack([unit(n, i, i) for i in range(n)], n), stack([], n),
                            defining=f"each coordinate of R^{n} scaled by itself"),
        ),
    )  # fmt: skip
