"""Walk the way of somebody new: a wheel in an empty environment outside the clone, then the first commands.

Run it as ``python docs/write_first_walk.py [FOLDER]``; FOLDER (made, kept) holds the environment. The transcript goes
to docs/first-walk.md. Packages come from where pip is told to find them; torch as constraints.txt pins it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("first-walk.md")

INTRODUCTION = """\
# The first walk

*Written by `python docs/write_first_walk.py`: a wheel was built from the clone and installed in an empty environment
outside it, and these commands were run there. Do not edit.*
"""

# What somebody has: a table, arrays, axes with names, a network.
FILES = """
import numpy as np, torch

draws = np.random.default_rng(0)
x = draws.normal(size=(600, 3))
r2 = (x**2).sum(1)
np.savetxt("wells.csv", np.column_stack([x, np.exp(-r2)]), delimiter=",", header="x,y,z,depth", comments="", fmt="%.6f")
state = draws.normal(size=(500, 2))
np.savez("spiral.npz", x=state, dx=state @ np.array([[-0.1, 1.0], [-1.0, -0.1]]))

from scipy.io import netcdf_file
t, s = np.linspace(0, 1, 60), np.arange(64) / 64 * 2 * np.pi
def run():
    waves = [(k, draws.normal(), draws.uniform(0, 6)) for k in range(1, 5)]
    return sum(a * np.exp(-(k**2) * t[:, None] / 4) * np.cos(k * s + phase) for k, a, phase in waves)
runs = [run() for _ in range(6)]
with netcdf_file("heat.nc", "w") as file:
    for name, values in (("run", np.arange(6.0)), ("time", t), ("x", s)):
        file.createDimension(name, len(values))
        file.createVariable(name, "d", (name,))[:] = values
    file.createVariable("temperature", "d", ("run", "time", "x"))[:] = np.stack(runs)

net = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
torch.manual_seed(0)
opt = torch.optim.Adam(net.parameters(), 0.01)
rows, targets = torch.tensor(x).float(), torch.tensor(np.exp(-r2)).float()[:, None]
for _ in range(400):
    opt.zero_grad(); loss = ((net(rows) - targets) ** 2).mean(); loss.backward(); opt.step()
torch.jit.script(net).save("net.pt")
"""

IN_MEMORY = """
import numpy as np, symfind
x = np.random.default_rng(1).normal(size=(400, 2))
report = symfind.discover(x, np.log(1 + (x**2).sum(1)))
print(report)
print(report.certified)
print(report.certified[0].apply([[1.0, 0.0]], np.pi / 2).round(3))
"""

COMMANDS = (
    "symfind demo --format table",
    "symfind discover wells.csv --output-name depth --format table",
    "symfind discover spiral.npz --output spiral.html",
    "symfind discover heat.nc --equation 'temperature_time - 0.25*temperature_xx = 0' --format table",
    "python in_memory.py",
    "symfind enforce net.pt --group so3 --data wells.csv --output-name depth --output equivariant.pt --format table",
    "symfind explain reach --format table",
)


def walk(folder: Path) -> str:
    """The transcript of a walk in ``folder``, which holds the environment afterwards."""
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], folder)
    (wheel,) = folder.glob("symfind-*.whl")
    run([sys.executable, "-m", "venv", "here"], folder)
    bin_ = folder / "here" / "bin"
    run([str(bin_ / "pip"), "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel)], folder)
    for name, content in (("files.py", FILES), ("in_memory.py", IN_MEMORY)):
        (folder / name).write_text(content, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PATH": f"{bin_}:{os.environ['PATH']}", "COLUMNS": "96", "OMP_NUM_THREADS": "1"}
    run([str(bin_ / "python"), "files.py"], folder, environment)
    parts = [INTRODUCTION, f"```console\n$ pip install {wheel.name}\n```\n"]
    for command in COMMANDS:
        ended = subprocess.run(
            command, shell=True, cwd=folder, capture_output=True, text=True, env=environment, check=False
        )
        if ended.returncode:
            raise SystemExit(f"{command}: status {ended.returncode}\n{ended.stderr}")
        parts.append(f"```console\n$ {command}\n{ended.stderr}{ended.stdout}```\n")
    page = (folder / "spiral.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<math>" in page and 'class="orbit"' in page
    return "\n".join(parts)


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """A step that has to succeed."""
    subprocess.run(command, cwd=folder, check=True, env=environment)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        place = Path(sys.argv[1])
        place.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(walk(place), encoding="utf-8")
    else:
        made = Path(tempfile.mkdtemp(prefix="symfind-walk-"))
        try:
            PAGE.write_text(walk(made), encoding="utf-8")
        finally:
            shutil.rmtree(made)
