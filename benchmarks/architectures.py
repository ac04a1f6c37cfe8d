"""What can be done with the networks that people train: a table of architectures × verbs and methods.

    python -m benchmarks.architectures --output docs/checkpoints-real.md

Each network is trained for a few seconds on a task that the group leaves alone, from noisy rows, exported once with
torch.export for any number of rows, and given to every verb and method. A cell is the largest
equivariance error of what came out and its held-out loss (``inspect``, ``discover``: whether an answer came; ``score``:
the error as it was), or the reason of the refusal with its operation, or, in bold, an error that is no refusal.
Nothing in here is a network that a setting was chosen on.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

import symfind
from symfind.data.hdf5 import write
from symfind.errors import SymfindError
from symfind.options.of_verbs import DiscoverOptions, EnforceOptions, ScoreOptions

ROWS, STEPS, BATCH, RATE = 600, 300, 64, 5e-3
METHODS = ("project", "average", "frames", "distill")


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


@dataclass(frozen=True)
class Architecture:
    """A network, the group that its task has, and what the shapes of its rows mean."""

    name: str
    make: Callable[[], nn.Module]
    image: bool = False


def plain(*middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 16), *middle, nn.Linear(16, 1))


ARCHITECTURES = (
    Architecture("perceptron, tanh", lambda: plain(nn.Tanh(), nn.Linear(16, 16), nn.Tanh())),
    Architecture("perceptron, ReLU", lambda: plain(nn.ReLU(), nn.Linear(16, 16), nn.ReLU())),
    Architecture("BatchNorm and dropout", lambda: plain(nn.BatchNorm1d(16), nn.SiLU(), nn.Dropout(0.1))),
    Architecture("LayerNorm", lambda: plain(nn.LayerNorm(16), nn.GELU())),
    Architecture("residual, LayerNorm", lambda: Residual(nn.LayerNorm)),
    Architecture("residual, BatchNorm", lambda: Residual(nn.BatchNorm1d)),
    Architecture("dense skips (cat)", Dense),
    Architecture("gated product", Gated),
    Architecture("transformer encoder", Attention),
    Architecture("GRU", lambda: Recurrent(nn.GRU)),
    Architecture("LSTM", lambda: Recurrent(nn.LSTM)),
    Architecture("DeepSets, view(-1, 2)", Sets),
    Architecture("message passing", Messages),
    Architecture("einsum", Einsum),
    Architecture("in-place operations", InPlace),
    Architecture("output without axis", Squeezed),
    Architecture("Fourier features", Fourier),
    Architecture("Conv2d, ReLU", lambda: Convolutions(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()), True),
    Architecture("Conv2d, stride 2", lambda: Convolutions(nn.Conv2d(1, 8, 2, stride=2), nn.Tanh()), True),
    Architecture("max pooling", lambda: Convolutions(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)), True),
    Architecture("GroupNorm", lambda: Convolutions(nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8), nn.Mish()), True),
    Architecture("depthwise convolution", lambda: Convolutions(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 3, groups=8)), True),
    Architecture("residual of convolutions", Skipping, True),
    Architecture("U-Net", Hourglass, True),
    Architecture("vision transformer", Patches, True),
)


def task(image: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Rows and targets that so(2) (c4, for images) leaves alone, with a hundredth of noise."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn((ROWS, 1, 6, 6) if image else (ROWS, 6), generator=rng)
    y = x[:, :, 1:-1, 1:-1].square().sum((1, 2, 3)) / 4 if image else x.reshape(ROWS, 3, 2).sum(1).square().sum(1) / 6
    return x, (y + 0.01 * torch.randn(ROWS, generator=rng))[:, None]


def trained(architecture: Architecture, seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(seed)
    x, y = task(architecture.image, seed)
    model = architecture.make().train()
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(STEPS):
        rows = torch.randint(ROWS, (BATCH,))
        loss = fn.mse_loss(model(x[rows]).reshape(-1, 1), y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval(), x, y


def cell(ask: Callable[[], str]) -> str:
    """What came of it in a few words: a number, or ``refused: `` with the operation or the reason."""
    try:
        return ask()
    except SymfindError as error:
        text = re.sub(r"^\S*?: ", "", str(error))
        return "refused: " + re.sub(r"/\S+/", "", text).split(";")[0].split(", which")[0][:90].replace("|", "\\|")
    except Exception as error:  # what the table is there to show
        return f"**{type(error).__name__}**"


def row(architecture: Architecture, folder: Path, seed: int) -> list[str]:
    model, x, y = trained(architecture, seed)
    path, data = str(folder / "model.pt2"), str(folder / "data.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (x[:3],), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
        torch.export.save(program, path)
    write(folder / "data.h5", {"x": x.double().numpy(), "y": y.double().numpy()}, {"kind": "function"})
    group = {"group": "c4", "rep_in": "image(6,6)", "rep_out": "1"} if architecture.image else {
        "group": "so2", "rep_in": "3V", "rep_out": "1"
    }  # fmt: skip

    def inspect() -> str:
        symfind.inspect(path)
        return "yes"

    def discover() -> str:
        found = symfind.discover(DiscoverOptions(source=path, data=data, max_rows=512))
        return f"{len(found.generators)} judged"

    def score() -> str:
        return f"{symfind.score(ScoreOptions(model=path, data=data, **group)).error.rms:.1e}"  # type: ignore[union-attr]

    def enforce(method: str) -> str:
        options = EnforceOptions(model=path, data=data, method=method, steps=100, force=True, **group)
        done = symfind.enforce(options, folder / ("out.pt2" if method == "project" else "out.pt"))
        return f"{done.error_after.largest:.1e}, mse {done.loss_after.value:.2g}" if done.loss_after else "?"

    cells = [cell(inspect), cell(discover), cell(score)]
    return cells + [cell(lambda m=m: enforce(m)) for m in METHODS]  # type: ignore[misc]


def written(lines: list[str], seed: int) -> str:
    """The document around the rows."""
    names = ("inspect", "discover", "score", *METHODS)
    working = sum(any(not c.startswith((" refused", " **")) for c in line.split(" |")[4:8]) for line in lines)
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").replace("``", "`").strip()
    return "\n".join([
        "# Networks that people train", "",
        f"Written by `python -m benchmarks.architectures --output docs/checkpoints-real.md`, seed {seed}.", "",
        said, "",
        "Points: three points of the plane, so(2), F = |Σ p|²/6. Images: 6 × 6, c4, F = Σ x²/4 off the border. "
        f"float32, {STEPS} steps of Adam: short trainings, so that the errors before (`score`) are large.", "",
        f"A working equivariant file: {working} of {len(lines)}.", "",
        "| architecture | " + " | ".join(names) + " |", "|" + ":--|" * (len(names) + 1), *lines, "",
    ])  # fmt: skip


def main() -> None:
    """Train, ask, write the table; rows that stand in the output are kept, so that it can be gone on with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True)
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    path = Path(asked.output)
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # What benchmarks/trained_models.py wrote behind it stays.
    mark = next((i for i, line in enumerate(before) if line.startswith("<!-- trained models")), len(before))
    after = "\n".join(["", *before[mark:], ""]) if mark < len(before) else ""
    lines: list[str] = []
    for architecture in ARCHITECTURES:
        known = next((line for line in before if line.startswith(f"| {architecture.name} |")), None)
        if known is None:
            with tempfile.TemporaryDirectory() as folder:
                cells = row(architecture, Path(folder), asked.seed)
            known = f"| {architecture.name} | " + " | ".join(cells) + " |"
            print(known, flush=True)
        lines.append(known)
        path.write_text(written(lines, asked.seed) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
