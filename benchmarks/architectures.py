"""What can be done with the networks that people train: a table of architectures × verbs and methods.

    python -m benchmarks.architectures --output docs/checkpoints-real.md

Each network is trained for a few seconds on a task that the group leaves alone, from noisy rows, exported once with
torch.export for any number of rows, and given to every verb and method. A cell is the largest
equivariance error of what came out and its held-out loss (``inspect``, ``discover``: whether an answer came; ``score``:
the error as it was), or the reason of the refusal with its operation, or, in bold, an error that is no refusal.
The first table is the set that the walk over graphs was developed on. The second is a fresh draw: twelve networks that
were written down after it, run once, and not used to change anything.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

import symfind
from benchmarks.fresh_networks import FRESH
from benchmarks.tasks import ARCHITECTURES, Architecture, Task
from symfind.data.hdf5 import write
from symfind.errors import SymfindError
from symfind.options.of_verbs import DiscoverOptions, EnforceOptions, ScoreOptions

ROWS, STEPS, BATCH, RATE = 600, 300, 64, 5e-3
METHODS = ("project", "average", "frames", "distill")


def rows(task: Task, seed: int) -> tuple[Tensor, Tensor]:
    """Rows and targets that the group leaves alone, with a hundredth of noise."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn((ROWS, *task.shape), generator=rng)
    y = task.target(x)
    return x, (y + 0.01 * torch.randn(ROWS, generator=rng))[:, None]


def trained(architecture: Architecture, seed: int) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(seed)
    x, y = rows(architecture.task, seed)
    model = architecture.make().train()
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(STEPS):
        some = torch.randint(ROWS, (BATCH,))
        loss = fn.mse_loss(model(x[some]).reshape(-1, 1), y[some])
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
    group = {"group": architecture.task.group, "rep_in": architecture.task.rep_in, "rep_out": "1"}

    def inspect() -> str:
        symfind.inspect(path)
        return "yes"

    def discover() -> str:
        found = symfind.discover(DiscoverOptions(source=path, data=data, max_rows=512, trust_model=True))
        return f"{len(found.generators)} judged"

    def score() -> str:
        return f"{symfind.score(ScoreOptions(model=path, data=data, trust_model=True, **group)).error.rms:.1e}"  # type: ignore[union-attr]

    def enforce(method: str) -> str:
        options = EnforceOptions(model=path, data=data, method=method, steps=40, force=True, trust_model=True, **group)
        done = symfind.enforce(options, folder / ("out.pt2" if method == "project" else "out.pt"))
        return f"{done.error_after.largest:.1e}, mse {done.loss_after.value:.2g}" if done.loss_after else "?"

    cells = [cell(inspect), cell(discover), cell(score)]
    return cells + [cell(lambda m=m: enforce(m)) for m in METHODS]  # type: ignore[misc]


def table(lines: list[str]) -> list[str]:
    """Counts over some rows, and the rows."""
    names = ("inspect", "discover", "score", *METHODS)
    cells = [line.split(" |")[5:9] for line in lines]
    working = sum(any(not c.startswith((" refused", " **")) for c in row) for row in cells)
    projected = sum(not row[0].startswith((" refused", " **")) for row in cells)
    return [
        f"A working equivariant file: {working} of {len(lines)}. By projection: {projected}.", "",
        "| architecture | group | " + " | ".join(names) + " |", "|" + ":--|" * (len(names) + 2), *lines, "",
    ]  # fmt: skip


def written(lines: list[str], seed: int) -> str:
    """The document around the rows: those of the first set, then the fresh ones."""
    tasks = list(dict.fromkeys(a.task for a in ARCHITECTURES))
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").replace("``", "`").strip()
    return "\n".join([
        "# Networks that people train", "",
        f"Written by `python -m benchmarks.architectures --output docs/checkpoints-real.md`, seed {seed}.", "",
        said, "",
        "The tasks: " + ", ".join(f"{task.said} ({task.group})" for task in tasks) + ". A network of pointwise "
        "nonlinearities has no projection under turns that is not constant, so most are asked for permutations. "
        f"float32, {STEPS} steps of Adam: short trainings, so that the errors before (`score`) are large.", "",
        *table(lines[: len(ARCHITECTURES)]),
        *(["## A fresh draw", "", *table(fresh)] if (fresh := lines[len(ARCHITECTURES) :]) else []),
    ])  # fmt: skip


def main() -> None:
    """Train, ask, write the table; rows that stand in the output are kept, so that it can be gone on with."""
    torch.backends.opt_einsum.enabled = False  # its order of contraction fixes the number of rows of an export
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
    for architecture in (*ARCHITECTURES, *FRESH):
        known = next((line for line in before if line.startswith(f"| {architecture.name} |")), None)
        if known is None:
            with tempfile.TemporaryDirectory() as folder:
                cells = row(architecture, Path(folder), asked.seed)
            known = f"| {architecture.name} | {architecture.task.group} | " + " | ".join(cells) + " |"
            print(known, flush=True)
        lines.append(known)
        path.write_text(written(lines, asked.seed) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
