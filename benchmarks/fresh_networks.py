"""Twelve networks that no rule of the graph walk was made with: drawn after it stood, and not used to change it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

from benchmarks.networks import Of, attention, points
from benchmarks.tasks import FEATURES, IMAGE, OBJECTS, PLANE, ROLLS, Architecture


def convnext() -> nn.Module:
    """Depthwise, a norm over channels, wider and narrower, a scaled skip."""

    def f(m: Any, x: Tensor) -> Tensor:
        h = m.stem(x)
        inner = m.n(m.d(h).permute(0, 2, 3, 1))
        return m.o((h + (m.s * m.b(fn.gelu(m.a(inner)))).permute(0, 3, 1, 2)).mean((2, 3)))

    return Of(
        f, stem=nn.Conv2d(1, 6, 1), d=nn.Conv2d(6, 6, 3, padding=1, groups=6), n=nn.LayerNorm(6), a=nn.Linear(6, 12),
        b=nn.Linear(12, 6), s=torch.full((6,), 0.5), o=nn.Linear(6, 1),
    )  # fmt: skip


def selective_kernels() -> nn.Module:
    """Two sizes of kernels, mixed by a softmax of what the mean over the grid says."""

    def f(m: Any, x: Tensor) -> Tensor:
        u, v = torch.relu(m.a(x)), torch.relu(m.b(x))
        w = torch.softmax(m.g((u + v).mean((2, 3))).view(-1, 2, 6), 1)[:, :, :, None, None]
        return m.o((w[:, 0] * u + w[:, 1] * v).mean((2, 3)))

    return Of(
        f, a=nn.Conv2d(1, 6, 3, padding=1), b=nn.Conv2d(1, 6, 5, padding=2), g=nn.Linear(6, 12), o=nn.Linear(6, 1)
    )


def modulated() -> nn.Module:
    """FiLM: scale and shift of a point's features by all points."""

    def f(m: Any, x: Tensor) -> Tensor:
        scale, shift = m.c(x)[:, None].chunk(2, -1)
        return m.o(torch.tanh(m.e(points(x)) * (1 + scale) + shift).mean(1))

    return Of(f, c=nn.Linear(6, 16), e=nn.Linear(2, 8), o=nn.Linear(8, 1))


def spatial_gate() -> nn.Module:
    """gMLP: one half of the channels times the other, mixed over the objects."""

    def f(m: Any, x: Tensor) -> Tensor:
        u, v = fn.gelu(m.a(points(x))).chunk(2, -1)
        return m.o((u * m.t(m.n(v).mT).mT).mean(1))

    return Of(f, a=nn.Linear(2, 16), n=nn.LayerNorm(8), t=nn.Linear(3, 3), o=nn.Linear(8, 1))


def hypernetwork() -> nn.Module:
    """Weights of a layer from a network of the row."""
    return Of(
        lambda m, x: m.o(torch.tanh(torch.bmm(m.w(torch.tanh(m.h(x))).view(-1, 8, 6), x[:, :, None])[:, :, 0])),
        h=nn.Linear(6, 8), w=nn.Linear(8, 48), o=nn.Linear(8, 1),
    )  # fmt: skip


def moving_messages() -> nn.Module:
    """EGNN: messages of distances move the points along their differences, twice."""

    def f(m: Any, x: Tensor) -> Tensor:
        p, h = points(x), torch.ones_like(points(x)[:, :, :1])
        for message, shift in ((m.a, m.b), (m.c, m.d)):
            gap = p.unsqueeze(2) - p.unsqueeze(1)
            e = fn.silu(message(gap.square().sum(-1, keepdim=True)))
            p, h = p + (gap * shift(e)).mean(2), h + e.mean((2, 3)).unsqueeze(-1)
        return m.o(torch.cat([p.square().sum(-1, keepdim=True), h], -1)).sum(1)

    return Of(f, a=nn.Linear(1, 8), b=nn.Linear(8, 1), c=nn.Linear(1, 8), d=nn.Linear(8, 1), o=nn.Linear(2, 1))


def transformed_points() -> nn.Module:
    """PointNet with a matrix that the points choose (T-net)."""

    def f(m: Any, x: Tensor) -> Tensor:
        p = points(x)
        t = m.t(torch.relu(m.a(p)).amax(1)).view(-1, 2, 2) + torch.eye(2)
        return m.o(torch.relu(m.b(p @ t)).amax(1))

    return Of(f, a=nn.Linear(2, 8), t=nn.Linear(8, 4), b=nn.Linear(2, 16), o=nn.Linear(16, 1))


def dense_convolutions() -> nn.Module:
    """DenseNet: each convolution sees all before it."""

    def f(m: Any, x: Tensor) -> Tensor:
        h = torch.cat([x, torch.relu(m.a(x))], 1)
        h = torch.cat([h, torch.relu(m.b(m.n(h)))], 1)
        return m.o(fn.avg_pool2d(m.c(h), 2).flatten(2).mean(2))

    return Of(
        f, a=nn.Conv2d(1, 4, 3, padding=1), n=nn.BatchNorm2d(5), b=nn.Conv2d(5, 4, 3, padding=1),
        c=nn.Conv2d(9, 6, 1), o=nn.Linear(6, 1),
    )  # fmt: skip


def down_and_up() -> nn.Module:
    """A U-Net on a ring of six: down by two, up again, a skip."""

    def f(m: Any, x: Tensor) -> Tensor:
        h = torch.tanh(m.a(x))
        low = torch.tanh(m.b(fn.max_pool1d(h, 2)))
        return m.o(torch.cat([h, fn.interpolate(low, scale_factor=2.0)], 1).mean(2))

    return Of(
        f, a=nn.Conv1d(2, 6, 3, padding=1, padding_mode="circular"),
        b=nn.Conv1d(6, 6, 3, padding=1, padding_mode="circular"), o=nn.Linear(12, 1),
    )  # fmt: skip


def two_sets() -> nn.Module:
    """Cross attention: the points ask learned ones, those ask the points."""

    def f(m: Any, x: Tensor) -> Tensor:
        h = m.e(points(x))
        seeds = m.s.expand(x.shape[0], 4, 8)
        found = attention(m.q(seeds), m.k(h), m.v(h))
        return m.o((h + attention(m.k(h), m.q(found), m.w(found))).tanh().mean(1))

    return Of(
        f, e=nn.Linear(2, 8), s=0.3 * torch.randn(1, 4, 8), q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8),
        w=nn.Linear(8, 8), o=nn.Linear(8, 1),
    )  # fmt: skip


def routed() -> nn.Module:
    """The two best of three experts for each point."""

    def f(m: Any, x: Tensor) -> Tensor:
        p = points(x)
        best, which = m.g(p).topk(2, -1)
        each = torch.stack([torch.tanh(m.a(p)), fn.silu(m.b(p)), fn.gelu(m.c(p))], -1)
        chosen = each.gather(-1, which.unsqueeze(2).expand(-1, -1, 8, -1))
        return m.o((chosen * torch.softmax(best, -1).unsqueeze(2)).sum(-1).mean(1))

    return Of(f, a=nn.Linear(2, 8), b=nn.Linear(2, 8), c=nn.Linear(2, 8), g=nn.Linear(2, 3), o=nn.Linear(8, 1))


def encoder_decoder() -> nn.Module:
    """A GRU reads the times, another writes from its last state, with attention to the first."""

    def f(m: Any, x: Tensor) -> Tensor:
        read, last = m.r(x)
        written, _ = m.w(read.flip(1), last)
        return m.o(attention(written, read, read).mean(1))

    return Of(f, r=nn.GRU(3, 9, batch_first=True), w=nn.GRU(9, 9, batch_first=True), o=nn.Linear(9, 1))


FRESH = (
    Architecture("ConvNeXt block", convnext, IMAGE),
    Architecture("selective kernels", selective_kernels, IMAGE),
    Architecture("FiLM", modulated, OBJECTS),
    Architecture("gMLP, spatial gate", spatial_gate, OBJECTS),
    Architecture("hypernetwork", hypernetwork, OBJECTS),
    Architecture("EGNN-like, of turns", moving_messages, PLANE),
    Architecture("PointNet with T-net", transformed_points, OBJECTS),
    Architecture("DenseNet", dense_convolutions, IMAGE),
    Architecture("U-Net on a ring", down_and_up, ROLLS),
    Architecture("cross attention of two sets", two_sets, OBJECTS),
    Architecture("routed experts (top 2)", routed, OBJECTS),
    Architecture("GRU encoder and decoder", encoder_decoder, FEATURES),
)
