"""Formulas typed by a user, parsed to a whitelisted syntax tree and evaluated on tensors; never ``eval``."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from symfind.errors import UsageError
from symfind.fields.taylor import SERIES_FUNCTIONS, Series
from symfind.untrusted_text import LONGEST_NAME, shown

_FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "exp": torch.exp, "log": torch.log,
    "sqrt": torch.sqrt, "abs": torch.abs, "tanh": torch.tanh, "sinh": torch.sinh, "cosh": torch.cosh,
}  # fmt: skip
_CONSTANTS: Mapping[str, float] = {"pi": torch.pi, "e": 2.718281828459045}
# A deeper tree than anyone writes by hand; it bounds the recursion on hostile input.
_MAX_LENGTH = 2000
# A sum of n terms is n deep. Python ends at 1,000 calls inside one another, of which a level takes two.
_MAX_DEPTH = 200
# What is shown on either side of a caret: a window of 100 columns.
_AROUND = 50


@dataclass(frozen=True)
class Expression:
    """A formula in named variables.

    Attributes
    ----------
    text
        As it was typed.
    variables
        The names it may use.
    tree
        Its syntax tree, which holds arithmetic, the variables, numbers and a few functions alone.
    """

    text: str
    variables: tuple[str, ...]
    tree: ast.expr

    def __call__(self, values: Mapping[str, Tensor]) -> Tensor:
        """The formula on tensors that broadcast with one another."""
        like = next(iter(values.values()))
        value = _evaluate(self.tree, values, _on_tensor)
        return torch.as_tensor(value, dtype=like.dtype, device=like.device).expand_as(like)

    def on_series(self, values: Mapping[str, Series]) -> Series:
        """The formula on power series of one shape and truncation."""
        like = next(iter(values.values()))
        value = _evaluate(self.tree, values, _on_series)
        return value if isinstance(value, Series) else like * 0.0 + float(value)


def _on_tensor(name: str, argument: Any) -> Any:
    return _FUNCTIONS[name](torch.as_tensor(argument, dtype=torch.float64))


def _on_series(name: str, argument: Any) -> Any:
    return SERIES_FUNCTIONS[name](argument) if isinstance(argument, Series) else _on_tensor(name, argument)


def parse_expression(
    text: str, variables: Sequence[str], *, known: Sequence[str] | None = None, within: tuple[str, int] = ("", 0)
) -> Expression:
    """A formula such as ``-y + 0.5*x**2``; ``^`` is a power too.

    Parameters
    ----------
    text
        The formula.
    variables
        The names it may use.
    known
        The names that a message lists, if there are too many to list them all.
    within
        A longer text that holds the formula, and where it begins there: what a caret points into.

    Raises
    ------
    UsageError
        With a caret under the fault: no formula, an unknown name, something that is not arithmetic.
    """
    if len(text) > _MAX_LENGTH:
        raise UsageError(f"a formula of {len(text)} characters was given, at most {_MAX_LENGTH} are read; split it")
    place = _Place(text, *within) if within[0] else _Place(text.strip(), text.strip(), 0)
    try:
        tree = ast.parse(place.source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        column = (getattr(fault, "offset", None) or 1) - 1
        raise place.pointed("this formula does not parse", column) from None
    if _depth(tree) > _MAX_DEPTH:
        raise UsageError(
            f"the formula '{shown(text, LONGEST_NAME)}' is nested deeper than {_MAX_DEPTH} (a sum counts its terms); "
            "split it"
        )
    _check(tree, place, tuple(variables), tuple(variables if known is None else known))
    return Expression(text, tuple(variables), tree)


@dataclass(frozen=True)
class _Place:
    """A formula as typed, and the text that a caret points into: the formula begins there at ``start``."""

    typed: str
    whole: str
    start: int

    @property
    def source(self) -> str:
        """What Python's grammar is asked to read."""
        return self.typed.strip().replace("^", "**")

    def pointed(self, what: str, column: int) -> UsageError:
        """The error with a caret under ``column`` of the source, and what stands around it."""
        lead = len(self.typed) - len(self.typed.lstrip())
        carets = self.typed.strip()
        # Each ^ was read as two characters.
        at = next((i for i in range(len(carets) + 1) if len(carets[:i].replace("^", "**")) >= column), len(carets))
        at += self.start + lead
        first = max(0, at - _AROUND) if len(self.whole) > 2 * _AROUND else 0
        # A line break or an escape would move the caret.
        line = "".join(c if c.isprintable() else " " for c in self.whole[first : first + 2 * _AROUND])
        message = f"{what}: '{shown(self.whole, 4 * _AROUND)}' at column {at + 1}"
        return UsageError(message, (f"    {line}", f"    {' ' * (at - first)}^"))


def _depth(tree: ast.expr) -> int:
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return depth


def _check(node: ast.expr, place: _Place, variables: tuple[str, ...], known: tuple[str, ...]) -> float | None:
    """Refuse what is no arithmetic; return the number that a part without variables and functions is."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            return _number_of(node, place, node.col_offset)
        case ast.Name(id=name) if name in variables:
            return None
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Name(id=name):
            near = difflib.get_close_matches(name, [*variables, *_FUNCTIONS], n=1)
            hint = f", did you mean '{near[0]}'" if near else ""
            what = f"unknown name '{name}' (known: {', '.join(known)}){hint}"
            raise place.pointed(what, node.col_offset)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            inner = _check(operand, place, variables, known)
            return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), left=left, right=right):
            sides = _check(left, place, variables, known), _check(right, place, variables, known)
            if None in sides:
                return None
            parts = [ast.Constant(value=side) for side in sides]
            return _number_of(ast.BinOp(parts[0], node.op, parts[1]), place, node.col_offset)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            _check(argument, place, variables, known)
            return None
    allowed = "numbers, " + ", ".join(known) + ", + - * / **, " + ", ".join(_FUNCTIONS)
    raise place.pointed(f"only arithmetic is read here ({allowed})", node.col_offset)


def _number_of(node: ast.expr, place: _Place, column: int) -> float:
    try:
        value = _evaluate(node, {}, _on_tensor)
    except (OverflowError, ZeroDivisionError):
        value = math.inf
    if isinstance(value, complex) or not math.isfinite(value):
        raise place.pointed("this is no finite real number", column)
    return float(value)


def _evaluate(node: ast.expr, values: Mapping[str, Any], apply: Callable[[str, Any], Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return values[name] if name in values else _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _evaluate(operand, values, apply)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.BinOp(op=op, left=left, right=right):
            a, b = _evaluate(left, values, apply), _evaluate(right, values, apply)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case _:
                    return a**b
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return apply(name, _evaluate(argument, values, apply))
    raise AssertionError(f"unchecked node {node!r}")
