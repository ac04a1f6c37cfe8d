"""Arrays in files of NumPy, MATLAB 5, NetCDF 3, torch and safetensors."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symfind.beside import tried
from symfind.data.archive import foreign_globals, fresh_archive
from symfind.data.formats.contents import Array, Contents, unnamed_columns
from symfind.data.mapping import ROLES
from symfind.data.memory import check_memory
from symfind.errors import InputError

_NUMBERS = "fiub"
# A pair of tensors or arrays without names is inputs and outputs, as in torch.utils.data.TensorDataset.
_PAIR = ("x", "y")
# Packed data of MATLAB and zip archives unpack to more; deflate reaches 1,032 to 1, data with noise hardly 10.
_UNPACKED = 10


def read_npy(path: Path) -> Contents:
    """Read one array: (N, d) as a table of unnamed columns, a structured one as a table of its fields."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from None
    check_memory(2 * array.nbytes, f"{path}: reading it", "convert it to HDF5, which is read a block at a time")
    array = np.array(array)
    if array.dtype.names:
        return Contents({name: array[name].ravel() for name in array.dtype.names}, table=True)
    if array.ndim in (1, 2):
        return Contents(unnamed_columns(array.reshape(len(array), -1)), table=True, named=False)
    return Contents({"array": array})


def is_npz(path: Path, head: bytes) -> bool:
    """Whether a zip archive holds arrays and nothing else."""
    names = _members(path) if head.startswith(b"PK") else []
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path) -> Contents:
    """Read arrays by name; those without (arr_0, arr_1) are x and y if they are two."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        check_memory(2 * size, f"{path}: reading it", "store fewer arrays a file")
        with np.load(path, allow_pickle=False) as stored:
            arrays = _plain_arrays(stored)
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from None
    if set(arrays) == {"arr_0", "arr_1"}:
        pair = dict(zip(_PAIR, (arrays["arr_0"], arrays["arr_1"]), strict=True))
        return Contents(pair, notes=("arr_0 is read as x, arr_1 as y",))
    root: dict[str, Any] = {
        key: _words(arrays[key])
        for key in ("kind", "names", "units")
        if key in arrays and arrays[key].dtype.kind == "U"
    }
    return Contents({n: a for n, a in arrays.items() if a.dtype.kind in _NUMBERS}, root=root)


def _plain_arrays(stored: Any) -> dict[str, Array]:
    """Arrays of an archive; those of objects are pickles, which are not read."""
    found: dict[str, Array] = {}
    for name in stored.files:
        try:
            found[name] = stored[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
    return found


def _words(array: Array) -> Any:
    return str(array) if array.ndim == 0 else tuple(str(word) for word in array.ravel())


def read_matlab(path: Path) -> Contents:
    """Read the variables of MATLAB 4 to 7; vectors lose their axis of length 1, structures become paths."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    check_memory(_UNPACKED * path.stat().st_size, f"{path}: reading it", "save it with -v7.3")
    try:
        stored = loadmat(path, simplify_cells=True)
    except (MatReadError, ValueError, TypeError, OSError, KeyError, struct.error, NotImplementedError) as error:
        raise _damaged(path, error) from None
    return Contents(dict(_flat({k: v for k, v in stored.items() if not k.startswith("__")})))


def read_netcdf3(path: Path) -> Contents:
    """Read the variables of NetCDF 3 with the names of their axes."""
    from scipy.io import netcdf_file

    check_memory(2 * path.stat().st_size, f"{path}: reading it", "convert it to NetCDF 4, which is read in blocks")
    try:
        with warnings.catch_warnings(), netcdf_file(path, "r", mmap=False) as file:
            warnings.simplefilter("ignore")
            found = {name: v for name, v in file.variables.items() if v.data.dtype.kind in _NUMBERS}
            arrays = {name: np.array(v.data) for name, v in found.items()}
            arrays = {name: a.astype(a.dtype.newbyteorder("=")) for name, a in arrays.items()}
            dims = {name: tuple(map(str, v.dimensions)) for name, v in found.items()}
            attributes = {name: {k: _text(a) for k, a in v._attributes.items()} for name, v in found.items()}
    except (ValueError, TypeError, OSError, KeyError, IndexError, struct.error, AssertionError) as error:
        raise _damaged(path, error) from None
    return Contents(arrays, dims={n: d for n, d in dims.items() if d}, attributes=attributes)


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def is_torch(path: Path, head: bytes) -> bool:
    """Whether a zip archive is what torch.save writes, neither TorchScript nor torch.export."""
    names = {name.partition("/")[2] for name in _members(path)} if head.startswith(b"PK") else set()
    return "data.pkl" in names and not names & {"constants.pkl", "archive_format"}


def read_torch(path: Path) -> Contents:
    """Read tensors saved by torch.save, alone, as a pair or by name; nothing else is unpickled.

    Raises
    ------
    InputError
        It holds objects of other classes, or the weights of a network.
    """
    import torch

    with fresh_archive(path) as archive:
        foreign = foreign_globals(archive.text("data.pkl"))
        if foreign:
            raise InputError(
                f"{path}: a pickled object of class '{foreign[0].replace(' ', '.')}' (torch.save), which is not loaded "
                "because a pickle can run any program; save its tensors, torch.save({'x': x, 'y': y}, FILE), or a "
                "model with torch.jit.script(model).save(...)"
            )

        def load() -> Any:
            return torch.load(archive.path, map_location="cpu", weights_only=True)

        tried(path, lambda: None if load() is None else "", "while loading", "save the tensors again")
        loaded = load()
    if isinstance(loaded, torch.Tensor):
        return Contents(dict(_named_alone(loaded.numpy(force=True))))
    if isinstance(loaded, list | tuple) and len(loaded) == len(_PAIR):
        loaded = dict(zip(_PAIR, loaded, strict=True))
    if not isinstance(loaded, Mapping):
        raise InputError(f"{path}: a {type(loaded).__name__}, expected tensors by name; save {{'x': x, 'y': y}}")
    _check_no_weights(path, loaded)
    return Contents(dict(_flat(loaded)))


def read_safetensors(path: Path) -> Contents:
    """Read tensors by name.

    Raises
    ------
    InputError
        They are the weights of a network, the file is damaged, or there is no module to read it.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise _missing(path, "safetensors") from None
    check_memory(2 * path.stat().st_size, f"{path}: reading it", "store fewer tensors a file")
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from None
    _check_no_weights(path, arrays)
    return Contents(arrays)


def _check_no_weights(path: Path, named: Mapping[str, Any]) -> None:
    """Tensors none of which is called x, u or by another name of data are a network's weights."""
    if not {str(name) for name in named} & set(ROLES):
        shown = ", ".join(str(name) for name in list(named)[:4])
        raise InputError(
            f"{path}: a state_dict (weights without the network: {shown}), expected a model or data by name; save "
            "the model with torch.jit.script(model).save(...) or torch.export.save(...), data as {'x': x, 'y': y}"
        )


def _named_alone(array: Array) -> Iterator[tuple[str, Array]]:
    yield "array", array


def _flat(named: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Arrays of numbers by path, whatever else there is left out."""
    for key, value in named.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
            continue
        array = value.numpy(force=True) if hasattr(value, "numpy") else np.asarray(value)
        if array.dtype.kind in _NUMBERS:
            yield f"{prefix}{key}", array


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return []


def _damaged(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "reshape" in reason:  # NumPy's word for what a file that was cut off leads to
        reason = "it holds fewer numbers than it declares"
    return InputError(f"{path}: cannot be read ({reason}); the file is damaged or of another format, write it again")


def _missing(path: Path, module: str) -> InputError:
    return InputError(
        f"{path}: reading it needs {module}, which is not installed; pip install 'symfind[formats]', or save it as CSV"
    )
