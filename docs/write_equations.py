"""Write the walk of docs/equations.md: a NetCDF file of waves in a channel, from reading to moved solutions.

Run it as ``python docs/write_equations.py``; it needs xarray. The file is what a laboratory's script would leave: waves
of the Korteweg–de Vries equation, a variable ``velocity`` on named axes with units.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from write_first_steps import with_what_is_printed

PAGE = Path(__file__).with_name("equations.md")


def channel(path: Path) -> None:
    """Eight runs of KdV ``velocity(run, t, x)``, in metres and seconds."""
    import h5py
    import xarray

    import symfind

    with tempfile.TemporaryDirectory() as name:
        symfind.sample("kdv", Path(name) / "kdv.h5", rows=8, seed=4)
        with h5py.File(Path(name) / "kdv.h5") as file:
            u, t, x = (file[key][()] for key in ("u", "t", "x"))
    waves = xarray.DataArray(
        u.reshape(u.shape[:3]),
        dims=("run", "t", "x"),
        coords={"t": ("t", t, {"units": "s"}), "x": ("x", x, {"units": "m"})},
        attrs={"units": "m s-1", "long_name": "velocity above that of long waves"},
        name="velocity",
    )
    waves.to_dataset().to_netcdf(path)


def page() -> str:
    """The page as it stands, with what its commands print now."""
    return with_what_is_printed(PAGE.read_text(encoding="utf-8"), lambda folder: channel(folder / "channel.nc"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
