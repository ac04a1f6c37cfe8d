"""Which models are fitted, by the name of ``--model``; a fit in the form that every family shares."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from symfind.errors import InputError, UsageError
from symfind.fits.features import PolynomialFeatures, Standardiser
from symfind.models.model import load_model
from symfind.models.model_file import audited
from symfind.models.torchscript import scripted_module
from symfind.options.of_verbs import PromoteOptions
from symfind.progress import Clock
from symfind.promotion.checkpoint import Checkpoint
from symfind.promotion.convex import ConvexFit, Explored, Promoted
from symfind.promotion.library import LibraryFeatures, read_library
from symfind.promotion.modules import StandardisedNetwork, module_of
from symfind.promotion.network import Recipe, TrainedNetwork, trained_network
from symfind.promotion.reading import Ready
from symfind.promotion.settings import SETTINGS

_POLYNOMIAL = re.compile(r"(polynomial|sindy):([1-9])")
# The degree where sindy names none: Lorenz, rigid bodies, Hopf normal forms are at most cubic.
_SINDY_DEGREE = 3
# Degrees that auto tries.
_HIGHEST = 6
# A held-out share of variance below this is rounding.
_EXACT = 1e-16
_SHOWN_ROWS = 4
_ARCHIVES = (".pt", ".pth", ".ts")
_HIDDEN = (64, 64)

Linear = PolynomialFeatures | LibraryFeatures


@dataclass(frozen=True)
class Chosen:
    """A fitted model.

    Attributes
    ----------
    name, degree
        Of the class of models; a degree for polynomials.
    module
        The model, to be saved.
    predict, predict_plain
        x ``(n, D)`` → ``(n, m)`` with promotion and without.
    unknowns
        Parameters.
    linear, network
        How it was chosen: for models linear in their parameters, and for networks.
    messages
        For the reader.
    """

    name: str
    degree: int | None
    module: nn.Module
    predict: Callable[[Tensor], Tensor]
    predict_plain: Callable[[Tensor], Tensor]
    unknowns: int
    linear: Promoted | None = None
    network: TrainedNetwork | None = None
    messages: tuple[str, ...] = ()


def chosen_fit(request: PromoteOptions, prepared: Ready, clock: Clock, generator: torch.Generator) -> Chosen:
    """Fit the models that were asked for.

    Raises
    ------
    UsageError
        No such model.
    InputError
        The model needs too much memory, or a file of it cannot be used.
    """
    if request.model == "mlp" or request.model.lower().endswith(_ARCHIVES):
        return _network_fit(request, prepared, clock)
    families = _linear_families(request.model, prepared)
    best: tuple[Linear, ConvexFit, Explored] | None = None
    errors: list[float] = []
    with clock.phase("fit") as advance:
        for features in families:
            fit = ConvexFit(prepared.setting, features, prepared.train, request.sparsity, generator)
            explored = fit.explored(request.gamma, advance)
            errors.append(explored.error)
            if best is None or (explored.error * (1 + SETTINGS.degree_tie) < best[2].error and best[2].error > _EXACT):
                best = features, fit, explored
            if explored.error < _EXACT or (len(errors) > 2 and min(errors[-2:]) > min(errors)):
                break
    assert best is not None
    with clock.phase("refit"):
        done = best[1].refitted(best[2])
    return _linear_choice(best[0], done, prepared)


def _linear_choice(features: Linear, done: Promoted, prepared: Ready) -> Chosen:
    rows = prepared.train.x[:_SHOWN_ROWS].reshape(-1, *prepared.input_shape)
    module = module_of(features, done.weights, rows, prepared.output_shape)
    degree = features.degree if isinstance(features, PolynomialFeatures) else None
    how = (
        f"the lasso, λ = {done.sparse:.3g}: no symmetry predicts as well"
        if done.sparse is not None
        else f"refit inside the nullspace of {done.symmetries.shape[1]} symmetries, {done.freedom} of "
        f"{done.weights.numel()} parameters free"
        if done.refitted
        else f"penalised fit at γ = {done.gamma:.3g}: no refit with exact symmetries predicts as well"
    )
    name = "polynomial" if degree is not None else f"library {features.name}"
    return Chosen(
        name=name,
        degree=degree,
        module=module,
        predict=lambda x: features(x) @ done.weights,
        predict_plain=lambda x: features(x) @ done.plain,
        unknowns=done.weights.numel(),
        linear=done,
        messages=(how,),
    )


def _network_fit(request: PromoteOptions, prepared: Ready, clock: Clock) -> Chosen:
    """Train an MLP, or the user's network further, with promotion and without."""
    make = _mlp(request, prepared) if request.model == "mlp" else _users_network(request, prepared)
    gamma = SETTINGS.gamma if request.gamma is None else request.gamma
    recipe = Recipe(
        request.steps, request.learning_rate, request.batch, gamma, request.schedule == "ramp", request.seed
    )
    path = None if request.checkpoint is None else Path(request.checkpoint)
    asked = f"{recipe} {request.model} {request.hidden} {prepared.setting.space.name} {prepared.setting.action.name}"
    settings = f"{prepared.sha256} {len(prepared.train)} {prepared.setting.metric} {asked}"
    checkpoint = Checkpoint(path, resume=request.resume, settings=settings)
    done = trained_network(make, prepared.setting, prepared.train, prepared.input_shape, recipe, checkpoint, clock)

    def predict(module: nn.Module) -> Callable[[Tensor], Tensor]:
        return lambda x: module(x.reshape(-1, *prepared.input_shape)).reshape(len(x), -1)

    count = done.symmetries.shape[1]
    how = "rows moved along them" if done.moved else "a penalty on the Lie derivative along them"
    if count:
        note = f"trained with {count} symmetries found by the nuclear norm, by {how}"
    else:
        note = "no symmetries lowered the validation error: the network is the one without promotion"
    return Chosen(
        name="mlp" if request.model == "mlp" else f"network {request.model}",
        degree=None,
        module=done.module,
        predict=predict(done.module),
        predict_plain=predict(done.plain),
        unknowns=sum(p.numel() for p in done.module.parameters()),
        network=done,
        messages=(note,),
    )


def _mlp(request: PromoteOptions, prepared: Ready) -> Callable[[], nn.Module]:
    """A fresh MLP in standard units, the same at every call."""
    x, y = prepared.train.x, prepared.train.y

    def spread(rows: Tensor) -> Tensor:
        out = rows.std(0, correction=0)
        return torch.where(out > 0, out, torch.ones_like(out))

    def make() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(request.seed)
            inputs, outputs = (x.mean(0), spread(x)), (y.mean(0), spread(y))
            return StandardisedNetwork(inputs, outputs, request.hidden or _HIDDEN, prepared.output_shape)

    return make


def _users_network(request: PromoteOptions, prepared: Ready) -> Callable[[], nn.Module]:
    """The user's network as it was saved, in double precision."""
    path = Path(request.model)
    model = load_model(path, trust=request.trust_model)  # refuses what is unsafe, or is no model
    if model.format != "torchscript":
        raise InputError(f"{path}: only TorchScript can be trained further, this is {model.format}; take --model mlp")
    model.bind(prepared.input_shape, prepared.train.x.reshape(-1, *prepared.input_shape))
    if prod(model.output_shape) != prod(prepared.output_shape):
        raise InputError(
            f"{path}: gives values of shape {model.output_shape}, the data have {prepared.output_shape}; take a "
            "model of these data"
        )

    def make() -> nn.Module:
        with audited(path, trust=request.trust_model) as file:
            network: nn.Module = scripted_module(file, torch.device("cpu")).double()
        return network

    if not any(p.is_floating_point() for p in make().parameters()):
        raise InputError(f"{path}: is frozen, so that it has no parameters to train; give it as it was before freezing")
    return make


def _linear_families(name: str, prepared: Ready) -> Sequence[Linear]:
    """The classes of models to try, simplest first."""
    x = prepared.train.x
    about = Standardiser.of(x.mean(0), x.std(0, correction=0))
    origin = Standardiser.of(torch.zeros_like(about.mean), x.square().mean(0).sqrt())
    if name == "auto":
        return _degrees(about, prepared)
    if name == "sindy":
        return [PolynomialFeatures.of_degree(origin, _SINDY_DEGREE)]
    asked = _POLYNOMIAL.fullmatch(name)
    if asked is not None:
        return [PolynomialFeatures.of_degree(origin if asked[1] == "sindy" else about, int(asked[2]))]
    if name.endswith((".yaml", ".yml")):
        return [read_library(Path(name), _input_names(prepared))]
    raise UsageError(
        f"--model is '{name}', expected auto, polynomial:k, sindy, sindy:k, mlp, a TorchScript file (.pt) or a library "
        "(.yaml)"
    )


def _degrees(about: Standardiser, prepared: Ready) -> Sequence[PolynomialFeatures]:
    d, m = about.mean.shape[0], prepared.train.y.shape[1]
    rows = len(prepared.train)
    # A scalar of one object: every quadratic has symmetries of its own.
    low = 3 if prepared.scalar else 1
    fitting = [
        k
        for k in range(low, _HIGHEST + 1)
        if math.comb(d + k, k) * m <= SETTINGS.most_unknowns and math.comb(d + k, k) <= SETTINGS.unknowns_a_row * rows
    ]
    if not fitting:
        raise InputError(
            f"polynomials of degree {low} in {d} inputs have {math.comb(d + low, low) * m} coefficients, --model "
            f"auto tries at most {SETTINGS.most_unknowns}, and {SETTINGS.unknowns_a_row} for each of {rows} rows; name "
            "the degree with --model polynomial:k, or take mlp"
        )
    return [PolynomialFeatures.of_degree(about, k) for k in fitting]


def _input_names(prepared: Ready) -> tuple[str, ...]:
    """One name an input: those of the coordinates, numbered by object where there are several."""
    k, _ = prepared.setting.objects
    if k == 1:
        return prepared.names
    return tuple(f"{name}{i + 1}" for i in range(k) for name in prepared.names)
