"""Threads by size: small operations on one, large ones on those that are free, and the caller's setting restored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from symfind.linalg import threads
from symfind.linalg.threads import WORTH_A_THREAD, allowed_threads, free_cores, one_thread, side_by_side, threads_for


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(threads, "_LOAD", tmp_path / "loadavg")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path / "loadavg"


@pytest.mark.parametrize(("wanting", "free"), [(0, 8), (1, 8), (3, 6), (9, 1), (40, 1)])
def test_a_core_is_free_that_no_other_process_wants(load: Path, wanting: int, free: int) -> None:
    load.write_text(f"0.1 0.2 0.3 {wanting}/137 4711\n")
    assert free_cores() == free


@pytest.mark.usefixtures("load")
def test_where_nobody_counts_all_cores_are_free() -> None:
    assert free_cores() == 8


@pytest.mark.usefixtures("three_threads")
def test_small_operations_keep_to_one_thread_and_large_ones_take_what_is_free(load: Path) -> None:
    load.write_text("0 0 0 1/100 1\n")
    with one_thread():
        assert (torch.get_num_threads(), allowed_threads()) == (1, 3)
        with threads_for(0.5 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 1
        with threads_for(100 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 3  # no more than the caller had
            with one_thread():
                assert (torch.get_num_threads(), allowed_threads()) == (1, 3)
        load.write_text("0 0 0 7/100 1\n")
        with threads_for(100 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 2  # six other processes want six of eight cores
    assert (torch.get_num_threads(), allowed_threads()) == (3, 3)


@pytest.mark.usefixtures("three_threads", "load")
def test_tasks_side_by_side_stay_on_one_thread_however_large() -> None:
    def task() -> int:
        with threads_for(100 * WORTH_A_THREAD):
            return torch.get_num_threads()

    assert side_by_side([task, task, task]) == [1, 1, 1]
    assert torch.get_num_threads() == 3


def test_a_waiting_thread_sleeps_unless_the_user_says_otherwise() -> None:
    code = (
        "import os, sys\nos.environ['OPENBLAS_NUM_THREADS'] = '3'\nos.environ.pop('OMP_WAIT_POLICY', None)\n"
        "sys.argv = ['symfind', '--version']\nfrom symfind.cli.main import process\n"
        "try:\n    process()\nexcept SystemExit:\n    pass\n"
        "print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "PASSIVE 3"
