"""ρ given by matrices: the images of a group's generators and components ↦ ρ(g), by the logarithm of g."""

from __future__ import annotations

import hashlib
from functools import partial

import torch
from torch import Tensor

from symfind.errors import NumericalError, UsageError
from symfind.lie.groups.atoms import Action, Atom
from symfind.lie.groups.matrix_groups import Group

_F64 = torch.float64


def matrices(group: Group, generators: Tensor, components: Tensor, name: str = "U") -> Atom:
    """ρ from the images of the group's generators ``(k, D, D)`` and component representatives ``(c, D, D)``.

    ρ(g) is found as ρ(h) exp dρ(log h⁻¹g) over products h of component representatives.

    Raises
    ------
    UsageError
        If the numbers or shapes do not fit the group, or the images do not form a representation.
    """
    d = generators.shape[-1] if len(generators) else components.shape[-1]
    if generators.shape != (group.dimension, d, d) or components.shape != (len(group.components), d, d):
        raise UsageError(
            f"matrices of {group.name} have shapes {tuple(generators.shape)} and {tuple(components.shape)}; "
            f"expected ({group.dimension}, D, D) for generators, ({len(group.components)}, D, D) for components"
        )
    generators, components = generators.to(_F64), components.to(_F64)
    basis = group.generators.flatten(1).mT

    def drho(a: Tensor) -> Tensor:
        if not group.dimension:
            return torch.zeros(*a.shape[:-2], d, d, dtype=_F64)
        spread = basis.expand(*a.shape[:-2], *basis.shape)
        c = torch.linalg.lstsq(spread, a.flatten(-2)[..., None], driver="gelsd").solution
        out: Tensor = torch.einsum("...k,kij->...ij", c[..., 0], generators)
        return out

    _check_homomorphism(group, generators, drho)
    skew = generators + generators.mT
    unit = components.mT @ components - torch.eye(d, dtype=_F64)
    # Users' matrices come with the rounding of a file; 1e-10 is still far below any other representation.
    orthogonal = all(float(t.abs().max()) < 1e-10 for t in (skew, unit) if t.numel())
    digest = hashlib.sha256(b"".join(t.contiguous().numpy().tobytes() for t in (generators, components)))
    return Atom(
        f"{name}[{digest.hexdigest()[:16]}]",
        d,
        partial(_rho_by_logarithm, group, components, drho),
        drho,
        orthogonal,
        group.key,
    )


def _check_homomorphism(group: Group, images: Tensor, drho: Action) -> None:
    if group.dimension < 2:
        return
    a, b = group.generators[:, None], group.generators[None]
    left = drho(a @ b - b @ a)
    right = images[:, None] @ images[None] - images[None] @ images[:, None]
    # Rounding of a product of D × D matrices, with room for matrices read from a file.
    if float((left - right).abs().max()) > 1e-8 * (1 + float(right.abs().max())):
        raise UsageError(
            f"the given matrices are no representation of {group.name}: their brackets differ; "
            "give the images of its generators in the catalogue's order"
        )


def _rho_by_logarithm(group: Group, components: Tensor, drho: Action, g: Tensor) -> Tensor:
    flat = g.reshape(-1, *g.shape[-2:])
    out = torch.empty(len(flat), components.shape[-1], components.shape[-1], dtype=_F64)
    for i, element in enumerate(flat):
        out[i] = _image_of(group, components, drho, element)
    return out.reshape(*g.shape[:-2], *out.shape[1:])


def _image_of(group: Group, components: Tensor, drho: Action, g: Tensor) -> Tensor:
    """Breadth-first search over the component group for h with log h⁻¹g in the algebra."""
    basis = group.generators.flatten(1)
    queue = [(torch.eye(group.degree, dtype=_F64), torch.eye(components.shape[-1], dtype=_F64))]
    seen: list[Tensor] = []
    while queue:
        h, image_of_h = queue.pop(0)
        rest = torch.linalg.solve(h, g)
        log = _logarithm(rest)
        if log is not None and _in_span(log, basis):
            found: Tensor = image_of_h @ torch.linalg.matrix_exp(drho(log))
            return found
        # Component groups of the catalogue are small; a finite group's elements are at most these many.
        if len(seen) < 5000 and not any(torch.allclose(h, s) for s in seen):
            seen.append(h)
            queue.extend((h @ c, image_of_h @ m) for c, m in zip(group.components, components, strict=True))
    raise NumericalError(f"an element of {group.name} has no logarithm in its algebra; sample elements nearer to 1")


def _in_span(a: Tensor, basis: Tensor) -> bool:
    flat = a.reshape(-1)
    if len(basis):
        flat = flat - basis.mT @ torch.linalg.lstsq(basis.mT, flat[:, None], driver="gelsd").solution[:, 0]
    return float(flat.norm()) < 1e-8 * (1 + float(a.norm()))


def _logarithm(g: Tensor) -> Tensor | None:
    """The principal logarithm by square roots and the series of 2 artanh; None where there is none.

    Square roots by the Denman–Beavers iteration (Higham 2008, §6.3).
    """
    one = torch.eye(g.shape[-1], dtype=_F64)
    halvings = 0
    while float(torch.linalg.matrix_norm(g - one)) > 0.25:
        y, z = g, one
        for _ in range(60):
            if not bool(y.isfinite().all()) or float(torch.linalg.det(y).abs()) < 1e-280:
                return None
            previous = y
            y, z = (y + torch.linalg.inv(z)) / 2, (z + torch.linalg.inv(y)) / 2
            if float((y - previous).norm()) < 1e-15 * float(y.norm()):
                break
        if float((y @ y - g).norm()) > 1e-10 * float(g.norm()) or halvings > 60:
            return None
        g, halvings = y, halvings + 1
    t: Tensor = torch.linalg.solve(g + one, g - one)
    # ‖t‖ < 1/7, so the 12th odd power is below rounding.
    power, square, total = t, t @ t, torch.zeros_like(t)
    for k in range(12):
        total = total + power / (2 * k + 1)
        power = power @ square
    return total * float(2 ** (halvings + 1))
