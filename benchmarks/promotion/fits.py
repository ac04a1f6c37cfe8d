"""Promotion on noisy data: beside least squares and lasso, on a law with a broken symmetry, and for networks."""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import torch
from torch import Tensor

from symfind.api import promote
from symfind.fields.catalogue import make_space
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.fits.geometry import Moments, input_geometry, output_root
from symfind.fits.surrogate import Samples, fold_labels
from symfind.lie_derivative import Invariant
from symfind.linalg.lasso import lasso
from symfind.progress import Clock, SilentProgress
from symfind.promotion.checkpoint import Checkpoint
from symfind.promotion.convex import ConvexFit
from symfind.promotion.modules import StandardisedNetwork
from symfind.promotion.moved import movement
from symfind.promotion.network import Recipe, Training, trained_network
from symfind.promotion.setting import Setting
from symfind.verbs.options import PromoteOptions

_F64 = torch.float64
_FRESH = 4000
_LASSO = tuple(10.0 ** (-i / 2) for i in range(1, 13))


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=_F64)


@dataclass(frozen=True)
class Law:
    """A function of one object to be fitted by polynomials of its degree."""

    name: str
    d: int
    degree: int
    space: str
    value: Callable[[Tensor], Tensor]


def _few_directions(x: Tensor) -> Tensor:
    u = torch.linalg.qr(normal(torch.Generator().manual_seed(11), 5, 5)).Q
    a, b = (x @ u[:, :2]).T
    return a**3 - a * b + b


def _radial(x: Tensor) -> Tensor:
    square = (x - torch.tensor([0.3, -0.2, 0.1], dtype=_F64)).square().sum(1)
    return square - 0.2 * square**2


def _none(x: Tensor) -> Tensor:
    a, b, c = x.T
    return a + b * c + a**2 * b / 2 + b * c**2 / 3 - c**3 / 4


LAWS = (
    Law("cubic of 2 of 5 directions, candidates T(5)", 5, 3, "translations", _few_directions),
    Law("quartic about a centre, candidates SE(3)", 3, 4, "se", _radial),
    Law("cubic without symmetry, candidates SE(3)", 3, 3, "se", _none),
)


def setting_of(x: Tensor, y: Tensor, objects: tuple[int, int], space: str) -> Setting:
    moments = Moments(x.shape[1])
    moments.add(x)
    geometry = input_geometry(moments, objects[0])
    fields = make_space(space, objects[1], [f"x{i}" for i in range(objects[1])])
    fields = fields.centred(geometry.mean, geometry.scale)
    return Setting(fields, Invariant(), objects, (1, 1), geometry, output_root([y[:, None, :]]))


def sparse_fit(theta: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
    """Min mean‖θw − y‖² + λ‖w‖₁, features of mean square one, λ by cross-validation over four folds."""
    unit = theta.square().mean(0).sqrt().clamp(min=1e-300)
    scaled = theta / unit
    labels = fold_labels(len(y), None, 4, generator)
    kept = [labels != fold for fold in range(4)] + [torch.ones(len(y), dtype=torch.bool)]
    squares = torch.stack([scaled[k].T @ scaled[k] / int(k.sum()) for k in kept])
    moment = torch.stack([scaled[k].T @ y[k, None] / int(k.sum()) for k in kept])
    paths = lasso(squares, moment, float(y.std()) * torch.tensor(_LASSO, dtype=_F64))[..., 0]
    errors = torch.zeros(len(_LASSO), dtype=_F64)
    for k, path in zip(kept[:4], paths, strict=False):
        errors += (scaled[~k] @ path.T - y[~k, None]).square().sum(0)
    return paths[4, int(errors.argmin())] / unit


def noise_run(law: Law, rows: int, noise: float, seed: int) -> tuple[float, float, float, int]:
    """Share of variance of the law missed on fresh points by least squares, lasso and promotion; symmetries."""
    generator = torch.Generator().manual_seed(1000 * seed + rows)
    x = normal(generator, rows, law.d)
    clean = law.value(x)[:, None]
    y = clean + noise * clean.std() * normal(generator, rows, 1)
    features = PolynomialFeatures.of_degree(Standardiser.of(x.mean(0), x.std(0)), law.degree)
    fit = ConvexFit(setting_of(x, y, (1, law.d), law.space), features, Samples(x, y), 0.0, generator)
    done = fit.chosen()
    fresh = normal(torch.Generator().manual_seed(7), _FRESH, law.d)
    truth = law.value(fresh)

    def missed(w: Tensor) -> float:
        return float((features(fresh) @ w - truth).square().mean() / truth.var())

    sparse = sparse_fit(features(x), y[:, 0], generator)
    return missed(done.plain[:, 0]), missed(sparse), missed(done.weights[:, 0]), done.symmetries.shape[1]


def noise_table(seeds: int, say) -> str:  # type: ignore[no-untyped-def]
    head = (
        "| law | unknowns | rows | noise | least squares | lasso | promotion | symmetries | smallest |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    lines = []
    for law in LAWS:
        unknowns = math.comb(law.d + law.degree, law.degree)
        for rows in (40, 80, 160):
            for noise in (0.01, 0.05, 0.10):
                runs = [noise_run(law, rows, noise, seed) for seed in range(seeds)]
                plain, sparse, ours = (statistics.median(r[i] for r in runs) for i in range(3))
                counts = sorted(r[3] for r in runs)
                least = min(plain, sparse)
                best = "promotion" if ours <= least else f"{ours / least:.2f} of the best"
                lines.append(
                    f"| {law.name} | {unknowns} | {rows} | {100 * noise:g} % | {plain:.2g} | {sparse:.2g} | "
                    f"{ours:.2g} | {', '.join(map(str, counts))} | {best} |"
                )
                say(lines[-1])
    return "\n".join([head, *lines])


def oblate(n: int, seed: int, noise: float) -> tuple[Tensor, Tensor, Tensor]:
    """Positions between 1.2 and 2 radii, potential −(1 − J(3cos²θ − 1)/2r²)/r with J = 0.3, and its acceleration."""
    generator = torch.Generator().manual_seed(seed)
    x = normal(generator, n, 3)
    x = x / x.norm(dim=1, keepdim=True) * (1.2 + 0.8 * torch.rand(n, 1, generator=generator, dtype=_F64))
    x.requires_grad_(True)
    r = x.norm(dim=1)
    potential = -(1 - 0.3 * (3 * x[:, 2] ** 2 / r**2 - 1) / (2 * r**2)) / r
    acceleration = -torch.autograd.grad(potential.sum(), x)[0]
    potential, x = potential.detach(), x.detach()
    potential = potential + noise * potential.std() * normal(generator, n)
    return x, potential, acceleration + noise * acceleration.std() * normal(generator, n, 3)


def oblate_table(seeds: int, say) -> str:  # type: ignore[no-untyped-def]
    head = (
        "| data | rows | noise | seed | certified | undecided | held-out error | without promotion |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    lines = []
    for kind, rows in (("potential", 300), ("acceleration", 300)):
        for noise in (0.0, 0.02):
            for seed in range(seeds):
                x, potential, acceleration = oblate(rows, seed, noise)
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "oblate.h5"
                    with h5py.File(path, "w") as file:
                        file["x"] = x.numpy()
                        file["y"] = (potential if kind == "potential" else acceleration).numpy()
                        file.attrs["kind"] = "function"
                    options = PromoteOptions(data=str(path), model="polynomial:4", space="so", seed=seed)
                    report = promote(options)
                assert report.promotion is not None
                certified = "; ".join(g.expression for g in report.certified) or "none"
                held = report.promotion.held_out
                lines.append(
                    f"| {kind} | {rows} | {100 * noise:g} % | {seed} | {certified} | "
                    f"{len(report.generators) - len(report.certified)} | {held.promoted:.2g} | {held.plain:.2g} |"
                )
                say(lines[-1])
    return "\n".join([head, *lines])


def vectors(n: int, seed: int, noise: float) -> tuple[Tensor, Tensor]:
    """Three vectors in R³ and a scalar of their inner products."""
    generator = torch.Generator().manual_seed(seed)
    x = normal(generator, n, 3, 3)
    inner = x @ x.transpose(1, 2)
    y = (
        torch.tanh(inner[:, 0, 1]) + 0.5 * torch.sin(inner[:, 1, 2]) + 0.5 * (1 + inner[:, 0, 0]).sqrt()
        + 0.25 * inner[:, 0, 2]
    )  # fmt: skip
    return x.flatten(1), (y + noise * y.std() * normal(generator, n))[:, None]


def network_run(rows: int, seed: int, steps: int) -> tuple[float, float, float, int]:
    """Error on fresh rows of an MLP, of the same with promotion, of the same told so(3); symmetries promoted."""
    x, y = vectors(rows, 100 + seed, 0.05)
    fresh, truth = vectors(_FRESH, 7, 0.0)
    setting = setting_of(x, y, (3, 3), "linear")
    recipe = Recipe(steps, 3e-3, 128, 0.03, True, seed)

    def make() -> StandardisedNetwork:
        torch.manual_seed(seed)
        return StandardisedNetwork((x.mean(0), x.std(0)), (y.mean(0), y.std(0)), (64, 64), (1,))

    nothing = Checkpoint(None, resume=False, settings="")
    done = trained_network(make, setting, Samples(x, y), (3, 3), recipe, nothing, Clock(SilentProgress()))
    so = make_space("so", 3, ["x", "y", "z"])
    points = torch.eye(3, dtype=_F64)
    basis = setting.space.evaluate(points).transpose(1, 2).reshape(9, -1)
    known = torch.linalg.lstsq(basis, so.evaluate(points).transpose(1, 2).reshape(9, -1), driver="gelsd").solution
    told = make()
    moves = movement(setting, known)
    assert moves is not None
    training = Training(setting, Samples(x, y), (3, 3), recipe, nothing)
    told.load_state_dict(training.run("told", make(), lambda _: None, along=moves.vectors, moves=moves).state)

    def missed(module: torch.nn.Module) -> float:
        with torch.no_grad():
            return float((module(fresh) - truth).square().mean() / truth.var())

    return missed(done.plain), missed(done.module), missed(told), done.symmetries.shape[1]


def network_table(seeds: int, steps: int, say) -> str:  # type: ignore[no-untyped-def]
    head = (
        "| samples | MLP | promoted | told so(3) | below the MLP | above the told | symmetries |\n"
        "|---|---|---|---|---|---|---|"
    )
    lines = []
    for rows in (200, 500, 1000, 2000):
        runs = [network_run(rows, seed, steps) for seed in range(seeds)]
        plain, ours, told = (statistics.median(r[i] for r in runs) for i in range(3))
        lines.append(
            f"| {rows} | {plain:.3g} | {ours:.3g} | {told:.3g} | {100 * (1 - ours / plain):.0f} % | "
            f"{100 * (ours / told - 1):.0f} % | {', '.join(str(r[3]) for r in runs)} |"
        )
        say(lines[-1])
    return "\n".join([head, *lines])
