"""g ∈ GL(D), finitely many: candidates for discrete symmetries by name or from a file, and the groups they generate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.small_input import read_yaml

NAMES = ("reflections", "permutations", "inversion", "signed-permutations", "point-groups")
# Elements of a group that are written out to count them, in well under a second; 2⁴·4! = 384 are, 2⁵·5! are not.
_MOST_ELEMENTS = 2000
# Signed permutations of 8 coordinates have orders up to 30, and turns beyond 60 are told from no other by few rows.
_LARGEST_ORDER = 61
# Entries of products that differ by less are equal.
_DIGITS = 6


@dataclass(frozen=True)
class Move:
    """One candidate g.

    Attributes
    ----------
    name
        For the report: ``x → −x``, ``x ↔ y``.
    matrix
        ``(D, D)`` on the whole input, objects side by side.
    point
        ``(d, d)`` on each object; None where objects change places.
    """

    name: str
    matrix: Tensor
    point: Tensor | None


def named_moves(asked: str, objects: tuple[int, int], names: Sequence[str]) -> tuple[Move, ...]:
    """Candidates of ``reflections``, ``permutations``, ``inversion``, a YAML file, or a sum of these, without repeats.

    Raises
    ------
    UsageError
        A name is none of these.
    InputError
        A file holds no invertible matrices of the size of x.
    """
    moves: list[Move] = []
    for part in asked.split("+"):
        moves += _part(part.strip(), objects, names)
    kept: list[Move] = []
    for move in moves:
        if not any(torch.allclose(move.matrix, other.matrix) for other in kept):
            kept.append(move)
    return tuple(kept)


def _part(asked: str, objects: tuple[int, int], names: Sequence[str]) -> list[Move]:
    k, d = objects
    eye = torch.eye(d, dtype=torch.float64)
    if asked == "reflections":
        flips = [eye - 2 * torch.outer(row, row) for row in eye]
        return [on_objects(f"{name} → −{name}", flip, k) for name, flip in zip(names, flips, strict=True)]
    if asked == "inversion":
        return [on_objects("x → −x, all coordinates", -eye, k)]
    if asked == "permutations":
        return _permutations(objects, names)
    path = Path(asked)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _typed(path, objects)
    raise UsageError(f"--discrete is '{asked}', expected {', '.join(NAMES)} or a YAML file with matrices")


def on_objects(name: str, matrix: Tensor, k: int) -> Move:
    """One matrix ``(d, d)`` on each of k objects."""
    return Move(name, torch.kron(torch.eye(k, dtype=torch.float64), matrix.contiguous()), matrix)


def _permutations(objects: tuple[int, int], names: Sequence[str]) -> list[Move]:
    """Exchanges of two coordinates, the cycle of all of them, and exchanges of two objects."""
    k, d = objects
    eye = torch.eye(d, dtype=torch.float64)
    out = []
    for i in range(d):
        for j in range(i + 1, d):
            order = list(range(d))
            order[i], order[j] = j, i
            out.append(on_objects(f"{names[i]} ↔ {names[j]}", eye[order], k))
    if d > 2:
        out.append(on_objects(" → ".join([*names, names[0]]), eye.roll(1, 0), k))
    for i in range(k):
        for j in range(i + 1, k):
            order = list(range(k))
            order[i], order[j] = j, i
            exchange = torch.eye(k, dtype=torch.float64)[order]
            out.append(Move(f"objects {i + 1} ↔ {j + 1}", torch.kron(exchange, eye), None))
    return out


def _typed(path: Path, objects: tuple[int, int]) -> list[Move]:
    k, d = objects
    document = read_yaml(path, f"give YAML with `matrices:`, a list of {d} × {d} matrices")
    rows = document.get("matrices") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or set(document) - {"matrices", "names"}:
        raise InputError(f"{path}: should hold `matrices:`, a list of {d} × {d} matrices, and perhaps `names:`")
    labels = document.get("names") or [f"g{i + 1}" for i in range(len(rows))]
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise InputError(f"{path}: `names` should be {len(rows)} names, one a matrix")
    out = []
    for label, row in zip(labels, rows, strict=True):
        try:
            matrix = torch.tensor(row, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise InputError(f"{path}: {label} is not a matrix of numbers") from None
        if matrix.shape not in ((d, d), (k * d, k * d)) or not bool(torch.isfinite(matrix).all()):
            raise InputError(f"{path}: {label} is {tuple(matrix.shape)}, expected {d} × {d} finite numbers")
        if float(torch.linalg.svdvals(matrix)[-1]) < 1e-9 * float(matrix.abs().max()):
            raise InputError(f"{path}: {label} is singular; a symmetry can be undone")
        whole = matrix.shape != (d, d)
        out.append(Move(str(label), matrix, None) if whole else on_objects(str(label), matrix, k))
    return out


def signed_permutation(images: Sequence[tuple[int, int]], names: Sequence[str], k: int) -> Move:
    """The move xᵢ → ε x_σ(i) for images (σ(i), ε): coordinate i of x becomes coordinate σ(i), times ε."""
    d = len(images)
    matrix = torch.zeros(d, d, dtype=torch.float64)
    for i, (image, sign) in enumerate(images):
        matrix[image, i] = sign
    shown = [
        f"{names[i]} → {'−' if sign < 0 else ''}{names[image]}"
        for i, (image, sign) in enumerate(images)
        if (image, sign) != (i, 1)
    ]
    return on_objects(", ".join(shown) or "identity", matrix, k)


def closure(matrices: Sequence[Tensor]) -> Tensor | None:
    """All products ``(|G|, D, D)`` of matrices; None where there are more than can be written out."""
    if not matrices:
        return None
    d = matrices[0].shape[0]
    eye = torch.eye(d, dtype=torch.float64)
    elements, seen, fresh = [eye], {_key(eye)}, [eye]
    while fresh:
        following = []
        for element in fresh:
            for g in matrices:
                product = element @ g
                key = _key(product)
                if key not in seen:
                    if len(seen) >= _MOST_ELEMENTS or float(product.abs().max()) > 1e6:
                        return None
                    seen.add(key)
                    following.append(product)
        elements += following
        fresh = following
    return torch.stack(elements)


def _key(matrix: Tensor) -> bytes:
    return bytes((torch.round(matrix, decimals=_DIGITS) + 0.0).numpy().tobytes())


def generating(matrices: Sequence[Tensor]) -> list[int]:
    """Places of matrices that generate all of them, each outside the group of those before it."""
    chosen: list[int] = []
    known: set[bytes] = set()
    for i, matrix in enumerate(matrices):
        if _key(matrix) in known or torch.allclose(matrix, torch.eye(matrix.shape[0], dtype=torch.float64)):
            continue
        chosen.append(i)
        group = closure([matrices[j] for j in chosen])
        known = known if group is None else {_key(g) for g in group}
    for i in list(chosen):  # a later one may have made an earlier one superfluous
        rest = [j for j in chosen if j != i]
        group = closure([matrices[j] for j in rest])
        if group is not None and len(group) == len(known):
            chosen = rest
    return chosen


def group_name(elements: Tensor) -> str:
    """A standard name of a finite group of matrices ``(|G|, D, D)``, or its order alone."""
    order, d, _ = elements.shape
    orders = [_order(g, order) for g in elements]
    if max(orders) == order:
        return f"C{order}" if order > 1 else "trivial"
    if max(orders) == 2:
        return f"C2^{round(math.log2(order))}"
    if order % 2 == 0 and max(orders) == order // 2 and order // 2 > 2 and orders.count(2) >= order // 2:
        return f"D{order // 2}" if order != 6 else "S3 = D3"
    return _by_order(order, d) or f"a group of order {order}"


def _by_order(order: int, d: int) -> str:
    """Full groups of all permutations and signed permutations, which their orders and dimension tell."""
    for n in range(3, d + 1):
        if order == 2**n * math.factorial(n) and n == d:
            return f"B{n}, all signed permutations"
    return f"a group of order {order}, that of S{d}" if d > 2 and order == math.factorial(d) else ""


def order_of(g: Tensor) -> int | None:
    """The least k > 0 with g^k = 1; None where no small power is one."""
    order = _order(g, _LARGEST_ORDER)
    return order if order < _LARGEST_ORDER else None


def _order(g: Tensor, most: int) -> int:
    eye = torch.eye(g.shape[0], dtype=torch.float64)
    power, n = g, 1
    while not torch.allclose(power, eye, atol=1e-6) and n < most:
        power, n = power @ g, n + 1
    return n
