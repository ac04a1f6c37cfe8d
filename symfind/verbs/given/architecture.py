"""Weights without their network: `--architecture FILE.py:Class` builds it and loads them; the verb goes on from there.

The file is a program of the user's, which is run; so it needs `--trust-model`. The weights themselves are read as
tensors alone (torch's ``weights_only``, or safetensors), whoever is trusted.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from symfind.data.archive import fresh_archive
from symfind.data.files import readable
from symfind.data.scratch import scratch_folder
from symfind.errors import InputError, SymfindError, UsageError, WorseThanBefore
from symfind.kinds.reading import open_dataset
from symfind.verbs.in_memory import Asked, saved_module

ResultT = TypeVar("ResultT")
_SHAPE = "give FILE.py:Class, such as --architecture net.py:Net"


def with_architecture(role: str) -> Callable[[Callable[..., ResultT]], Callable[..., ResultT]]:
    """Let a verb of options take weights and the class that they belong to, where ``--architecture`` names it.

    Parameters
    ----------
    role
        The option that names the weights.
    """

    def decorated(verb: Callable[..., ResultT]) -> Callable[..., ResultT]:
        @wraps(verb)
        def called(options: Any, *rest: Any, **named: Any) -> ResultT:
            if options.architecture is None:
                return verb(options, *rest, **named)
            weights = getattr(options, role)
            with scratch_folder() as folder, readable(weights) as path:
                model = folder / "model.pt"
                with _as_if(weights, model):
                    module = built(options.architecture, path, trust=options.trust_model)
                    saved_module(module, _inputs(options), model, weights)
                    asked = Asked(replace(options, **{role: str(model)}), {str(model): weights})
                    return asked.told(verb(asked.options, *rest, **named))

        return called

    return decorated


@contextmanager
def _as_if(weights: str, model: Path) -> Iterator[None]:
    """Errors and documents that speak of the file that was given."""
    try:
        yield
    except WorseThanBefore as worse:
        worse.document = Asked(None, {str(model): weights}).told(worse.document)  # type: ignore[type-var]
        raise
    except SymfindError as error:
        text = str(error)
        if str(model) not in text:
            raise
        raise type(error)(text.replace(str(model), weights)) from None


def built(architecture: str, weights: Path, *, trust: bool) -> nn.Module:
    """The module of a class with the weights of a file.

    Parameters
    ----------
    architecture
        ``FILE.py:Class``; the class is called without arguments, or with the ``hyper_parameters`` of Lightning.
    weights
        ``torch.save`` of a state_dict, a Lightning checkpoint, or safetensors.
    trust
        Whether the file may be run.

    Raises
    ------
    UsageError
        It is not trusted, or names no class.
    InputError
        The weights cannot be read, or do not fit the class.
    """
    if not trust:
        raise UsageError(f"--architecture {architecture}: runs that file; add --trust-model if you trust its author")
    file, colon, name = architecture.rpartition(":")
    if not colon or not name.isidentifier() or not Path(file).is_file():
        raise UsageError(f"--architecture {architecture}: no such file and class; {_SHAPE}")
    state, parameters = _state(weights)
    made = _class(Path(file), name, architecture)
    try:
        module = made(**parameters)
    except Exception as fault:
        told = " ".join(str(fault).split())[:200]
        raise UsageError(
            f"--architecture {architecture}: {name}({', '.join(parameters)}) fails ({type(fault).__name__}: {told}); "
            "give the class defaults for its arguments"
        ) from None
    if not isinstance(module, nn.Module):
        raise UsageError(f"--architecture {architecture}: makes a {type(module).__name__}, expected a torch module")
    try:
        module.load_state_dict(_fitting(state, module))
    except RuntimeError as fault:
        told = " ".join(str(fault).split())[:300]
        raise InputError(
            f"{weights}: the weights do not fit {architecture} ({told}); give the class they are of"
        ) from None
    return module.eval()


def _class(file: Path, name: str, architecture: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("symfind_architecture", file)
    assert spec is not None and spec.loader is not None  # a .py file that is there
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and TorchScript look for a class in its module
    try:
        spec.loader.exec_module(module)
    except Exception as fault:
        raise UsageError(f"--architecture {architecture}: the file fails ({type(fault).__name__}: {fault})") from None
    made = getattr(module, name, None)
    if not callable(made):
        raise UsageError(f"--architecture {architecture}: {file} has no class {name}; {_SHAPE}")
    return made  # type: ignore[no-any-return]


def _state(weights: Path) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """Tensors by name, and the arguments of a Lightning module."""
    if weights.suffix.lower() == ".safetensors":
        try:
            from safetensors.torch import load_file
        except ImportError:
            raise UsageError(f"{weights}: needs safetensors: pip install 'symfind[formats]'") from None
        try:
            return load_file(weights), {}
        except Exception as fault:
            raise InputError(f"{weights}: no safetensors file ({fault}); write it again") from None
    try:
        with fresh_archive(weights) as archive:
            held = torch.load(archive.path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as fault:
        told = " ".join(str(fault).split())[:160]
        raise InputError(
            f"{weights}: holds more than tensors, or is damaged ({told}); save model.state_dict()"
        ) from None
    parameters = {}
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        parameters = dict(held.get("hyper_parameters") or {})
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(v, torch.Tensor) for v in held.values()) or not held:
        raise InputError(f"{weights}: holds no state_dict, a mapping of names to tensors; save model.state_dict()")
    return held, parameters


def _fitting(state: Mapping[str, Any], module: nn.Module) -> Mapping[str, Any]:
    """The names without what a wrapper has put before all of them (``model.``), where that alone differs."""
    wanted = set(module.state_dict())
    if wanted == set(state):
        return state
    prefixes = {name.partition(".")[0] + "." for name in state}
    if len(prefixes) == 1:
        short = {name.partition(".")[2]: value for name, value in state.items()}
        if set(short) == wanted:
            return short
    return state


def _inputs(options: Any) -> Any:
    """A few rows to trace with, where the module's code cannot be compiled."""
    data = getattr(options, "data", None)
    if data is None or data == "-":
        return None
    try:
        dataset = open_dataset(Path(data), input=options.input)
        return dataset.take(torch.arange(min(4, dataset.n_rows)), torch.float32)["x"]
    except (SymfindError, KeyError):
        return None
