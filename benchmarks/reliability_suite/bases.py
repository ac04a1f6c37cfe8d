"""Whole files that hostile ones are made of: two models, data of four kinds, a report in both forms."""

from __future__ import annotations

import io
import json
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

MODELS = ("model.pt", "model.pt2")
REPORT = "report.json"


@cache
def bases(folder: Path) -> Path:
    """Make them in ``folder`` and return it; a few seconds."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "models"))
    warnings.simplefilter("ignore")
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double().eval()
    torch.jit.script(net).save(str(folder / "model.pt"))
    rows = torch.export.Dim("rows", min=2)
    held = io.BytesIO()
    program = torch.export.export(net, (torch.randn(4, 3).double(),), dynamic_shapes={"input": {0: rows}})
    torch.export.save(program, held)
    (folder / "model.pt2").write_bytes(held.getvalue())
    torch.save(net.state_dict(), folder / "state.pt")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 3))
    write(folder / "data.h5", x=x, y=(x**2).sum(1)[:, None])
    write(folder / "flow.h5", {"kind": "flow"}, x=x[:, :2], dx=np.stack([-x[:, 1], x[:, 0]], 1))
    write(folder / "points.h5", {"kind": "points"}, x=x / np.linalg.norm(x, axis=1)[:, None])
    t, s = np.linspace(0, 1, 24), np.linspace(0, 2 * np.pi, 24, endpoint=False)
    u = np.stack([np.exp(-t[:, None]) * np.sin(s + p)[None] for p in (0.0, 1.0)])
    write(folder / "field.h5", {"kind": "field", "names": ["t", "x", "u"], "periodic": ["x"]}, u=u, t=t, x=s)
    (folder / "gens.yaml").write_text(
        "generators:\n- [[0,-1,0],[1,0,0],[0,0,0]]\n- [[0,0,-1],[0,0,0],[1,0,0]]\n- [[0,0,0],[0,0,-1],[0,1,0]]\n"
        "names: [x, y, z]\n"
    )
    _other_formats(folder, x)
    from symfind import api
    from symfind.schema.store import to_hdf5, to_json

    report = api.identify(str(folder / "gens.yaml"))
    (folder / REPORT).write_text(to_json(report))
    (folder / "report.h5").write_bytes(to_hdf5(report))
    return folder


def _other_formats(folder: Path, x: Any) -> None:
    """The same rows in the formats of others, written by the libraries that own them."""
    import pandas as pd
    from safetensors.numpy import save_file
    from scipy.io import netcdf_file, savemat

    rows = {"x": x, "y": (x**2).sum(1)[:, None]}
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] ** 2 + x[:, 1] ** 2})
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    frame.to_feather(folder / "t.feather")
    frame.to_hdf(folder / "pandas.h5", key="frame")
    np.savez(folder / "a.npz", **rows)
    np.save(folder / "a.npy", x)
    savemat(folder / "a.mat", rows)
    save_file(rows, folder / "a.safetensors")
    torch.save({name: torch.as_tensor(value) for name, value in rows.items()}, folder / "tensors.pt")
    with netcdf_file(folder / "a.nc3", "w") as file:
        file.createDimension("time", len(x))
        for name in "abc":
            file.createVariable(name, "f8", ("time",))[:] = x[:, "abc".index(name)]


FORMATS = (
    "t.csv", "t.parquet", "t.feather", "pandas.h5", "a.npz", "a.npy", "a.mat", "a.safetensors", "tensors.pt", "a.nc3"
)  # fmt: skip


def write(path: Path, attributes: dict[str, Any] | None = None, **arrays: Any) -> Path:
    """An HDF5 file of arrays."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        for name, value in (attributes or {}).items():
            file.attrs[name] = value
    return path


def plain_report(folder: Path) -> dict[str, Any]:
    """The report as plain values."""
    found: dict[str, Any] = json.loads((bases(folder) / REPORT).read_text())
    return found
