"""What ``enforce`` makes of trained models, beside what is done without it: a table of docs/checkpoints-real.md.

    python -m benchmarks.trained_models --write [--lines FILE.jsonl] [--only NAME] [--seeds 11,12,13]

Each model is trained from scratch on 500 rows, then enforced with 500 others (``auto``, at most 512 calls a row), and
all are judged on 1,000 rows that neither saw. A line of the file of lines is one model and one seed: what stands there
is not computed again. Test-time augmentation is the mean over 8 or 64 random elements; augmentation draws one for each
row of each step; the native network is of about the same number of parameters, by e3nn where it is installed and the
group is of rotations, else own: a perceptron on invariants (Gram matrices, sums over sets, means over turns).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import symfind
from benchmarks.trained_suite import MODELS, TrainedModel, native
from symfind.data.hdf5 import write
from symfind.errors import SymfindError, WorseThanBefore
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.options.of_verbs import EnforceOptions

DOCUMENT = Path(__file__).parent.parent / "docs" / "checkpoints-real.md"
MARK = "<!-- trained models: written by benchmarks/trained_models.py -->"
ROWS, TESTED, STEPS, BATCH, RATE, TUNED = 500, 1000, 400, 64, 3e-3, 300
SEEDS = (11, 12, 13)


@dataclass(frozen=True)
class Action:
    """Random elements of a group on rows and on values."""

    group: Any
    rep_in: Any
    rep_out: Any

    @staticmethod
    def of(model: TrainedModel) -> Action:
        """Those of a task."""
        group = parse_group(model.group)
        return Action(group, parse_representation(group, model.rep_in), parse_representation(group, model.rep_out))

    def drawn(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """ρ_in(g) and ρ_out(g) at random elements; boosts of order one where there is no mean."""
        g = self.group.sample(count, rng, 0.5)
        return self.rep_in.rho(g).float(), self.rep_out.rho(g).float()


def moved(rho: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("nij,nj->ni", rho, x.flatten(1)).reshape(x.shape)


Function = Callable[[Tensor], Tensor]


def error(function: Function, action: Action, x: Tensor, rng: torch.Generator) -> float:
    """The largest |F(gx) − gF(x)| over 200 pairs, in units of the spread of F."""
    rows = x[:200]
    a, b = action.drawn(len(rows), rng)
    with torch.no_grad():
        y = function(rows)
        gap = (function(moved(a, rows)) - moved(b, y)).flatten(1).norm(dim=1)
        spread = (y - y.mean(0)).flatten(1).square().sum(1).mean().sqrt()
    return float(gap.max() / spread.clamp_min(1e-12))


def losses(model: TrainedModel, function: Function, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        return model.loss(function(x), y)


def trained(
    model: TrainedModel, net: nn.Module, x: Tensor, y: Tensor, turned: Action | None, seed: int, rate: float = RATE
) -> nn.Module:
    """Adam on the task's loss, rows moved by random elements in each step where a group is given."""
    rng = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,), generator=rng)
        a, b = x[rows], y[rows]
        if turned is not None:
            one, two = turned.drawn(len(a), rng)
            a = moved(one, a)
            b = b if model.labels else moved(two, b)
        loss = model.loss(net(a), b).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


def augmented_at_test(net: Function, action: Action, count: int, rng: torch.Generator) -> Function:
    """The mean over ``count`` random elements, the same for all rows."""
    a, b = action.drawn(count, rng)
    back = torch.linalg.inv(b)

    def turned(x: Tensor, p: Tensor, q: Tensor) -> Tensor:
        return moved(q.expand(len(x), -1, -1), net(moved(p.expand(len(x), -1, -1), x)))

    def mean(x: Tensor) -> Tensor:
        values = [turned(x, p, q) for p, q in zip(a, back, strict=True)]
        return torch.stack(values).mean(0)

    return mean


def measured(model: TrainedModel, seed: int) -> dict[str, Any]:
    """One model, one seed: all that the table tells."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    action = Action.of(model)
    x, y = model.data(ROWS, rng)
    given, answers = model.data(ROWS, rng)
    fresh, truth = model.data(TESTED, rng)
    net = trained(model, model.network(), x, y, None, seed)
    before = losses(model, net, fresh, truth)
    out: dict[str, Any] = {"model": model.name, "seed": seed, "before": float(before.mean())}
    out["error before"] = error(net, action, fresh, rng)
    for count in (8, 64):
        mean = augmented_at_test(net, action, count, rng)
        out[f"tta {count}"] = float(losses(model, mean, fresh, truth).mean())
        out[f"tta {count} error"] = error(mean, action, fresh, rng)
    other = trained(model, model.network(), x, y, action, seed)
    out["augmented"] = float(losses(model, other, fresh, truth).mean())
    out["augmented error"] = error(other, action, fresh, rng)
    size = sum(p.numel() for p in net.parameters())
    name, own = native(model, size, x)
    # What e3nn normalises takes larger steps.
    own = trained(model, own, x, y, None, seed, 1e-2 if name == "e3nn" else RATE)
    out["native"] = float(losses(model, own, fresh, truth).mean())
    out["native by"] = name
    with tempfile.TemporaryDirectory() as folder:
        out |= enforced(model, net, given, answers, fresh, truth, before, Path(folder))
    out["tuned error"] = tuned(model, net, given, answers, out["method"], action, rng)
    return out


def enforced(
    model: TrainedModel,
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    fresh: Tensor,
    truth: Tensor,
    before: Tensor,
    folder: Path,
) -> dict[str, Any]:
    """What ``auto`` writes, and what it saw of each method."""
    net_file, data, to = folder / "model.pt", folder / "data.h5", folder / "out.pt"
    torch.jit.script(net).save(str(net_file))  # type: ignore[no-untyped-call]
    targets = y[:, None] if model.labels else y.flatten(1)
    write(data, {"x": x.double().numpy(), "y": targets.double().numpy()}, {"kind": "function"})
    options = EnforceOptions(
        model=str(net_file), data=str(data), group=model.group, rep_in=model.rep_in, rep_out=model.rep_out, budget=512
    )
    out: dict[str, Any] = {"method": "refused", "auto": float(before.mean()), "cost": 1.0, "worse": False}
    try:
        done = symfind.enforce(options, to)
        function = torch.jit.load(str(to))  # type: ignore[no-untyped-call]
        after = losses(model, function, fresh, truth)
        gap = after - before
        # On rows that nobody saw, and beyond chance.
        out["worse"] = bool(gap.mean() > 2 * gap.std() / len(gap) ** 0.5)
        out |= {"method": done.method, "auto": float(after.mean()), "cost": done.cost_ratio}
        out["error after"] = error(function, Action.of(model), fresh, torch.Generator().manual_seed(1))
    except WorseThanBefore as told:
        done = told.document  # type: ignore[assignment]
        out["why"] = str(told).split("(")[-1].split(")")[0]
    seen = {m.method: m for m in done.considered if m.loss is not None}
    held = {name: m.loss.value for name, m in seen.items() if m.loss is not None}
    out |= {f"{name} held": value for name, value in held.items()}
    out |= {f"{name} cost": m.cost for name, m in seen.items()}
    was = done.loss_before.value if done.loss_before else math.nan
    least = min([was, *held.values()])
    own = was if out["method"] in ("refused", "unchanged") else held[done.method]
    out |= {"before held": was, "near": bool(own <= 1.05 * least and out["cost"] <= 8)}
    return out


def tuned(
    model: TrainedModel, net: nn.Module, x: Tensor, y: Tensor, method: str, action: Action, rng: torch.Generator
) -> float | None:
    """The error of the module that the same method gives back, after 300 more steps."""
    if method in ("refused", "unchanged"):
        return None
    targets = y[:, None] if model.labels else y.flatten(1)
    try:
        made = symfind.enforce(
            net, model.group, (x, targets), method=method, rep_in=model.rep_in, rep_out=model.rep_out, force=True,
            steps=20, budget=512,
        )  # fmt: skip
    except SymfindError:
        return None
    optimiser = torch.optim.Adam(made.parameters(), 1e-3)
    for _ in range(TUNED):
        rows = torch.randint(len(x), (16,), generator=rng)
        loss = model.loss(made(x[rows]), y[rows]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return error(made.eval(), action, x, rng)


def middle(lines: list[dict[str, Any]], key: str, digits: int = 2) -> str:
    values = [line[key] for line in lines if isinstance(line.get(key), float)]
    return f"{statistics.median(values):.{digits}g}" if values else "–"


def row(name: str, lines: list[dict[str, Any]]) -> str:
    """One row: medians over the seeds."""
    methods = ", ".join(dict.fromkeys(line["method"] for line in lines))
    ways = []
    for method in ("project", "average", "frames", "distill"):
        held, cost = middle(lines, f"{method} held"), middle(lines, f"{method} cost")
        ways.append("–" if held == "–" else f"{held} ({cost} ×)")
    worse = sum(line["worse"] for line in lines)
    near = sum(line["near"] for line in lines)
    both = lambda key: f"{middle(lines, key)} ({middle(lines, key + ' error', 1)})"  # noqa: E731
    cells = [
        name, middle(lines, "before"), middle(lines, "error before", 1), methods, middle(lines, "auto"),
        middle(lines, "error after", 1), middle(lines, "cost"), *ways, both("tta 8"), both("tta 64"), both("augmented"),
        f"{middle(lines, 'native')} ({lines[0]['native by']})", middle(lines, "tuned error", 1), str(worse),
        f"{near} of {len(lines)}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def document(lines: list[dict[str, Any]]) -> str:
    """The section, from all lines."""
    by_name = {m.name: [line for line in lines if line["model"] == m.name] for m in MODELS}
    known = {name: rows for name, rows in by_name.items() if rows}
    seeds = sorted({line["seed"] for line in lines})
    worse, near = sum(line["worse"] for line in lines), sum(line["near"] for line in lines)
    said = (__doc__ or "").split("\n\n")[2].replace("\n", " ").replace("``", "`").strip()
    head = (
        "model", "loss before", "error", "auto took", "loss", "error", "cost ×", "project", "average", "frames",
        "distill", "mean of 8", "mean of 64", "augmented", "native", "error, tuned", "silently worse", "near the best",
    )  # fmt: skip
    legend = (
        "Losses are those of the task (squared error, cross-entropy). Columns of methods: loss on the held-out rows of "
        "the file and cost of a call, as `auto` saw them; all others on unseen rows. In brackets behind what is done "
        "without symfind: the largest equivariance error. *error, tuned*: of the module that `symfind.enforce(module, "
        f"…)` gives back by the same method, after {TUNED} steps of Adam. *silently worse*: a file that was written "
        "and is worse on unseen rows by more than two standard errors. *near the best*: `auto` within 5 % of the "
        "smallest held-out loss of all methods and of the model itself, at 8 times the cost at most. *refused*: "
        "nothing was written, as the loss would have been worse. The elements of so(1,3) are boosts of order one: "
        "there is no mean over all of them."
    )
    return "\n".join([
        MARK, "", "## Trained models, before and after", "",
        f"Written by `python -m benchmarks.trained_models --write`, seeds {', '.join(map(str, seeds))}; medians.", "",
        said, "", legend, "", f"Silently worse: {worse} of {len(lines)}. Near the best: {near} of {len(lines)}.", "",
        "| " + " | ".join(head) + " |", "|" + ":--|" * len(head),
        *(row(name, rows) for name, rows in known.items()), "",
    ])  # fmt: skip


def main() -> None:
    """Compute the lines that are missing, then write the section into the document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--lines", default=str(Path(tempfile.gettempdir()) / "symfind-trained-models.jsonl"))
    parser.add_argument("--only")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    path = Path(asked.lines)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    for seed in map(int, asked.seeds.split(",")):
        for model in MODELS:
            known = any(line["model"] == model.name and line["seed"] == seed for line in lines)
            if known or (asked.only and asked.only not in model.name):
                continue
            lines.append(measured(model, seed))
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(json.dumps(lines[-1]), flush=True)
    if asked.write:
        text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
        DOCUMENT.write_text(text.split(MARK)[0].rstrip() + "\n\n" + document(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
