"""What a search will hold in memory, told from shapes alone."""

from __future__ import annotations

from math import comb

from symfind.data.memory import check_memory

# The table of the fields and its centred copy, two matrices of the pencil, and one of each half of the rows.
_COPIES = 6
_OF_DEGREE_ONE = ("linear", "gl", "sl", "so", "se", "killing", "affine", "aff")
_FEW = ("translations", "diagonal")
_ROTATIONS = ("so", "se", "killing")


def field_count(space: str, d: int) -> int | None:
    """How many fields a named space has on R^d; None where a file says it."""
    total = 0
    for part in space.split("+"):
        head, _, tail = part.strip().partition(":")
        if head in _FEW:
            total += d
        elif head in _ROTATIONS:
            total += d * (d - 1) // 2 + (0 if head == "so" else d)
        elif head in _OF_DEGREE_ONE:
            total += d * d + {"affine": d, "aff": d, "sl": -1}.get(head, 0)
        elif head in ("polynomial", "point") and tail.isdigit():
            total += comb(d + int(tail), d) * d
        else:
            return None
    return total


def search_bytes(space: str, d: int) -> int:
    """Bytes for the coefficients of all fields of a named space on R^d and for their Gram matrices; 0 if unknown.

    p fields with q monomials for each of d components are p·q·d numbers, a Gram matrix p².
    """
    total = 0
    for part in space.split("+"):
        head, _, tail = part.strip().partition(":")
        if head in _OF_DEGREE_ONE:
            q, p = d + 1, d * (d + 1)
        elif head in _FEW:
            q, p = d + 1, d
        elif head in ("polynomial", "point") and tail.isdigit():
            q = comb(d + int(tail), d)
            p = q * d
        else:
            continue
        total += 8 * _COPIES * p * max(p, q * d)
    return total


def check_size(source: str, space: str, objects: tuple[int, int], rows: int, *, transposed: bool) -> None:
    """Refuse a search over rows of k objects in R^d that does not fit into memory, with what is mostly behind it.

    Raises
    ------
    InputError
        It does not.
    """
    k, d = objects
    turned = "rows and columns exchanged? then add --transpose; or " if k == 1 and rows < d and not transposed else ""
    # The covariance of all coordinates, its root and the inverse of that.
    covariance = 8 * 4 * (k * d) ** 2
    check_memory(
        covariance + search_bytes(space, d),
        f"{source}: {rows} rows of {f'{k} × ' if k > 1 else ''}{d} coordinates; the space {space} on R^{d}",
        f"{turned}name fewer columns with --input, a smaller --space (translations, diagonal), or, for a field, --grid",
    )
