"""Ten commands whose time is watched, on small inputs of every verb that computes, and how a process is timed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).parent.parent.parent
SAMPLES = ROOT / "sample_data"
# What is measured are the choices of symfind, not those of whoever measures.
_NOT_OURS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Run:
    """One finished process: seconds on the wall, seconds of processor, largest resident memory in MB."""

    wall: float
    processor: float
    memory: float


def environment(**changed: str) -> dict[str, str]:
    """Of a measured process: symfind of this tree, and no number of threads but what is given."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    return kept | {"PYTHONPATH": str(ROOT)} | changed


def run(command: Sequence[str], folder: Path | None = None, **changed: str) -> Run:
    """A process that is waited for with wait4, which tells its own processor time and peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(**changed), cwd=folder
    )
    assert process.stderr is not None
    message = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {message}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in kB elsewhere
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def python(code: str) -> list[str]:
    """A process of Python."""
    return [sys.executable, "-c", code]


def symfind(*words: str) -> list[str]:
    """A command of symfind."""
    return [sys.executable, "-m", "symfind", *words]


def write_radial(path: Path, rows: int, d: int = 3, seed: int = 1) -> None:
    """Y = sin r + 0.3 r² of r = |x|, x ∈ R^d, with 1 % noise: so(d)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, d))
    r = np.linalg.norm(x, axis=1)
    y = np.sin(r) + 0.3 * r**2
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, y + 0.01 * y.std() * rng.standard_normal(rows)
        file.attrs["kind"] = "function"


def write_ridge(path: Path, rows: int, d: int = 10, seed: int = 2) -> None:
    """A quadratic of two directions of R^d, x ~ U[−1, 1]^d: d − 2 translations, found by promotion."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (rows, d))
    u, v = (x @ np.linalg.qr(rng.standard_normal((d, 2)))[0]).T
    c = rng.uniform(0, 1, 6)
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, c[0] + c[1] * u + c[2] * v + c[3] * u * u + c[4] * u * v + c[5] * v * v
        file.attrs["kind"] = "function"


def write_sphere(path: Path, rows: int, seed: int = 3) -> None:
    """Gaussian points, flattened along z: so(2)."""
    x = np.random.default_rng(seed).standard_normal((rows, 3)) * [1.0, 1.0, 0.4]
    with h5py.File(path, "w") as file:
        file["x"] = x
        file.attrs["kind"] = "points"


def ten_commands(folder: Path) -> Mapping[str, list[str]]:
    """The commands by what they do; their inputs are made in a folder."""
    write_radial(folder / "radial.h5", 1200)
    write_ridge(folder / "ridge.h5", 60)
    write_sphere(folder / "cloud.h5", 1000)
    net = (str(SAMPLES / "o5.pt"), "--data", str(SAMPLES / "o5.h5"))
    words = {
        "function of 3 inputs, 1,200 rows": ("discover", "radial.h5"),
        "flow of a rigid body": ("discover", str(SAMPLES / "rigid_body.h5")),
        "dimuons, 2,304 rows": ("discover", str(SAMPLES / "dimuons.h5")),
        "points, 1,000 rows": ("discover", "cloud.h5"),
        "Kepler's flow, linear fields": ("discover", str(SAMPLES / "kepler.h5"), "--space", "linear"),
        "network of O(5), 10,000 rows": (
            *("discover", net[0]), *"--sample normal --shape 2,5 --n-samples 10000".split(),
        ),
        "promote polynomial:2, 60 rows": (
            *("promote", "ridge.h5"), *"--model polynomial:2 --space translations".split(),
        ),
        "conserved quantities": ("conserve", str(SAMPLES / "rigid_body.h5")),
        "enforce by averaging": ("enforce", *net, "--group", "so5", "--method", "average"),
        "score under SO(5)": ("score", *net, "--group", "so5"),
    }  # fmt: skip
    return {what: symfind(*of, "--quiet", "--format", "json") for what, of in words.items()}


@contextmanager
def busy_process(threads: int = 2) -> Iterator[None]:
    """Another program on all cores: products of NumPy matrices on so many threads, until the block ends."""
    code = "import numpy as np\na = np.random.rand(400, 400)\nwhile True: a @ a"
    process = subprocess.Popen(python(code), env=environment(OPENBLAS_NUM_THREADS=str(threads)))
    try:
        time.sleep(0.5)  # it imports NumPy first
        yield
    finally:
        process.terminate()
        process.wait()
