"""Threads by size: small operations on one, large ones on those that are allowed, and the caller's setting restored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from symfind.linalg.threads import WORTH_A_THREAD, allowed_threads, one_thread, side_by_side, threads_for


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_small_operations_keep_to_one_thread_and_large_ones_take_what_is_allowed() -> None:
    with one_thread():
        assert (torch.get_num_threads(), allowed_threads()) == (1, 3)
        with threads_for(0.5 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 1
        with threads_for(100 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 3  # no more than the caller had
            with one_thread():
                assert (torch.get_num_threads(), allowed_threads()) == (1, 3)
        with threads_for(2.5 * WORTH_A_THREAD):
            assert torch.get_num_threads() == 2  # each has enough to do
    assert (torch.get_num_threads(), allowed_threads()) == (3, 3)


@pytest.mark.usefixtures("three_threads")
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
