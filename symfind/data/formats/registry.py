"""Every format of files that is read beside plain HDF5: one more is a reader and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from symfind.data.formats import arrays, frames, text
from symfind.data.formats.along_one_axis import are_columns, columns_of
from symfind.data.formats.contents import FileFormat
from symfind.errors import InputError
from symfind.registry import Registry


def _begins(*starts: bytes) -> Callable[[Path, bytes], bool]:
    return lambda path, head: head.startswith(starts)


FILE_FORMATS: Registry[FileFormat] = Registry(
    "file format",
    (
        FileFormat(
            "CSV",
            (".csv", ".tsv", ".txt", ".dat", ".tab"),
            text.read_text,
            "a table: columns by name, parted by commas, tabs, semicolons or spaces",
            signature=text.looks_like_text,
            tried_first=False,
        ),
        FileFormat(
            "npy",
            (".npy",),
            arrays.read_npy,
            "one array, (N, d) as a table of the columns c1 … cd",
            signature=_begins(b"\x93NUMPY"),
        ),
        FileFormat("npz", (".npz",), arrays.read_npz, "arrays by name", signature=arrays.is_npz),
        FileFormat(
            "Parquet", (".parquet", ".pq"), frames.read_arrow, "a table", signature=_begins(b"PAR1"), needs="pyarrow"
        ),
        FileFormat(
            "Feather",
            (".feather", ".arrow"),
            frames.read_arrow,
            "a table",
            signature=_begins(b"ARROW1", b"FEA1"),
            needs="pyarrow",
        ),
        FileFormat("pandas HDF5", (), frames.read_pandas, "a table, fixed or table format", signature=frames.is_pandas),
        FileFormat(
            "NetCDF 4 along one axis", (), columns_of, "a table: variables along one common axis", signature=are_columns
        ),
        FileFormat(
            "NetCDF 3",
            (".nc3", ".cdf"),
            arrays.read_netcdf3,
            "variables with their axes",
            signature=_begins(b"CDF\x01", b"CDF\x02"),
        ),
        FileFormat(
            "MATLAB 5",
            (),
            arrays.read_matlab,
            "variables by name, structures as paths",
            signature=_begins(b"MATLAB 5.0 MAT-file"),
        ),
        FileFormat(
            "torch.save",
            (),
            arrays.read_torch,
            "tensors by name, or a pair of them as x and y",
            signature=arrays.is_torch,
            tried_first=False,
        ),
        FileFormat("safetensors", (".safetensors",), arrays.read_safetensors, "tensors by name", needs="safetensors"),
    ),
)


def format_of(path: Path) -> FileFormat | None:
    """The format of a file by its first bytes, else by its ending; None for HDF5, models and what is unknown.

    Raises
    ------
    InputError
        The file cannot be opened.
    """
    if not path.is_file():
        return None  # whoever reads it says what is wrong
    try:
        with path.open("rb") as file:
            head = file.read(128)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    told = next((form for form in FILE_FORMATS if form.signature(path, head)), None)
    if told is not None or not head or head.startswith((b"\x89HDF", b"PK", b"MATLAB 7.3")):
        return told
    return next((form for form in FILE_FORMATS if path.suffix.lower() in form.endings), None)
