"""Arrays, frames and networks in memory, given to a verb as a file would be.

They are written to a folder that lasts as long as the verb runs, so that there is one way in: what is read, refused
and inferred is the same. Reports and errors speak of what was given, not of that folder.
"""

from __future__ import annotations

import inspect
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from symfind.data.formats.contents import Array, Contents, write_contents
from symfind.data.formats.stored import stored_contents
from symfind.data.formats.tables import TableRequest
from symfind.data.mapping import ROLES, nearest
from symfind.data.scratch import scratch_folder
from symfind.errors import InputError, SymfindError, UsageError
from symfind.options.option import Options

OptionsT = TypeVar("OptionsT", bound=Options)
ResultT = TypeVar("ResultT")
# What two arrays in a row are, as in every function that fits.
_IN_A_ROW = ("x", "y")
# Labels of a file's own: no options, and written beside the arrays.
_LABELS = ("names", "units", "periodic")
_QUOTES = "\"'"


@dataclass(frozen=True)
class Asked(Generic[OptionsT]):
    """Options of a verb, and what stands for the files that were made for it."""

    options: OptionsT
    shown: Mapping[str, str]

    def told(self, result: ResultT) -> ResultT:
        """Return a report that names what was given in place of a file."""
        named: Any = result
        if not self.shown:
            return result
        source = getattr(named, "source", None)
        if isinstance(source, str):
            named = replace(named, source=_named(source, self.shown))
        elif source is not None:
            named = replace(named, source=replace(source, path=_named(source.path, self.shown)))
        settings = {k: _named(v, self.shown) if isinstance(v, str) else v for k, v in named.settings.items()}
        return replace(named, settings=settings)  # type: ignore[no-any-return]


@contextmanager
def asked(
    options_type: type[OptionsT], role: str, source: Any, arrays: Sequence[Any], named: Mapping[str, Any]
) -> Iterator[Asked[OptionsT]]:
    """Give the options of a verb for what a caller gave: options, a file, a network, or arrays.

    Parameters
    ----------
    options_type
        The options of the verb.
    role
        The option that names the file.
    source
        A path, an ``nn.Module``, an array, a frame, or None where arrays are named.
    arrays
        What follows it: y after x, x after a network.
    named
        Options by name, and arrays by role (``x``, ``dx``, ``u`` …); ``names`` and ``units`` of the coordinates.

    Raises
    ------
    UsageError
        A name is no option and no role, or what is given does not go together.
    InputError
        An array is none.
    """
    options = {f.name for f in fields(options_type)}
    for name in named:
        if name not in (*options, *ROLES, *_LABELS):
            raise UsageError(f"'{name}' is no option and no array{nearest(name, (*sorted(options), *ROLES))}")
    settings = {name: _plain(value) for name, value in named.items() if name in options and not _is_array(value)}
    extra = {name: value for name, value in named.items() if name in options and _is_array(value)}
    held = {name: value for name, value in named.items() if name in ROLES and name not in options}
    labels = {name: value for name, value in named.items() if name in _LABELS and name not in options}
    if not (source is None or isinstance(source, nn.Module | list | tuple) or _is_array(source)):
        if arrays or held or labels:
            raise UsageError(f"{source}: a file is given, and arrays beside it; give one of the two")
        settings[role] = str(source)
    with scratch_folder() as folder:
        shown: dict[str, str] = {}
        try:
            if isinstance(source, nn.Module):
                path = folder / "model.pt"
                shown[str(path)] = f"the {type(source).__name__} in memory"
                if len(arrays) + len(held) > 1 or set(held) - {"x"}:
                    raise UsageError("a model takes one array of inputs beside it; give x alone")
                inputs = arrays[0] if arrays else held.get("x")
                saved_module(source, inputs, path, shown[str(path)])
                settings[role] = str(path)
                extra |= {} if inputs is None else {"data": inputs}
            elif role not in settings:
                given = [*([] if source is None else [source]), *arrays]
                settings[role] = _written(given, held, labels, folder / "rows.h5", settings, shown)
            for name, value in extra.items():
                path = folder / f"{name}.h5"
                settings[name] = _written([value], {}, {}, path, {"kind": "points"}, shown)
            yield Asked(options_type(**settings), shown)
        except SymfindError as error:
            raise type(error)(_in_python(_named(str(error), shown))) from None


def _named(text: str, shown: Mapping[str, str]) -> str:
    """A text with what was given in place of the files that were made of it."""
    for path, name in shown.items():
        text = text.replace(path, name)
    return text


def _in_python(text: str) -> str:
    """A message with its commands as calls: ``symfind discover … --kind flow`` is ``discover(…, kind='flow')``."""

    def call(found: re.Match[str]) -> str:
        words = re.findall(r"--([\w-]+) (\"[^\"]*\"|'[^']*'|[^\s`]+)", found[2])
        given = "".join(f", {name.replace('-', '_')}={value.strip(_QUOTES)!r}" for name, value in words)
        return f"`{found[1]}(…{given})`"

    return re.sub(r"`symfind (\w+) ([^`]*)`", call, text)


def _plain(value: Any) -> Any:
    """A path as text, several columns as the command line has them; whatever else as it is."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return tuple(value) if isinstance(value, list) else value


def _is_array(value: Any) -> bool:
    """Whether it holds numbers by itself: of NumPy, torch, pandas, xarray, or lists of numbers in lists."""
    return (
        hasattr(value, "__array__")
        or hasattr(value, "data_vars")
        or (isinstance(value, list | tuple) and bool(value) and isinstance(value[0], list | tuple))
    )


def _contents(arrays: Sequence[Any], held: Mapping[str, Any], labels: Mapping[str, Any]) -> tuple[Contents, str]:
    """Arrays by role, or the columns of a frame, and what they are called."""
    if len(arrays) > len(_IN_A_ROW):
        raise UsageError(f"{len(arrays)} arrays in a row, at most x and y are understood; name them: x=…, dx=…")
    if len(arrays) == 1 and not held:
        one = _of_frame(arrays[0])
        if one is not None:
            return one, f"the {type(arrays[0]).__name__} in memory"
    given = dict(zip(_IN_A_ROW, arrays, strict=False))
    twice = next((name for name in given if name in held), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice, in a row and by name; give it once")
    given |= held
    if not given:
        raise UsageError("nothing is given; give a file, arrays such as x and y, or a model with inputs x")
    found = {name: _array(value, name) for name, value in given.items()}
    columns = next((list(map(str, v.columns)) for n, v in given.items() if n in "xu" and hasattr(v, "columns")), None)
    root: dict[str, Any] = {} if columns is None else {"names": tuple(columns)}
    root |= {name: value if isinstance(value, str) else tuple(map(str, value)) for name, value in labels.items()}
    return Contents(found, root=root), f"{', '.join(found)} in memory"


def _of_frame(value: Any) -> Contents | None:
    """The columns of a frame of pandas, the variables of a Dataset or DataArray of xarray."""
    if hasattr(value, "data_vars") or hasattr(value, "to_dataset"):
        dataset = value if hasattr(value, "data_vars") else value.to_dataset(name=value.name or "u")
        variables = {str(n): v for n, v in dataset.variables.items()}
        arrays = {n: _numbers(np.asarray(v.values)) for n, v in variables.items()}
        dims = {n: tuple(map(str, v.dims)) for n, v in variables.items() if v.dims}
        units = {n: {k: a for k, a in v.attrs.items() if isinstance(a, str)} for n, v in variables.items()}
        return Contents({n: a for n, a in arrays.items() if n in dims}, dims=dims, attributes=units)
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return Contents({str(n): _column(value[n]) for n in value.columns}, table=True)
    return None


def _numbers(array: Array) -> Array:
    """Times as seconds from the first; numbers as they are."""
    if array.dtype.kind == "M":
        array = array - array.min()
    return np.asarray(array / np.timedelta64(1, "s")) if array.dtype.kind == "m" else array


def _column(values: Any) -> Array:
    array = np.asarray(values.to_numpy())
    return array if array.dtype.kind in "fiub" else array.astype(str)


def _array(value: Any, name: str) -> Array:
    try:
        array = value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        array = np.asarray(None)
    if array.dtype.kind not in "fiub" or array.size == 0:
        shown = f"{type(value).__name__} of {array.dtype} {array.shape}"
        raise InputError(f"{name} is a {shown}, expected an array of real numbers with at least one row")
    return array


def _written(
    arrays: Sequence[Any],
    held: Mapping[str, Any],
    labels: Mapping[str, Any],
    path: Path,
    settings: Mapping[str, Any],
    shown: dict[str, str],
) -> str:
    """Write what was given; of a table, the columns that are asked for."""
    contents, shown[str(path)] = _contents(arrays, held, labels)
    if contents.table or contents.dims:
        request = TableRequest(settings.get("kind"), settings.get("input"), settings.get("output_name"))
        stored = stored_contents(contents, path, request)
        shutil.copyfile(stored.path, path)
    else:
        write_contents(path, contents)
    return str(path)


def saved_module(module: nn.Module, inputs: Any, path: Path, what: str) -> None:
    """Write a network as TorchScript: its code if that can be compiled, else what it does with the inputs."""
    was_training = module.training
    module.eval()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(_scripted(module, inputs, what), str(path))
    finally:
        module.train(was_training)


def _line(fault: Exception) -> str:
    return " ".join(str(fault).split())[:100]


def _scripted(module: nn.Module, inputs: Any, what: str) -> Any:
    if isinstance(module, torch.jit.ScriptModule):
        return module
    try:
        return torch.jit.script(module)
    except Exception as fault:  # the compiler raises whatever it meets
        if inputs is None:
            raise InputError(
                f"{what}: it cannot be compiled ({_line(fault)}) and is traced with inputs; give x"
            ) from None
    parameter = next(module.parameters(), torch.zeros((), dtype=torch.float64))
    example = torch.as_tensor(_array(inputs, "x")[:4]).to(parameter)
    try:
        return torch.jit.trace(module, example)  # type: ignore[no-untyped-call]
    except Exception as fault:
        raise InputError(
            f"{what}: it cannot be traced ({' '.join(str(fault).split())[:100]}); save it yourself"
        ) from None


def guessed(options_type: type[Options], role: str) -> Callable[[Callable[..., ResultT]], Callable[..., ResultT]]:
    """Let a verb of options be called as one would guess: with a file, arrays or a network, and options by name.

    Parameters
    ----------
    options_type
        The options of the verb.
    role
        The option that names the file.
    """

    def decorated(verb: Callable[..., ResultT]) -> Callable[..., ResultT]:
        own_names = [name for name in inspect.signature(verb).parameters if name != "options"]

        @wraps(verb)
        def called(source: Any = None, *arrays: Any, **named: Any) -> ResultT:
            if isinstance(source, options_type):
                return verb(source, *arrays, **named)
            own = {name: named.pop(name) for name in own_names if name in named}
            with asked(options_type, role, source, arrays, named) as request:
                return request.told(verb(request.options, **own))

        return called

    return decorated
