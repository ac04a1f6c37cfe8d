"""Networks that people train, small, for the tasks of benchmarks/tasks.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as fn
from torch import Tensor, nn


class Of(nn.Module):
    """A network that is written in one line: f(self, x), its parts by name."""

    def __init__(self, f: Callable[[Any, Tensor], Tensor], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.f = f
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if isinstance(part, Tensor) else part)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.f(self, x)


def points(x: Tensor) -> Tensor:
    """Three points of the plane."""
    return x.view(-1, 3, 2)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(qkᵀ/√d) v."""
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v


class Residual(nn.Module):
    """x ↦ h + tanh(W h)."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.a, self.b, self.n, self.c = nn.Linear(6, 16), nn.Linear(16, 16), norm(16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = torch.tanh(self.a(x))
        return self.c(h + torch.tanh(self.b(self.n(h))))


class Dense(nn.Module):
    """Each layer sees all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 12), nn.Linear(18, 12), nn.Linear(30, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = torch.cat([x, torch.tanh(self.a(x))], 1)
        return self.c(torch.cat([h, torch.tanh(self.b(h))], 1))


class Gated(nn.Module):
    """Products of two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.g, self.c = nn.Linear(6, 16), nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.c(self.a(x) * torch.sigmoid(self.g(x)))


class Attention(nn.Module):
    """An encoder over three points."""

    def __init__(self) -> None:
        super().__init__()
        self.e, self.o = nn.Linear(2, 16), nn.Linear(16, 1)
        self.l = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.o(self.l(self.e(x.view(-1, 3, 2))).mean(1))


class Recurrent(nn.Module):
    """Three points as a sequence."""

    def __init__(self, cell: type[nn.Module]) -> None:
        super().__init__()
        self.r, self.o = cell(2, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.o(self.r(x.view(-1, 3, 2))[0][:, -1])
        return out


class Sets(nn.Module):
    """ρ(Σ φ(xᵢ)), points cut out by view(-1, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.p, self.r = nn.Linear(2, 16), nn.Sequential(nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.r(torch.tanh(self.p(x.view(-1, 2))).view(-1, 3, 16).sum(1))
        return out


class Messages(nn.Module):
    """One round of message passing on all pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.e, self.n, self.o = nn.Linear(4, 16), nn.Linear(18, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        p = x.view(-1, 3, 2)
        i, j = p.unsqueeze(2).expand(-1, 3, 3, 2), p.unsqueeze(1).expand(-1, 3, 3, 2)
        m = fn.silu(self.e(torch.cat([i, j], -1))).sum(2)
        return self.o(fn.silu(self.n(torch.cat([p, m], -1)))).sum(1)


class Einsum(nn.Module):
    """A bilinear form."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.o = nn.Parameter(torch.randn(8, 6, 6) / 6), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return self.o(torch.tanh(torch.einsum("ni,kij,nj->nk", x, self.w, x)))


class InPlace(nn.Module):
    """Operations that write over their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = self.a(x)
        h.mul_(0.5)
        h.relu_()
        return self.b(h)


class Squeezed(nn.Module):
    """One number a row, without an axis."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.net(x).squeeze(-1)
        return out


class Fourier(nn.Module):
    """Random Fourier features, no activation module."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("w", torch.randn(6, 32))
        self.o = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        z = x @ self.w
        return self.o(torch.cat([z.sin(), z.cos()], 1))


class Convolutions(nn.Module):
    """A block, then the mean over the grid."""

    def __init__(self, *block: nn.Module, channels: int = 8) -> None:
        super().__init__()
        self.block, self.o = nn.Sequential(*block), nn.Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.o(self.block(x).mean((2, 3)))
        return out


class Skipping(nn.Module):
    """A residual block of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.n, self.o = nn.BatchNorm2d(8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = torch.relu(self.a(x))
        return self.o((h + torch.relu(self.n(self.b(h)))).mean((2, 3)))


class Hourglass(nn.Module):
    """Down, up, and a skip between."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.d = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 2, stride=2)
        self.u, self.o = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = torch.tanh(self.a(x))
        return self.o(torch.cat([h, torch.tanh(self.u(torch.tanh(self.d(h))))], 1).mean((2, 3)))


class Patches(nn.Module):
    """A small vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.e, self.place = nn.Conv2d(1, 16, 3, stride=3), nn.Parameter(0.1 * torch.randn(4, 16))
        self.l, self.o = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.o(self.l(self.e(x).flatten(2).transpose(1, 2) + self.place).mean(1))
        return out


def plain(*middle: nn.Module) -> nn.Sequential:
    """Two layers with something between."""
    return nn.Sequential(nn.Linear(6, 16), *middle, nn.Linear(16, 1))


def read_out(*middle: nn.Module, inputs: int = 8) -> nn.Sequential:
    """Convolutions, the mean over the grid, a linear layer."""
    return nn.Sequential(*middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1))


def ring(*middle: nn.Module, inputs: int = 8) -> nn.Sequential:
    """Convolutions on a ring, the mean over it, a linear layer."""
    return nn.Sequential(*middle, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(inputs, 1))


def excited() -> nn.Module:
    """Channels weighed by what the mean of all says."""
    return Of(
        lambda m, x: m.o((torch.relu(m.a(x)) * torch.sigmoid(m.g(torch.relu(m.a(x)).mean((2, 3))))[:, :, None, None])
                         .mean((2, 3))),
        a=nn.Conv2d(1, 8, 3, padding=1), g=nn.Linear(8, 8), o=nn.Linear(8, 1),
    )  # fmt: skip


def mixer() -> nn.Module:
    """An MLP over the objects, one over their numbers."""
    return Of(
        lambda m, x: m.o(m.c(fn.gelu(m.t(m.e(points(x)).mT)).mT).mean(1)),
        e=nn.Linear(2, 8), t=nn.Linear(3, 3), c=nn.Linear(8, 8), o=nn.Linear(8, 1),
    )  # fmt: skip


def inverted() -> nn.Module:
    """Wider, each channel apart, narrower, with a skip."""
    return Of(
        lambda m, x: m.o((m.a(x) + m.d(fn.hardswish(m.n(m.c(fn.hardswish(m.b(m.a(x)))))))).mean((2, 3))),
        a=nn.Conv2d(1, 4, 1), b=nn.Conv2d(4, 8, 1), c=nn.Conv2d(8, 8, 3, padding=1, groups=8), n=nn.BatchNorm2d(8),
        d=nn.Conv2d(8, 4, 1), o=nn.Linear(4, 1),
    )  # fmt: skip


def one_head() -> nn.Module:
    """Attention among points, written out."""
    return Of(
        lambda m, x: m.o(attention(m.q(m.e(points(x))), m.k(m.e(points(x))), m.v(m.e(points(x)))).sum(1)),
        e=nn.Linear(2, 8), q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), o=nn.Linear(8, 1),
    )  # fmt: skip


def vectors_attending() -> nn.Module:
    """Vectors attend to vectors by their inner products; the length of the sum comes out."""
    return Of(
        lambda m, x: m.o(attention(m.q(points(x)), m.k(points(x)), m.v(points(x))).sum(1).square()
                         .sum(1, keepdim=True)),
        q=nn.Linear(2, 4), k=nn.Linear(2, 4), v=nn.Linear(2, 4), o=nn.Linear(1, 1),
    )  # fmt: skip


def learned_query() -> nn.Module:
    """A query that is learned gathers the points."""
    return Of(
        lambda m, x: m.o(attention(m.s.expand(x.shape[0], 1, 8), m.k(points(x)), torch.tanh(m.v(points(x))))[:, 0]),
        s=0.3 * torch.randn(1, 8), k=nn.Linear(2, 8), v=nn.Linear(2, 8), o=nn.Linear(8, 1),
    )  # fmt: skip


def distances() -> nn.Module:
    """Messages from distances."""

    def f(m: Any, x: Tensor) -> Tensor:
        p = points(x)
        d = (p.unsqueeze(2) - p.unsqueeze(1)).square().sum(-1, keepdim=True)
        return m.o(fn.silu(m.n(fn.silu(m.e(d)).sum(2))).sum(1))

    return Of(f, e=nn.Linear(1, 8), n=nn.Linear(8, 8), o=nn.Linear(8, 1))


def experts() -> nn.Module:
    """Two networks, mixed by a third."""
    return Of(
        lambda m, x: (torch.stack([m.a(x), m.b(x)], -1) * torch.softmax(m.g(x), -1)[:, None]).sum(-1),
        a=plain(nn.Tanh()), b=plain(nn.SiLU()), g=nn.Linear(6, 2),
    )  # fmt: skip


def recurrent_features(cell: type[nn.Module]) -> nn.Module:
    """Features over time through a recurrent layer, the last state read out."""
    return Of(lambda m, x: m.o(m.r(x)[0][:, -1]), r=cell(3, 12, batch_first=True), o=nn.Linear(12, 1))


def places() -> nn.Module:
    """A learned vector for each point's place, then attention."""
    layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def f(m: Any, x: Tensor) -> Tensor:
        h = m.e(points(x)) + m.p(torch.arange(3))
        return m.o(m.l(h, h, h, need_weights=False)[0].mean(1))

    return Of(f, e=nn.Linear(2, 8), p=nn.Embedding(3, 8), l=layer, o=nn.Linear(8, 1))


def normed_weights() -> nn.Module:
    """A layer whose weights are g v/‖v‖."""
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 16)), nn.Tanh(), nn.Linear(16, 1))
