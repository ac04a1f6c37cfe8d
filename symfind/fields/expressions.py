"""Formulas typed by a user, parsed to a whitelisted syntax tree and evaluated on tensors; never ``eval``."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.errors import UsageError

_FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "exp": torch.exp, "log": torch.log,
    "sqrt": torch.sqrt, "abs": torch.abs, "tanh": torch.tanh, "sinh": torch.sinh, "cosh": torch.cosh,
}  # fmt: skip
_CONSTANTS: Mapping[str, float] = {"pi": torch.pi, "e": 2.718281828459045}
# A deeper tree than anyone writes by hand; it bounds the recursion on hostile input.
_MAX_LENGTH = 2000


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
        return torch.as_tensor(_evaluate(self.tree, values), dtype=like.dtype, device=like.device).expand_as(like)


def parse_expression(text: str, variables: Sequence[str]) -> Expression:
    """A formula such as ``-y + 0.5*x**2``; ``^`` is a power too.

    Raises
    ------
    UsageError
        With a caret under the fault: no formula, an unknown name, something that is not arithmetic.
    """
    if len(text) > _MAX_LENGTH:
        raise UsageError(f"a formula of {len(text)} characters was given, at most {_MAX_LENGTH} are read; split it")
    source = text.strip().replace("^", "**")
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        column = (getattr(fault, "offset", None) or 1) - 1
        raise UsageError(_pointed("this formula does not parse", source, column)) from None
    _check(tree, source, tuple(variables))
    return Expression(text, tuple(variables), tree)


def _pointed(what: str, source: str, column: int) -> str:
    return f"{what}: '{source}' at column {column + 1}\n    {source}\n    {' ' * column}^"


def _check(node: ast.expr, source: str, variables: tuple[str, ...]) -> None:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            return
        case ast.Name(id=name) if name in variables or name in _CONSTANTS:
            return
        case ast.Name(id=name):
            near = difflib.get_close_matches(name, [*variables, *_FUNCTIONS], n=1)
            hint = f", did you mean '{near[0]}'" if near else ""
            known = ", ".join(variables)
            raise UsageError(_pointed(f"unknown name '{name}' (known: {known}){hint}", source, node.col_offset))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _check(operand, source, variables)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), left=left, right=right):
            _check(left, source, variables)
            return _check(right, source, variables)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _check(argument, source, variables)
    allowed = "numbers, " + ", ".join(variables) + ", + - * / **, " + ", ".join(_FUNCTIONS)
    raise UsageError(_pointed(f"only arithmetic is read here ({allowed})", source, node.col_offset))


def _evaluate(node: ast.expr, values: Mapping[str, Tensor]) -> Tensor | float:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return values[name] if name in values else _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _evaluate(operand, values)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.BinOp(op=op, left=left, right=right):
            a, b = _evaluate(left, values), _evaluate(right, values)
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
            return _FUNCTIONS[name](torch.as_tensor(_evaluate(argument, values)))
    raise AssertionError(f"unchecked node {node!r}")
