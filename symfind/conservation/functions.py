"""f = Σ cᵢ φᵢ: spaces of functions on R^d, monomials about a centre and formulas, without the constant.

Axis letters: n points, d dimension, p functions, k combinations of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.autograd import forward_ad

from symfind.conservation.settings import SETTINGS
from symfind.errors import InputError
from symfind.fields.expressions import Expression
from symfind.fields.polynomial import Monomials, monomial_exponents, powers_of_x
from symfind.fields.typeset import field_text, monomial_text, sum_text


@dataclass(frozen=True)
class FunctionSpace:
    """Monomials ((x − mean)/scale)^α, |α| ≥ 1, followed by formulas.

    Attributes
    ----------
    name
        As given.
    variables
        Names of the d coordinates, as formulas use them.
    exponents
        ``(q, d)``, closed downwards but for the constant.
    formulas
        As typed.
    mean, scale
        ``(d,)``.
    """

    name: str
    variables: tuple[str, ...]
    exponents: Tensor
    formulas: tuple[Expression, ...]
    mean: Tensor
    scale: Tensor

    @staticmethod
    def of(name: str, variables: Sequence[str], degree: int, formulas: Sequence[Expression] = ()) -> FunctionSpace:
        """All polynomials up to ``degree`` (none for 0) and ``formulas``."""
        d = len(variables)
        zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
        return FunctionSpace(name, tuple(variables), monomial_exponents(d, 1, degree), tuple(formulas), zero, one)

    @property
    def d(self) -> int:
        """Dimension of x."""
        return len(self.variables)

    @property
    def dim(self) -> int:
        """Number p of functions."""
        return self.exponents.shape[0] + len(self.formulas)

    @cached_property
    def _monomials(self) -> Monomials:
        return Monomials(self.exponents)

    def centred(self, mean: Tensor, scale: Tensor) -> FunctionSpace:
        """The same span, its monomials about ``mean`` in units of ``scale``."""
        return replace(self, mean=mean, scale=scale)

    def __call__(self, x: Tensor) -> Tensor:
        """φ(x): ``(n, d)`` → ``(n, p)``.

        Raises
        ------
        InputError
            A formula is not finite at some x.
        """
        parts = [self._monomials((x - self.mean) / self.scale)] if len(self.exponents) else []
        if self.formulas:
            values = self._formulas(x)
            self._check(values, "")
            parts.append(values)
        return torch.cat(parts, 1)

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """dφ(x)·v ``(n, p)`` for v ``(n, d)``."""
        parts = []
        if len(self.exponents):
            slopes = self._monomials.slopes((x - self.mean) / self.scale)
            parts.append(torch.stack([s * (v[:, b, None] / self.scale[b]) for b, s in enumerate(slopes)]).sum(0))
        if self.formulas:
            with forward_ad.dual_level():  # torch.func.jvp would import for a second or two
                dual = forward_ad.make_dual(x, v)  # type: ignore[no-untyped-call]
                tangent = forward_ad.unpack_dual(self._formulas(dual)).tangent  # type: ignore[no-untyped-call]
            moved = x.new_zeros(x.shape[0], len(self.formulas)) if tangent is None else tangent
            self._check(moved, "the derivative of ")
            parts.append(moved)
        return torch.cat(parts, 1)

    def gradients(self, x: Tensor, coefficients: Tensor) -> Tensor:
        """∇f ``(n, k, d)`` of combinations ``(p, k)``."""
        units = torch.eye(self.d, dtype=x.dtype)
        return torch.stack([self.along(x, unit.expand_as(x)) @ coefficients for unit in units], -1)

    def _formulas(self, x: Tensor) -> Tensor:
        values = dict(zip(self.variables, x.unbind(-1), strict=True))
        return torch.stack([formula(values) for formula in self.formulas], -1)

    def _check(self, columns: Tensor, what: str) -> None:
        bad = ~torch.isfinite(columns).all(0)
        if bool(bad.any()):
            text = self.formulas[int(bad.nonzero()[0, 0])].text
            raise InputError(
                f"{what}'{text}' is not finite on the data (a logarithm or root of a negative number, a division by "
                "zero); take it out of the library, or leave those rows out"
            )

    @cached_property
    def _plain(self) -> tuple[Tensor, Tensor]:
        """Powers of x ``(q′, d)`` and the matrix ``(q′, q)`` that leads to them, the constant left out."""
        if not len(self.exponents):
            return self.exponents, torch.zeros(0, 0, dtype=torch.float64)
        exponents, matrix = powers_of_x(self.exponents, self.mean, self.scale)
        varying = exponents.sum(1) > 0
        return exponents[varying], matrix[varying]

    def table(self, coefficients: Tensor) -> Tensor:
        """Combinations ``(p, k)`` as rows ``(k, p)`` of coefficients of powers of x itself and of the formulas."""
        exponents, matrix = self._plain
        q = self.exponents.shape[0]
        return torch.cat([matrix @ coefficients[:q], coefficients[q:]]).T

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """The text of f ``(p,)``, such as ``0.5 px² + 0.5 py² − [1/sqrt(x**2+y**2)]``, without its constant."""
        return self.row_text(self.table(coefficients[:, None])[0], coordinates, latex=latex)

    def row_text(self, row: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """The text of a row ``(p,)`` of :meth:`table`."""
        names = [monomial_text(alpha, coordinates, latex=latex) for alpha in self._plain[0].tolist()]
        names += [rf"\mathtt{{{f.text}}}" if latex else _bracketed(f.text) for f in self.formulas]
        return sum_text(list(zip(row.tolist(), names, strict=True)), latex=latex)

    def gradient_text(self, coefficients: Tensor, poisson: Tensor, coordinates: Sequence[str]) -> str:
        """The field J∇f as text; empty where f holds a formula, whose derivative has no text of its own."""
        row = self.table(coefficients[:, None])[0]
        q = self.exponents.shape[0]
        if bool((row[q:].abs() > SETTINGS.dropped * row.abs().max()).any()):
            return ""
        exponents = self._plain[0]
        terms: dict[tuple[int, ...], Tensor] = {}
        zero = torch.zeros(self.d, dtype=torch.float64)
        for alpha, value in zip(exponents.tolist(), row[:q].tolist(), strict=True):
            for b, power in enumerate(alpha):
                if power and value:
                    key = tuple(a - (i == b) for i, a in enumerate(alpha))
                    terms[key] = terms.get(key, zero) + value * power * poisson[:, b]
        keys = sorted(terms, key=lambda e: (sum(e), [-v for v in e]))
        return field_text(torch.tensor(keys), torch.stack([terms[k] for k in keys]), coordinates)

    def complexity(self, coefficients: Tensor) -> tuple[int, int]:
        """Degree and number of terms of f ``(p,)``: the smaller, the simpler."""
        row = self.table(coefficients[:, None])[0]
        degrees = torch.cat([self._plain[0].sum(1), torch.full((len(self.formulas),), SETTINGS.formula_degree)])
        present = row.abs() > SETTINGS.dropped * row.abs().max()
        return int(degrees[present].max()), int(present.sum())


def _bracketed(text: str) -> str:
    """A formula so that it reads as one factor."""
    plain = text.strip()
    one_call = plain.endswith(")") and plain.count("(") == 1 and plain.split("(")[0].isalpha()
    return plain if one_call or plain.isidentifier() else f"[{plain}]"
