"""The models of :mod:`benchmarks.trained_models`: data, network, group, and a native network beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.lie.groups.catalogue import parse_group

Data = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TrainedModel:
    """A task, the network that is trained on it and the group that it has, or does not have."""

    name: str
    group: str
    rep_in: str
    rep_out: str
    data: Data
    network: Callable[[], nn.Module]
    labels: bool = False
    vectors: int = 0

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        """The task's loss, row by row."""
        if self.labels:
            return nn.functional.cross_entropy(out, y, reduction="none")
        return (out.flatten(1) - y.flatten(1)).square().mean(1)


def perceptron(inputs: int, outputs: int, act: type[nn.Module] = nn.SiLU, width: int = 48) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        nn.Linear(inputs, width), act(), nn.Linear(width, width), act(), nn.Linear(width, outputs)
    )


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=rng)


def momenta(n: int, k: int, rng: torch.Generator) -> Tensor:
    """Timelike momenta ``(n, k, 4)`` of masses 0.2 to 0.7."""
    p, m = normal(rng, n, k, 3), 0.2 + 0.5 * torch.rand(n, k, 1, generator=rng)
    return torch.cat([(m.square() + p.square().sum(-1, keepdim=True)).sqrt(), p], -1)


def squared(p: Tensor) -> Tensor:
    return p[..., 0].square() - p[..., 1:].square().sum(-1)


def mass(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    p = momenta(n, 2, rng)
    return p.flatten(1), squared(p.sum(1)).sqrt()[:, None] + 0.02 * normal(rng, n, 1)


def lorentz(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    p = momenta(n, 3, rng)
    s, t = squared(p[:, 0] + p[:, 1]), squared(p[:, 0] - p[:, 2])
    return p.flatten(1), torch.tanh(t / s)[:, None] + 0.02 * normal(rng, n, 1)


def pair_energy(p: Tensor) -> Tensor:
    """Σ 1/(½ + r²) over pairs of bodies ``(n, k, 3)`` → ``(n,)``."""
    i, j = torch.triu_indices(p.shape[1], p.shape[1], 1)
    return (1 / (0.5 + (p[:, i] - p[:, j]).square().sum(-1))).sum(1)


def energy(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    x = normal(rng, n, 4, 3)
    return x.flatten(1), pair_energy(x)[:, None] + 0.02 * normal(rng, n, 1)


def energy_and_forces(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    x = normal(rng, n, 4, 3).requires_grad_(True)
    e = pair_energy(x)
    force = -torch.autograd.grad(e.sum(), x)[0]
    return x.detach().flatten(1), torch.cat([e.detach()[:, None], force.flatten(1)], 1)


def _kind(p: Tensor) -> Tensor:
    """Three classes of triangles, by their longest side."""
    i, j = torch.triu_indices(3, 3, 1)
    longest = (p[:, i] - p[:, j]).norm(dim=-1).amax(1)
    return (longest > 2.4).long() + (longest > 3.2).long()


def turned_labels(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    x = normal(rng, n, 3, 3)
    return x.flatten(1), _kind(x)


def upright_labels(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tall bodies that stand; the label is which end is thick, which nothing but up and down tells."""
    up = torch.rand(n, 1, generator=rng) + 1
    x = torch.stack([0.1 * normal(rng, n, 3), 0.1 * normal(rng, n, 3), 0.1 * normal(rng, n, 3)], 1)
    label = torch.randint(2, (n,), generator=rng)
    x[:, 0, 2:] += up
    x[:, 1, 2:] -= up
    x[:, 2, 2] += 2.0 * label - 1
    return x.flatten(1), label


_GLYPHS = (
    ((1, 1, 1, 1), (1, 0, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0)),  # a corner
    ((1, 1, 1, 1), (0, 1, 0, 0), (0, 1, 0, 0), (0, 1, 0, 0)),  # a T
    ((1, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 1), (0, 0, 1, 1)),  # two squares
)


def _pictures(glyphs: Tensor, which: Tensor, turns: Tensor, rng: torch.Generator) -> Tensor:
    n = len(which)
    x = torch.zeros(n, 1, 8, 8)
    for row in range(n):
        a, b = torch.randint(0, 5, (2,), generator=rng).tolist()
        x[row, 0, a : a + 4, b : b + 4] = torch.rot90(glyphs[which[row]], int(turns[row]))
    return x + 0.3 * normal(rng, n, 1, 8, 8)


def images(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    which, turns = torch.randint(3, (n,), generator=rng), torch.randint(4, (n,), generator=rng)
    return _pictures(torch.tensor(_GLYPHS, dtype=torch.float32), which, turns, rng), which


def upright_images(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """A glyph and the same on its head are two classes, as 6 and 9 are."""
    which = torch.randint(2, (n,), generator=rng)
    glyphs = torch.tensor(_GLYPHS[:1], dtype=torch.float32)
    return _pictures(torch.cat([glyphs, torch.rot90(glyphs, 2, (1, 2))]), which, 0 * which, rng), which


def inertia(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    x = normal(rng, n, 4, 3)
    one = torch.eye(3).expand(n, 3, 3) * x.square().sum((1, 2))[:, None, None]
    return x.flatten(1), (one - x.mT @ x).flatten(1) / 4


def kepler(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(r, v) ↦ (v, −r/(¼ + r²)^{3/2})."""
    r, v = normal(rng, n, 3), normal(rng, n, 3)
    return torch.cat([r, v], 1), torch.cat([v, -r / (0.25 + r.square().sum(1, keepdim=True)).pow(1.5)], 1)


def sets(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Five objects of two numbers: Σ sin + the largest product."""
    x = normal(rng, n, 5, 2)
    return x.flatten(1), (torch.sin(x[..., 0]).sum(1) + x.prod(2).amax(1))[:, None]


def molecule(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Nine atoms that swing about one geometry in one orientation, as along a trajectory whose turns were taken out."""
    still = 1.5 * torch.randn(9, 3, generator=torch.Generator().manual_seed(5))
    x = still + 0.15 * normal(rng, n, 9, 3)
    i, j = torch.triu_indices(9, 9, 1)
    rest = (still[i] - still[j]).norm(dim=-1)
    gap = (x[:, i] - x[:, j]).norm(dim=-1) - rest
    return x.flatten(1), (gap.square() / rest).sum(1, keepdim=True)


class Messages(nn.Module):
    """One round of messages of differences between four atoms, each through a perceptron of its components."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU())
        self.o = nn.Sequential(nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        """E(x)."""
        p = x.reshape(-1, 4, 3)
        pairs = p.unsqueeze(2) - p.unsqueeze(1)
        out: Tensor = self.o(self.e(pairs).sum(2)).sum(1)
        return out


def logits(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which of two vectors is nearer to a third, with chance: logits of 3(cos − cos′)."""
    x = normal(rng, n, 3, 3)
    unit = x / x.norm(dim=2, keepdim=True)
    cosine = torch.einsum("nkd,nd->nk", unit[:, :2], unit[:, 2])
    chance = torch.sigmoid(3 * (cosine[:, 1] - cosine[:, 0]))
    return x.flatten(1), (torch.rand(n, generator=rng) < chance).long()


def convolutions(classes: int) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
        nn.Linear(16, classes),
    )  # fmt: skip


MODELS = (
    TrainedModel("mass of two momenta", "so13", "2V", "1", mass, perceptron(8, 1)),
    TrainedModel("Lorentz scalar", "so13", "3V", "1", lorentz, perceptron(12, 1)),
    TrainedModel("energy of four bodies", "o3", "4V", "1", energy, perceptron(12, 1), vectors=4),
    TrainedModel("energy and forces", "o3", "4V", "1+4V", energy_and_forces, perceptron(12, 13), vectors=4),
    TrainedModel("labels in all orientations", "so3", "3V", "3", turned_labels, perceptron(9, 3), True, 3),
    TrainedModel("labels, upright only", "so3", "3V", "2", upright_labels, perceptron(9, 2), True, 3),
    TrainedModel("logits of a chance", "o3", "3V", "2", logits, perceptron(9, 2, nn.Tanh), True, 3),
    TrainedModel("image classifier", "c4", "image(8,8)", "3", images, convolutions(3), True),
    TrainedModel("images, upright only", "c4", "image(8,8)", "2", upright_images, convolutions(2), True),
    TrainedModel("inertia tensor", "o3", "4V", "V^2", inertia, perceptron(12, 9), vectors=4),
    TrainedModel("motion of a body", "so3", "2V", "2V", kepler, perceptron(6, 6), vectors=2),
    TrainedModel("set function", "s5", "V⊗2", "1", sets, perceptron(10, 1, nn.ReLU)),
    TrainedModel("molecule in one orientation", "so3", "9V", "1", molecule, perceptron(27, 1), vectors=9),
    TrainedModel("graph potential", "o3", "4V", "1", energy, Messages, vectors=4),
)


class Irreps(nn.Module):
    """By e3nn: radial functions of lengths and distances, vectors, two tensor products with gates between.

    Parameters
    ----------
    vectors, x
        How many vectors a row has, and rows for the unit.
    out
        Irreps of the value; as nine components of a matrix where ``cartesian``.
    size
        Parameters of the network it stands beside.
    """

    def __init__(self, vectors: int, x: Tensor, out: str, size: int, cartesian: bool) -> None:
        super().__init__()
        from e3nn import io, o3
        from e3nn import nn as gates

        self.k, self.unit = vectors, float(x.square().mean().sqrt())
        self.pairs = torch.triu_indices(vectors, vectors, 1)
        self.number = 6 if vectors < 9 else 4
        scalars = self.number * (vectors + self.pairs.shape[1])
        self.mix = o3.Linear(f"{scalars}x0e", "16x0e")
        rows = o3.Irreps(f"16x0e+{vectors}x1o")
        c = 2
        while True:
            gate = gates.Gate(f"{4 * c}x0e", [nn.functional.silu], f"{2 * c}x0e", [torch.sigmoid], f"{c}x1o+{c}x1e")
            first = o3.FullyConnectedTensorProduct(rows, f"1x0e+{vectors}x1o", gate.irreps_in)
            second = o3.FullyConnectedTensorProduct(gate.irreps_out, "4x0e+2x1o", gate.irreps_in)
            if scalars * 16 + first.weight_numel + second.weight_numel > size or c >= 8:
                break
            c += 1
        self.first, self.gate, self.second = first, gate, second
        self.narrow = o3.Linear(gate.irreps_out, "4x0e+2x1o")
        self.last = o3.FullyConnectedTensorProduct(gate.irreps_out, f"1x0e+{vectors}x1o", out)
        self.change = io.CartesianTensor("ij") if cartesian else None

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        from e3nn.math import soft_one_hot_linspace

        p = x.reshape(len(x), self.k, 3) / self.unit
        i, j = self.pairs
        lengths = torch.cat([p, p[:, i] - p[:, j]], 1).norm(dim=2)
        radial = soft_one_hot_linspace(lengths, 0.0, 5.0, self.number, "gaussian", cutoff=False).flatten(1)
        flat = p.flatten(1)
        one = torch.cat([torch.ones_like(flat[:, :1]), flat], 1)
        h = self.gate(self.first(torch.cat([self.mix(radial), flat], 1), one))
        h = h + self.gate(self.second(h, self.narrow(h)))
        y = self.last(h, one)
        if self.change is not None:
            y = self.change.to_cartesian(y).flatten(1)
        return y


class OwnInvariants(nn.Module):
    """A perceptron on invariants that are written down by hand."""

    def __init__(self, of: Callable[[Tensor], Tensor], x: Tensor, outputs: int) -> None:
        super().__init__()
        z = of(x)
        self.of, self.mean, self.spread = of, z.mean(0), z.std(0)
        self.body = perceptron(z.shape[1], outputs)()

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        out: Tensor = self.body((self.of(x) - self.mean) / self.spread)
        return out


class OverSets(nn.Module):
    """ρ(Σ φ(xᵢ)) and the largest φ."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 24), nn.SiLU())
        self.r = nn.Sequential(nn.Linear(48, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        h = self.p(x.reshape(len(x), 5, 2))
        out: Tensor = self.r(torch.cat([h.sum(1), h.amax(1)], 1))
        return out


class OverTurns(nn.Module):
    """The mean over the quarter turns, trained as such."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """F(x)."""
        return torch.stack([self.net(torch.rot90(x, k, (2, 3))) for k in range(4)]).mean(0)


def gram(x: Tensor) -> Tensor:
    """Roots of xᵢ·xⱼ of the Lorentz form, with their signs."""
    p = x.reshape(len(x), -1, 4)
    dots = torch.einsum("nia,a,nja->nij", p, torch.tensor([1.0, -1, -1, -1]), p)
    i, j = torch.triu_indices(p.shape[1], p.shape[1])
    z = dots[:, i, j]
    return torch.cat([z, z.sign() * z.abs().sqrt()], 1)


def native(model: TrainedModel, size: int, x: Tensor) -> tuple[str, nn.Module]:
    """A network that has the group by construction, and whose it is."""
    if model.vectors:
        try:
            import e3nn  # noqa: F401
        except ImportError:
            k = model.vectors
            of = lambda x: torch.einsum("nia,nja->nij", x.reshape(-1, k, 3), x.reshape(-1, k, 3)).flatten(1)  # noqa: E731
            if model.rep_out.isdigit():
                return "own", OwnInvariants(of, x, int(model.rep_out))
        else:
            out = {"1+4V": "1x0e+4x1o", "2V": "2x1o", "V^2": "1x0e+1x2e+1x1e"}.get(model.rep_out, f"{model.rep_out}x0e")
            if model.rep_out == "V^2":
                from e3nn import io

                out = str(io.CartesianTensor("ij"))
            return "e3nn", Irreps(model.vectors, x, out, size, model.rep_out == "V^2")
    if model.group == "s5":
        return "own", OverSets()
    if model.group == "c4":
        return "own", OverTurns(model.network())
    if parse_group(model.group).name == "so(1,3)":
        return "own", OwnInvariants(gram, x, 1)
    raise NotImplementedError(f"{model.name}: no native network without e3nn")
