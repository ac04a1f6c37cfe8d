"""dF of a batched map by automatic differentiation: rows by reverse mode, columns by forward mode.

Forward mode through TorchScript has been silently wrong from the second call on (pytorch issue 73972), and
double-backward drops a custom operator whose gradient is not recorded. So :func:`right_directional_derivative`
lets each of them serve only where it agrees with reverse mode on repeated calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from symfind.errors import InputError

BatchedMap = Callable[[Tensor], Tensor]
DirectionalDerivative = Callable[[BatchedMap, Tensor, Tensor], tuple[Tensor, Tensor]]

# The fault shows from the second call on, and a profiling executor may change its mind once more after it.
_CALLS = 3
# A wrong tangent is off by the size of the derivative itself; rounding of deep float32 networks stays below this.
_AGREEMENT = 1e-3
# What torch raises where an operator has no forward-mode or no second derivative, and what F makes of it.
_MISSING = (RuntimeError, NotImplementedError, InputError)


@contextmanager
def recording() -> Iterator[None]:
    """Record gradients whatever the caller has switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def pulled_back(f: BatchedMap, x: Tensor, u: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """F(x) ``(n, m)`` and uᵀdF(x), of the shape of x, from one reverse pass; u is 1 by default, else ``(n, m)``.

    Rows being independent, the gradient of the sum over rows is the gradient of each.
    """
    x = x.clone().requires_grad_()
    y = f(x).reshape(len(x), -1)
    row = None
    if y.requires_grad:
        (row,) = torch.autograd.grad(y.sum() if u is None else (u * y).sum(), x, allow_unused=True)
    return y.detach(), torch.zeros_like(x) if row is None else row


def jacobian_by_rows(f: BatchedMap, x: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) ``(n, m)`` and dF(x) ``(n, m, D)`` from m reverse passes: ∇ of Σₙ yₙᵢ, rows being independent."""
    n, d = len(x), prod(x.shape[1:])
    x = x.clone().requires_grad_()
    y = f(x).reshape(n, -1)
    m = y.shape[1]
    dy = x.new_zeros(n, m, d)
    if y.requires_grad:
        for i in range(m):
            (row,) = torch.autograd.grad(y[:, i].sum(), x, retain_graph=i + 1 < m, allow_unused=True)
            if row is not None:
                dy[:, i] = row.reshape(n, d)
    return y.detach(), dy


def jacobian_by_columns(f: BatchedMap, x: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) ``(n, m)`` and dF(x) ``(n, m, D)`` from D forward passes, one along each axis of x."""
    n, d = len(x), prod(x.shape[1:])
    columns = []
    for j in range(d):
        axis = x.new_zeros(n, d)
        axis[:, j] = 1
        y, column = along_by_forward_mode(f, x, axis.reshape(x.shape))
        columns.append(column)
    return y, torch.stack(columns, dim=2)


def along_by_forward_mode(f: BatchedMap, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) and dF(x)·v, both ``(n, m)``, from one pass of dual numbers x + εv."""
    with torch.no_grad(), forward_ad.dual_level():
        y, dy = forward_ad.unpack_dual(f(forward_ad.make_dual(x, v)))  # type: ignore[no-untyped-call]
        dy = torch.zeros_like(y) if dy is None else dy
        return y.reshape(len(x), -1).clone(), dy.reshape(len(x), -1).clone()


def along_by_double_backward(f: BatchedMap, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) and dF(x)·v, both ``(n, m)``: the derivative of u ↦ vᵀdF(x)ᵀu, which is linear in u."""
    x = x.clone().requires_grad_()
    y = f(x).reshape(len(x), -1)
    u = torch.zeros_like(y, requires_grad=True)
    along = torch.zeros_like(y)
    if y.requires_grad:
        (pulled,) = torch.autograd.grad(y, x, u, create_graph=True, allow_unused=True)
        if pulled is not None and pulled.requires_grad:
            (found,) = torch.autograd.grad(pulled, u, v, allow_unused=True)
            along = along if found is None else found
    return y.detach(), along


def along_by_rows(f: BatchedMap, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) and dF(x)·v, both ``(n, m)``, from m reverse passes."""
    y, dy = jacobian_by_rows(f, x)
    return y, torch.einsum("nmd,nd->nm", dy, v.reshape(len(x), -1))


def right_directional_derivative(f: BatchedMap, x: Tensor) -> DirectionalDerivative:
    """Choose the quickest dF·v that is right for F: forward mode, double-backward, or rows.

    Right is what agrees with reverse mode on each of the first calls, uᵀ(dF·v) = (uᵀdF)·v for random u and v.
    Reverse mode serves as the reference because every operator with a gradient has it.
    """
    for method in (along_by_forward_mode, along_by_double_backward):
        if _agrees_with_reverse_mode(method, f, x):
            return method
    return along_by_rows


def _agrees_with_reverse_mode(method: DirectionalDerivative, f: BatchedMap, x: Tensor) -> bool:
    generator = torch.Generator().manual_seed(0)
    with recording():
        for _ in range(_CALLS):
            v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
            try:
                y, along = method(f, x, v)
            except _MISSING:
                return False
            u = torch.randn(y.shape, generator=generator, dtype=torch.float64).to(y)
            pulled = (pulled_back(f, x, u)[1] * v).reshape(len(x), -1)
            known = torch.isfinite(pulled).all(1) & torch.isfinite(along).all(1)
            # Sums of terms of both signs: rounding is relative to the terms.
            scale = pulled.abs().sum(1) + (u * along).abs().sum(1)
            gap = (pulled.sum(1) - (u * along).sum(1)).abs()
            if not bool((gap <= _AGREEMENT * scale)[known].all()):
                return False
    return True
