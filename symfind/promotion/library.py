"""φ(x) as formulas typed by a user: ``features`` of a YAML file, in named variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.expressions import Expression, parse_expression
from symfind.fields.user import MOST_FORMULAS, typed_names
from symfind.small_input import read_yaml


@dataclass(frozen=True)
class LibraryFeatures:
    """Formulas φ_f of D variables, differentiated by reverse mode.

    Attributes
    ----------
    name
        For the report.
    formulas
        f of them, all in the same variables.
    """

    name: str
    formulas: tuple[Expression, ...]

    @property
    def size(self) -> int:
        """Number f of formulas."""
        return len(self.formulas)

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x): ``(n, D)`` → ``(n, f)``.

        Raises
        ------
        InputError
            A formula is not finite at some x.
        """
        values = dict(zip(self.formulas[0].variables, x.unbind(-1), strict=True))
        columns = [formula(values) for formula in self.formulas]
        for formula, column in zip(self.formulas, columns, strict=True):
            if not bool(torch.isfinite(column).all()):
                raise InputError(f"the feature '{formula.text}' is not finite on the data; check the formula")
        return torch.stack(columns, -1)

    def derivative(self, x: Tensor, weights: Tensor) -> Tensor:
        """Σ_f w_{fm} ∂φ_f/∂x: ``(n, D)`` and ``(f, m)`` → ``(n, m, D)``."""
        with torch.enable_grad():
            at = x.detach().clone().requires_grad_(True)
            slopes = []
            for column in self(at).unbind(-1):
                slope = None
                if column.requires_grad:
                    (slope,) = torch.autograd.grad(column.sum(), at, retain_graph=True, allow_unused=True)
                slopes.append(torch.zeros_like(x) if slope is None else slope)
        return torch.einsum("nfd,fm->nmd", torch.stack(slopes, 1), weights.to(x))


def read_library(path: Path, names: Sequence[str]) -> LibraryFeatures:
    """A library from YAML: ``features``, a list of formulas; optional ``name`` and ``variables``.

    Parameters
    ----------
    path
        The file.
    names
        Variables where the file names none, one an input.

    Raises
    ------
    InputError
        The file cannot be read or does not have this form.
    UsageError
        A formula does not parse, or there are more or fewer variables than inputs.
    """
    document = read_yaml(path, "give YAML with 'features:', a list of formulas such as 1, x, x*y, sin(x)")
    if not isinstance(document, dict) or not isinstance(document.get("features"), list) or not document["features"]:
        raise InputError(f"'{path}' should hold 'features:', a list of formulas such as 1, x, x*y, sin(x)")
    unknown = set(document) - {"name", "variables", "features"}
    if unknown:
        raise InputError(
            f"'{path}' has the unknown key '{min(map(str, unknown))}'; known are name, variables, features"
        )
    variables = typed_names(document.get("variables", list(names)), path)
    if len(variables) != len(names):
        raise UsageError(f"'{path}' names {len(variables)} variables, the data have {len(names)}; name each one")
    if len(document["features"]) > MOST_FORMULAS:
        raise InputError(f"'{path}' has {len(document['features'])} formulas, at most {MOST_FORMULAS} are read")
    formulas = tuple(parse_expression(str(text), variables) for text in document["features"])
    return LibraryFeatures(str(document.get("name", path.stem)), formulas)
