"""Small inputs, read in one way: reports, YAML, mappings, formulas; sizes, depth, digits and time are bounded.

A file may come from anybody. It is a regular file or a pipe, never a device; what is in it becomes plain values or an
:class:`~symfind.errors.InputError` of one line, whatever it holds.
"""

from __future__ import annotations

import io
import os
import re
import select
import stat
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from symfind.errors import InputError

_PIECE = 2**20  # read at once; smaller pieces cost calls, larger ones memory


@dataclass(frozen=True)
class InputLimits:
    """How much is read, and how long is waited for it.

    Attributes
    ----------
    size
        Bytes. A report of 5,000 generators in 100 dimensions has 0.4 GB as HDF5 and twice that as JSON.
    typed_size
        Bytes of YAML, which people type: a thousand 16 × 16 matrices have 2 MB, and reading a megabyte takes a second.
    patience
        Seconds until a pipe has ended: the program at its other end may compute for a while.
    depth
        Lists and mappings inside one another. Reports have 12; Python's readers give up near 1,000.
    bits
        Of a whole number: 1,000 bits are 301 digits, and double precision ends at 1,024.
    """

    size: int = 2**30
    typed_size: int = 2**23
    patience: float = 3600.0
    depth: int = 64
    bits: int = 1000


LIMITS = InputLimits()

# What parsers raise beside their own errors when the text is made to break them: digits, dates, keys, tags, nesting.
_PARSER_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
)


def small_bytes(source: str | Path, remedy: str, limits: InputLimits = LIMITS, size: int | None = None) -> bytes:
    """Return what a regular file or a pipe holds; ``-`` is standard input.

    Parameters
    ----------
    source
        A path, or ``-``.
    remedy
        The end of every message: what should be given.
    limits
        Of size and time.
    size
        Bytes, in place of ``limits.size``.

    Raises
    ------
    InputError
        It cannot be read, is a folder or a device, holds too much, changes while it is read, or does not end.
    """
    most = limits.size if size is None else size
    name = "standard input" if str(source) == "-" else str(source)
    if str(source) == "-":
        return _standard_input(name, remedy, limits, most)
    try:
        # Without O_NONBLOCK a pipe that nobody writes to is waited for in the call, for ever.
        number = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the name
        raise InputError(f"{name}: cannot be read ({getattr(fault, 'strerror', fault)}); {remedy}") from None
    try:
        return _of_descriptor(number, name, remedy, limits, most)
    except OSError as fault:
        raise InputError(f"{name}: cannot be read ({fault.strerror}); {remedy}") from None
    finally:
        os.close(number)


def _standard_input(name: str, remedy: str, limits: InputLimits, most: int) -> bytes:
    try:
        number = sys.stdin.fileno()
    except (AttributeError, io.UnsupportedOperation, ValueError):  # replaced by an object of a test or a notebook
        content = sys.stdin.buffer.read(most + 1) if sys.stdin is not None else b""
        if len(content) > most:
            raise _too_much(name, most, remedy) from None
        return content
    try:
        return _of_descriptor(number, name, remedy, limits, most, terminal=True)
    except OSError as fault:
        raise InputError(f"{name}: cannot be read ({fault.strerror}); {remedy}") from None


def _of_descriptor(
    number: int, name: str, remedy: str, limits: InputLimits, most: int, *, terminal: bool = False
) -> bytes:
    before = os.fstat(number)
    typed = terminal and (stat.S_ISCHR(before.st_mode) or stat.S_ISSOCK(before.st_mode))
    if stat.S_ISDIR(before.st_mode):
        raise InputError(f"{name}: is a directory; {remedy}")
    if not (stat.S_ISREG(before.st_mode) or stat.S_ISFIFO(before.st_mode) or typed):
        raise InputError(f"{name}: is a device, neither a file nor a pipe; {remedy}")
    regular = stat.S_ISREG(before.st_mode)
    if regular and before.st_size > most:
        raise _too_much(name, most, remedy)
    content, deadline = bytearray(), time.monotonic() + limits.patience
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or (not regular and not select.select([number], [], [], left)[0]):
            raise InputError(f"{name}: has not ended after {limits.patience:.0f} s; {remedy}")
        if stat.S_ISFIFO(before.st_mode) and not content and not _written_to(number, deadline):
            raise InputError(f"{name}: nobody has written to this pipe for {limits.patience:.0f} s; {remedy}")
        try:
            piece = os.read(number, _PIECE)
        except BlockingIOError:
            continue
        if not piece:
            break
        content += piece
        if len(content) > most:
            raise _too_much(name, most, remedy)
    after = os.fstat(number)
    if regular and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise InputError(f"{name}: changed while it was read; run again when whoever writes it has finished")
    return bytes(content)


def _written_to(number: int, deadline: float) -> bool:
    """Wait until a pipe has something, or had a writer who left; a read would take no writer yet for the end."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _too_much(name: str, most: int, remedy: str) -> InputError:
    return InputError(f"{name}: has more than {most / 2**20:.4g} MiB; {remedy}")


def text_of(content: bytes, name: str, remedy: str) -> str:
    """Return bytes as the UTF-8 text that they are, without a mark of their order.

    Raises
    ------
    InputError
        They are no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise InputError(f"{name}: is no text (byte {fault.start} is not UTF-8); {remedy}") from None


def json_of(text: str, name: str, remedy: str, limits: InputLimits = LIMITS) -> Any:
    """Return the plain values that JSON text holds.

    Raises
    ------
    InputError
        The text is not JSON, or deeper or with longer numbers than any report.
    """
    import json

    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        raise InputError(f"{name}: is not JSON (line {fault.lineno}: {fault.msg}); {remedy}") from None
    except _PARSER_FAULTS as fault:
        raise InputError(f"{name}: {_why(fault)}; {remedy}") from None
    _check(value, name, remedy, limits)
    return value


def yaml_of(text: str, name: str, remedy: str, limits: InputLimits = LIMITS) -> Any:
    """Return the plain values that YAML text holds; aliases (``*name``), which can multiply without end, are refused.

    ``1e-3`` is a number, as people mean it, though YAML 1.1 asks for a point in it.

    Raises
    ------
    InputError
        The text is not YAML, has aliases, or is deeper or with longer numbers than anyone types.
    """
    import yaml  # 34 ms that only those pay who give a file

    loader = _loader()
    try:
        depth = 0
        for event in yaml.parse(text, loader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark is not None else 0
                raise InputError(f"{name}: the alias *{event.anchor} at line {line} is not read; write the value out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > limits.depth:
                raise InputError(f"{name}: is nested deeper than {limits.depth}; {remedy}")
        value = yaml.load(text, loader)  # a SafeLoader
    except yaml.YAMLError as fault:
        mark, problem = getattr(fault, "problem_mark", None), getattr(fault, "problem", None)
        place = f" at line {mark.line + 1}" if mark is not None else ""
        reason = f" ({problem})" if problem else ""
        raise InputError(f"{name}: cannot be read, not YAML{place}{reason}; {remedy}") from None
    except _PARSER_FAULTS as fault:
        raise InputError(f"{name}: {_why(fault)}; {remedy}") from None
    _check(value, name, remedy, limits)
    return value


def read_yaml(source: str | Path, remedy: str, limits: InputLimits = LIMITS) -> Any:
    """Return the plain values of a YAML file: :func:`small_bytes`, :func:`text_of` and :func:`yaml_of` in turn.

    Raises
    ------
    InputError
        As these do.
    """
    name = "standard input" if str(source) == "-" else str(source)
    content = small_bytes(source, remedy, limits, limits.typed_size)
    return yaml_of(text_of(content, name, remedy), name, remedy, limits)


@cache
def _loader() -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's is ten times faster
        """Safe: plain values only."""

    exponent = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", exponent, list("-+0123456789"))
    return Loader


def _why(fault: BaseException) -> str:
    if isinstance(fault, RecursionError | MemoryError):
        return "is nested too deeply or too large"
    text = str(fault).partition("; use sys.")[0] or "cannot be read"
    return f"holds a value that cannot be read ({type(fault).__name__}: {text})"


def _check(value: Any, name: str, remedy: str, limits: InputLimits) -> None:
    """Refuse values that are deeper or have longer numbers than the limits; without recursion."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list | tuple | set):
                below += item
            elif isinstance(item, int) and item.bit_length() > limits.bits:
                raise InputError(f"{name}: holds a number of {item.bit_length() * 0.30103:.0f} digits; {remedy}")
        level, depth = below, depth + 1
        if depth > limits.depth:
            raise InputError(f"{name}: is nested deeper than {limits.depth}; {remedy}")
