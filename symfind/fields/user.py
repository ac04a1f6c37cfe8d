"""ξᵢ = Σ_a fᵢₐ(x) ∂_a with formulas fᵢₐ from a YAML file, and direct sums of spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from symfind.errors import InputError, UsageError
from symfind.fields.expressions import Expression, parse_expression
from symfind.fields.space import VectorFieldSpace, on_series
from symfind.fields.taylor import Series, joined, stacked
from symfind.fields.typeset import sum_text
from symfind.small_input import read_yaml
from symfind.untrusted_text import LONGEST_NAME, shown

# Each is parsed in a tenth of a millisecond, and evaluated for every row.
MOST_FORMULAS = 10_000


@dataclass(frozen=True)
class UserFields:
    """Fields typed as formulas; differentiated by reverse mode.

    Attributes
    ----------
    name, d, has_constants
        As in :class:`~symfind.fields.space.VectorFieldSpace`.
    components
        p tuples of d formulas.
    """

    name: str
    d: int
    has_constants: bool
    components: tuple[tuple[Expression, ...], ...]

    @property
    def dim(self) -> int:
        """Number p of fields."""
        return len(self.components)

    def evaluate(self, x: Tensor) -> Tensor:
        """ξᵢ(x): ``(n, d)`` → ``(n, p, d)``."""
        values = dict(zip(self.components[0][0].variables, x.unbind(-1), strict=True))
        return torch.stack([torch.stack([f(values) for f in row], -1) for row in self.components], -2)

    def on_series(self, x: Series) -> Series:
        """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``."""
        parts = [x.linear(lambda c, b=b: c[..., b]) for b in range(self.d)]  # type: ignore[misc]
        values = dict(zip(self.components[0][0].variables, parts, strict=True))
        rows = [stacked([f.on_series(values) for f in row]) for row in self.components]
        return stacked(rows).linear(lambda c: c.transpose(-1, -2))

    def constant_directions(self) -> Tensor:
        """The fields that are typed as constants, as orthonormal columns ``(d, w)``."""
        rows = [[_number(f) for f in row] for row in self.components]
        typed = [row for row in rows if None not in row and any(row)]
        columns: Tensor = torch.linalg.qr(torch.tensor(typed, dtype=torch.float64).reshape(-1, self.d).T).Q
        return columns

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩ ``(n, m, p)`` for w ``(n, m, d)``."""
        return torch.einsum("nmd,npd->nmp", covectors, self.evaluate(x))

    def jacobian(self, x: Tensor) -> Tensor:
        """∂(ξᵢ)_a/∂x_b ``(n, p, d, d)``."""
        with torch.enable_grad():
            at = x.detach().clone().requires_grad_(True)
            value = self.evaluate(at)
            rows = []
            for entry in value.reshape(x.shape[0], -1).unbind(-1):
                slope = torch.autograd.grad(entry.sum(), at, retain_graph=True, allow_unused=True)[0] \
                    if entry.requires_grad else None  # fmt: skip
                rows.append(torch.zeros_like(x) if slope is None else slope)
        return torch.stack(rows, 1).reshape(x.shape[0], self.dim, self.d, self.d)

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξᵢ(x)·v ``(n, p, d)``."""
        return torch.einsum("npab,nb->npa", self.jacobian(x), v)

    def centred(self, mean: Tensor, scale: Tensor) -> UserFields:
        """Formulas stay as they were typed."""
        return self

    def table(self, coefficients: Tensor) -> Tensor:
        """The coefficients themselves ``(k, p)``."""
        return coefficients.T

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """Each basis field as it was typed."""
        return [self._typed(row, coordinates) for row in self.components]

    def _typed(self, row: tuple[Expression, ...], coordinates: Sequence[str]) -> str:
        parts = [f"({f.text}) ∂{c}" for f, c in zip(row, coordinates, strict=True) if f.text.strip() not in ("0", "")]
        return " + ".join(parts) or "0"

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢξᵢ with each field in brackets."""
        fields = [f"[{name}]" for name in self.names(coordinates)]
        return sum_text(list(zip(coefficients.tolist(), fields, strict=True)), latex=latex)


@dataclass(frozen=True)
class SumOfSpaces:
    """V₁ + V₂ + …, bases side by side; linear dependence between them is found as a trivial field."""

    parts: tuple[VectorFieldSpace, ...]

    @property
    def name(self) -> str:
        """Names joined by ``+``."""
        return "+".join(p.name for p in self.parts)

    @property
    def d(self) -> int:
        """Dimension of the space the fields live on."""
        return self.parts[0].d

    @property
    def dim(self) -> int:
        """Sum of the parts' dimensions."""
        return sum(p.dim for p in self.parts)

    @property
    def has_constants(self) -> bool:
        """Whether some part holds the constant fields."""
        return any(p.has_constants for p in self.parts)

    def evaluate(self, x: Tensor) -> Tensor:
        """ξᵢ(x) ``(n, p, d)``."""
        return torch.cat([p.evaluate(x) for p in self.parts], 1)

    def on_series(self, x: Series) -> Series:
        """ξᵢ ``(n, p, d)`` on the series x ``(n, d)``."""
        turned = [on_series(p, x).linear(lambda c: c.transpose(-1, -2)) for p in self.parts]
        return joined(turned).linear(lambda c: c.transpose(-1, -2))

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩ ``(n, m, p)``."""
        return torch.cat([p.push(x, covectors) for p in self.parts], 2)

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dξᵢ(x)·v ``(n, p, d)``."""
        return torch.cat([p.along(x, v) for p in self.parts], 1)

    def jacobian(self, x: Tensor) -> Tensor:
        """∂ξᵢ/∂x ``(n, p, d, d)``."""
        return torch.cat([p.jacobian(x) for p in self.parts], 1)

    def centred(self, mean: Tensor, scale: Tensor) -> SumOfSpaces:
        """Every part about ``mean``; a part tied to the origin stays there."""
        return replace(self, parts=tuple(p.centred(mean, scale) for p in self.parts))

    def table(self, coefficients: Tensor) -> Tensor:
        """The parts' tables side by side ``(k, Q)``."""
        pieces = torch.split(coefficients, [p.dim for p in self.parts])
        return torch.cat([p.table(c) for p, c in zip(self.parts, pieces, strict=True)], 1)

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """Names of all basis fields."""
        return [name for p in self.parts for name in p.names(coordinates)]

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢξᵢ, part by part."""
        pieces = torch.split(coefficients, [p.dim for p in self.parts])
        largest = float(coefficients.abs().max())
        texts = [
            p.expression(c, coordinates, latex=latex)
            for p, c in zip(self.parts, pieces, strict=True)
            if float(c.abs().max()) > 1e-6 * largest
        ]
        return " + ".join(texts).replace("+ −", "− ") or "0"


def read_user_space(path: Path, d: int, coordinates: Sequence[str]) -> UserFields:
    """A space from YAML: ``fields``, a list of lists of d formulas; optional ``name`` and ``variables``.

    Raises
    ------
    InputError
        If the file cannot be read or does not have this form.
    UsageError
        If a formula does not parse.
    """
    document = read_yaml(path, f"give YAML with 'fields:', a list of lists of {d} formulas")
    if not isinstance(document, dict) or not isinstance(document.get("fields"), list) or not document["fields"]:
        raise InputError(f"'{path}' should hold 'fields:', a list of lists of {d} formulas, one list a field")
    unknown = set(document) - {"name", "variables", "fields"}
    if unknown:
        raise InputError(f"'{path}' has the unknown key '{min(map(str, unknown))}'; known are name, variables, fields")
    variables = typed_names(document.get("variables", list(coordinates)), path)
    if len(variables) != d:
        raise UsageError(f"'{path}' names {len(variables)} variables, the data have {d} coordinates; name each one")
    if len(document["fields"]) * d > MOST_FORMULAS:
        raise InputError(f"'{path}' has {len(document['fields']) * d} formulas, at most {MOST_FORMULAS} are read")
    rows = []
    for row in document["fields"]:
        if not isinstance(row, list) or len(row) != d:
            raise InputError(
                f"each field in '{path}' should be a list of {d} formulas, one a coordinate; got "
                f"{shown(row, LONGEST_NAME)}"
            )
        rows.append(tuple(parse_expression(str(f), variables) for f in row))
    constants = all(_is_constant(i, rows) for i in range(d))
    return UserFields(str(document.get("name", path.stem)), d, constants, tuple(rows))


def typed_names(given: object, path: Path) -> list[str]:
    """The names of variables that a file lists.

    Raises
    ------
    InputError
        They are no list of words.
    """
    if not isinstance(given, list) or not given or not all(isinstance(name, str) and name for name in given):
        raise InputError(f"'{path}': 'variables' should be a list of names such as [x, y]")
    return given


def _is_constant(i: int, rows: list[tuple[Expression, ...]]) -> bool:
    """Whether some field is a constant multiple of ∂_i as typed."""
    return any(
        _number(row[i]) not in (None, 0.0) and all(_number(f) == 0.0 for j, f in enumerate(row) if j != i)
        for row in rows
    )


def _number(f: Expression) -> float | None:
    """The number that a formula is, if it is one."""
    try:
        return float(f.text)
    except ValueError:
        return None
