"""Several processes: shares of rows, one factor of all, one report; and what is said when one is lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from symfind.linalg.processes import Processes

_LOST = (
    "from torch import distributed\n"
    "distributed.init_process_group('gloo')\n"  # there at the beginning, and gone before anything is summed up
)


def shell(rows: int, path: Path) -> Path:
    """|x|² of x ∈ R³, quadratic and without noise: so(3)."""
    x = np.random.default_rng(5).standard_normal((rows, 3))
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = x, (x**2).sum(1)
        file.attrs["kind"] = "function"
    return path


def started(command: list[str], rank: int, port: int) -> subprocess.Popen[str]:
    of_launcher = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    settings = os.environ | of_launcher | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def discover(path: Path, output: Path) -> list[str]:
    words = f"discover {path} --surrogate polynomial:2 --method nullspace --quiet --output {output}"
    return [sys.executable, "-m", "symfind", *words.split()]


@pytest.mark.parametrize(("total", "count", "align"), [(100, 3, 8), (5, 4, 1), (8193, 2, 8192), (0, 2, 8)])
def test_shares_follow_each_other_and_leave_nothing_out(total: int, count: int, align: int) -> None:
    shares = [Processes(rank, count).share(total, align) for rank in range(count)]
    assert [number for first, end in shares for number in range(first, end)] == list(range(total))
    assert all(first % align == 0 or first == total for first, _ in shares)


@pytest.mark.slow
def test_two_processes_write_the_report_of_one(tmp_path: Path) -> None:
    path = shell(40_000, tmp_path / "a.h5")
    subprocess.run(discover(path, tmp_path / "one.json"), check=True)
    port = free_port()
    both = [started(discover(path, tmp_path / f"{rank}.json"), rank, port) for rank in (0, 1)]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert not (tmp_path / "1.json").exists()
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "0.json"))
    assert [g["verdict"] for g in one["generators"]] == [g["verdict"] for g in two["generators"]]
    assert one["source"]["sha256"] == two["source"]["sha256"]
    for a, b in zip(one["spectrum"], two["spectrum"], strict=True):
        assert a["defect"] == pytest.approx(b["defect"], abs=1e-10)


@pytest.mark.slow
def test_a_process_that_is_lost_ends_the_others_with_a_line_and_no_report(tmp_path: Path) -> None:
    path, port = shell(20_000, tmp_path / "a.h5"), free_port()
    both = [started(discover(path, tmp_path / "0.json"), 0, port), started([sys.executable, "-c", _LOST], 1, port)]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert both[0].returncode == 1
    lines = [line for line in told[0].splitlines() if line.startswith("symfind")]
    assert len(lines) == 1 and "one of 2 processes has ended" in lines[0] and "Traceback" not in told[0]
    assert not (tmp_path / "0.json").exists()
