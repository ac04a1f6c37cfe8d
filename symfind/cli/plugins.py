"""``--plugin FILE.py``: a user's own kinds, spaces, methods and formats, put into the registries before a verb runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from symfind.errors import InputError, SymfindError, UsageError

_OPTION = "--plugin"


def without_plugins(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line into the files that ``--plugin`` names before the verb, and the rest.

    Raises
    ------
    UsageError
        The option stands without a file.
    """
    rest, files = list(arguments), list[str]()
    while rest and rest[0].partition("=")[0] == _OPTION:
        first = rest.pop(0)
        if "=" not in first and not rest:
            raise UsageError(f"{_OPTION} is without a file; give a Python file that registers something")
        files.append(first.partition("=")[2] if "=" in first else rest.pop(0))
    return files, rest


def run_plugin(file: str) -> None:
    """Run a Python file of the user's, which registers what it adds.

    Raises
    ------
    InputError
        It cannot be read, or fails.
    """
    path = Path(file)
    spec = importlib.util.spec_from_file_location(f"symfind_plugin_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"{_OPTION} {file}: no such Python file; give one that registers something")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # torch.jit and dataclasses look up there where a class comes from
    try:
        spec.loader.exec_module(module)
    except SymfindError:
        raise
    except Exception as fault:
        raise InputError(f"{_OPTION} {file}: {type(fault).__name__}: {' '.join(str(fault).split())}") from fault
