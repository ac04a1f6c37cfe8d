"""Groups of the catalogue with translations."""

from __future__ import annotations

import torch

from symfind.lie.groups.families.family import Family
from symfind.lie.groups.families.generators import F64, general_linear, reflection, so_generators, stack
from symfind.lie.groups.families.standard import affine


def affine_families() -> tuple[Family, ...]:
    """In the order in which they are listed."""
    return (
        Family(
            "t(n)", "t3", "n", False, "1", "translations of R^n", ("translations",), 1,
            lambda n: affine(f"t({n})", n, stack([], n), [], "translations"),
        ),
        Family(
            "se(n)", "se3", "n(n+1)/2", False, "1", "rotations and translations of R^n", (), 1,
            lambda n: affine(f"se({n})", n, so_generators(n), [], "rotations and translations"),
        ),
        Family(
            "e(n)", "e3", "n(n+1)/2", False, "2", "isometries of R^n", ("euclidean",), 1,
            lambda n: affine(f"e({n})", n, so_generators(n), [reflection(n, 0)], "isometries"),
        ),
        Family(
            "sim(n)", "sim2", "n(n+1)/2 + 1", False, "1", "rotations, translations, scaling of R^n", (), 1,
            lambda n: affine(f"sim({n})", n, torch.cat([so_generators(n), torch.eye(n, dtype=F64)[None]]), [],
                             "rotations, translations and scaling"),
        ),
        Family(
            "aff(n)", "aff2", "n²+n", False, "2", "affine maps of R^n", ("affine",), 1,
            lambda n: affine(f"aff({n})", n, general_linear(n), [reflection(n, 0)], "affine maps"),
        ),
        Family(
            "iso(p,q)", "iso(1,3)", "n(n+1)/2, n = p+q", False, "1", "so(p,q) and translations",
            ("poincare = iso(1,3)",), 2,
            lambda p, q: affine(f"iso({p},{q})", p + q, so_generators(p, q), [], f"so({p},{q}) and translations"),
        ),
    )  # fmt: skip
