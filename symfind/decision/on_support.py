"""Candidate fields and slopes on the support of the data, in the units of its metric."""

from __future__ import annotations

import torch
from torch import Tensor

from symfind.lie_derivative import LieDerivative


def fields_on_support(derivative: LieDerivative, x: Tensor, vectors: Tensor) -> Tensor:
    """ξ_v projected to the support of the data, all objects side by side: ``(n, K, k·d)``."""
    t = derivative
    k, d = t.objects
    n = x.shape[0]
    xi = torch.einsum("npd,pK->nKd", t.space.evaluate(x.reshape(n * k, d)), vectors[: t.space.dim])
    xi = xi if t.live is None else xi @ t.live.T
    xi = xi.reshape(n, k, -1, d).transpose(1, 2)  # (n, K, k, d)
    if t.geometry.support is not None:
        white = (xi @ t.geometry.inputs.whiten.T).flatten(2) @ t.geometry.support @ t.geometry.support.T
        xi = white.reshape(*xi.shape[:3], -1) @ t.geometry.inputs.colour.T
    return xi.flatten(2)


def whitened_slope(derivative: LieDerivative, jacobian: Tensor, n: int) -> Tensor:
    """H^{1/2}dF G^{1/2} on the support, ``(n, k′h, D)``."""
    t = derivative
    k, d = t.objects
    k_out, m = t.output_objects
    measured = torch.einsum("nomj,mh->nohj", jacobian.reshape(n, k_out, m, k * d), t.geometry.outputs)
    measured = measured.reshape(n, -1, k, d)
    measured = measured if t.live is None else measured @ t.live
    white = (measured @ t.geometry.inputs.colour).flatten(2)
    return white if t.geometry.support is None else white @ t.geometry.support
