"""F_g as a map, as a module that torch loads alone, and as what a report says of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from symfind.decision.witness.formula import formula_of
from symfind.decision.witness.search import Found, Outcome
from symfind.decision.witness.trial import Rows, Trial
from symfind.schema.witness import Alternative, Graph, Witness

# Unseen rows in a picture, and points of the curve: more are not told apart in 700 pixels.
_PLOTTED, _CURVE = 150, 60


@dataclass(frozen=True)
class WitnessMap:
    """F_g as a map with slopes by central differences: for following its flow, not for certifying.

    Attributes
    ----------
    trial
        The witness.
    weights, offset
        y = F_g/weights + offset.
    adds_input
        Whether F_g is x_next − x.
    """

    trial: Trial
    weights: Tensor
    offset: Tensor
    adds_input: bool
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """F_g(x) ``(n, *output_shape)``."""
        flat = x.flatten(1)
        value = self.trial(flat, self.weights) / self.weights + self.offset
        return (value + flat if self.adds_input else value).reshape(-1, *self.output_shape)

    def value_and_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """F_g ``(n, m)`` and dF_g ``(n, m, D)``."""
        flat = x.flatten(1)
        step = 1e-4 * flat.std(0).clamp(min=1e-300)
        columns = []
        for j in range(flat.shape[1]):
            move = torch.zeros_like(flat)
            move[:, j] = step[j]
            up, down = (self(flat + sign * move).reshape(len(flat), -1) for sign in (1, -1))
            columns.append((up - down) / (2 * step[j]))
        return self(x).reshape(len(flat), -1), torch.stack(columns, -1)


class _Part(torch.nn.Module):
    """F_g of up to 4,096 rows, the most that a fit takes at once, to be traced."""

    def __init__(self, predicted: WitnessMap) -> None:
        super().__init__()
        self._predicted = predicted

    def forward(self, x: Tensor) -> Tensor:
        """F_g(x) of double precision."""
        return self._predicted(x)


class SymmetricModel(torch.nn.Module):
    """F_g: x ``(n, *input_shape)`` ↦ ``(n, *output_shape)``; TorchScript that needs torch alone."""

    def __init__(self, part: torch.nn.Module) -> None:
        super().__init__()
        self.part = part

    @staticmethod
    def of(predicted: WitnessMap) -> SymmetricModel:
        """From a witness, by tracing what it computes."""
        example = torch.linspace(0.5, 1.5, 3 * prod(predicted.input_shape), dtype=torch.float64)
        with warnings.catch_warnings():
            # The shapes that the tracer warns of are those of the model, the same for all rows.
            warnings.simplefilter("ignore")
            example = example.reshape(3, *predicted.input_shape)
            part = torch.jit.trace(_Part(predicted), example, check_trace=False)  # type: ignore[no-untyped-call]
        return SymmetricModel(part)

    def forward(self, x: Tensor) -> Tensor:
        """F_g(x), part by part."""
        return torch.cat([self.part(rows) for rows in torch.split(x.to(torch.float64), 4096)]).to(x.dtype)


def record_of(
    found: Found, outcome: Outcome, predicted: WitnessMap, unseen: Rows, names: tuple[str, ...], target: str
) -> Witness:
    """What a report says: the algebra, R_g and η, the formula, unseen rows beside the model, and what was tried.

    Parameters
    ----------
    unseen
        The rows on which it was judged.
    names
        Of all coordinates of a row.
    target
        What is predicted.
    """
    share, told, structure = found.trial.share, found.verdict, found.candidate.structure
    formula = formula_of(structure, names, target, unseen.x, found.candidate.noise)
    return Witness(
        candidate=structure.name,
        dimension=found.candidate.algebra.dimension,
        invariants=found.trial.invariants,
        r2=1.0 - share,
        eta=told.eta,
        eta_lower=min(told.lower, told.eta),
        eta_upper=told.upper,
        noise=max(0.0, share - told.left_over),
        left_over=told.left_over,
        refined=found.candidate.learned,
        fit=found.trial.fit.name,
        formula="" if formula is None else formula.text,
        graph=_graph(found.trial, predicted, unseen, target, "" if formula is None else formula.argument),
        alternatives=tuple(
            Alternative(
                candidate=f.candidate.structure.name,
                dimension=f.candidate.algebra.dimension,
                share=f.trial.share,
                verdict=f.verdict.word,
            )
            for f in outcome.tried
        ),
    )


def _graph(trial: Trial, predicted: WitnessMap, unseen: Rows, target: str, argument: str) -> Graph:
    """The curve of f and unseen rows, where one number depends on one invariant; else what is predicted and what is."""
    rows = unseen.take(torch.linspace(0, len(unseen) - 1, min(_PLOTTED, len(unseen))).long())
    y = rows.y / predicted.weights + predicted.offset
    z, k = trial.structure.invariants(rows.x), trial.structure.covariants(rows.x) * rows.weights
    if z.shape[1] == 1 and k.shape[1:] == (1, 1) and argument:
        across = torch.linspace(float(z.min()), float(z.max()), _CURVE, dtype=torch.float64)[:, None]
        along = trial.fit(across, k[:1].expand(_CURVE, 1, 1)) / predicted.weights + predicted.offset
        return Graph(
            across=argument, up=target, curve=_points(across[:, 0], along[:, 0]), rows=_points(z[:, 0], y[:, 0])
        )
    most = int((unseen.y / predicted.weights).std(0).argmax()) if len(unseen) > 1 else 0
    value = trial(rows.x, rows.weights) / predicted.weights + predicted.offset
    ends = torch.stack([y[:, most].min(), y[:, most].max()])
    which = target if y.shape[1] == 1 else f"component {most + 1} of {target}"
    return Graph(
        across=f"{which}, by the symmetric model", up=which, curve=_points(ends, ends),
        rows=_points(value[:, most], y[:, most]),
    )  # fmt: skip


def _points(across: Tensor, up: Tensor) -> tuple[tuple[float, ...], ...]:
    """Pairs with four digits: they are looked at, not computed with."""
    return tuple((float(f"{a:.4g}"), float(f"{b:.4g}")) for a, b in zip(across.tolist(), up.tolist(), strict=True))
