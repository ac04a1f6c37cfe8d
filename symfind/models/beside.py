"""A model tried in a process beside this one, with limits of memory, time and files, and no network.

What torch's loaders and kernels do with a crafted file, a fault of memory included, ends that process and not this one.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from symfind.errors import InputError, SymfindError

try:
    import resource
except ImportError:  # Windows: nothing is tried
    resource = None  # type: ignore[assignment]

_TRUST = "give --trust-model if you trust its author"
# Exit statuses of the process beside; others are signals.
_FINE, _TOLD, _MEMORY = 0, 3, 4
# Of <sched.h> and <sys/prctl.h>.
_NEW_NETWORK, _NEW_USER, _DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 0x40000000, 0x10000000, 1, 38


@dataclass(frozen=True)
class TrialLimits:
    """What a model may take before it is believed.

    Attributes
    ----------
    memory
        Bytes beyond what this process has mapped. 4 GiB is the memory of one step elsewhere.
    copies
        Of the file that are allowed beyond that.
    seconds
        Of computing, and of waiting. Loading takes 0.05 s and up to 10 s a GiB, a first forward a second.
    seconds_per_gib
        More for a large file: slow disks read 20 MiB a second.
    """

    memory: int = 2**32
    copies: int = 4
    seconds: float = 60.0
    seconds_per_gib: float = 60.0


LIMITS = TrialLimits()


def tried(path: Path, action: Callable[[], object], what: str, limits: TrialLimits = LIMITS) -> None:
    """Do in a copy of this process what is about to be done in it, and refuse the model if the copy does not survive.

    The copy is a fork, so that nothing is imported twice: it costs 10 to 40 ms beside the action itself. Where a
    process cannot be forked nothing is tried.

    Parameters
    ----------
    path
        The model, for messages.
    action
        What is done, on the CPU.
    what
        It is, as the object of "while": ``loading``.

    Raises
    ------
    InputError
        The copy crashed, took more memory or time than it may, or raised an InputError, which is raised again.
    """
    if (
        resource is None or not hasattr(os, "fork") or sys.platform == "darwin"
    ):  # frameworks of macOS do not survive forks
        return
    size = path.stat().st_size if path.exists() else 0
    seconds = limits.seconds + limits.seconds_per_gib * size / 2**30
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _in_the_child(writing, action, limits.memory + limits.copies * size, seconds)
    os.close(writing)
    try:
        told = _until_closed(reading, time.monotonic() + seconds)
    except BaseException:
        told = None
        raise
    finally:
        os.close(reading)
        if told is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if told is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        raise InputError(f"{path}: refused, {what} it took more than {seconds:.0f} s or was killed; {_TRUST}")
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        raise InputError(
            f"{path}: refused, {what} it crashes torch ({name}): the file is damaged or was made to; save it again"
        )
    code = os.WEXITSTATUS(status)
    if code == _TOLD:
        raise InputError(told)
    if code == _MEMORY:
        allowed = (limits.memory + limits.copies * size) / 2**30
        raise InputError(f"{path}: refused, {what} it asks for more than {allowed:.1f} GiB of memory; {_TRUST}")
    if code != _FINE:
        raise InputError(f"{path}: refused, {what} it ends the process (status {code}); {_TRUST}")


def _until_closed(reading: int, deadline: float) -> str | None:
    """What the copy writes until it ends; None if it does not in time."""
    content = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return None
        piece = os.read(reading, 2**16)
        if not piece:
            return content.decode("utf-8", "replace")
        content += piece


def _in_the_child(writing: int, action: Callable[[], object], memory: int, seconds: float) -> NoReturn:
    code = 1
    try:
        gc.disable()  # what this process holds is not to be cleaned up twice
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _restrict(memory, seconds)
        torch.set_num_threads(1)  # the threads of the pool are not in the copy
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = _outcome(writing, action)
    finally:
        os._exit(code)


def _outcome(writing: int, action: Callable[[], object]) -> int:
    try:
        action()
    except InputError as fault:
        os.write(writing, str(fault).encode("utf-8", "replace")[:4096])
        return _TOLD
    except SymfindError:  # such as an option that is missing: said again by this process
        return _FINE
    except MemoryError:
        return _MEMORY
    except Exception as fault:
        # Other faults happen again in this process, which knows what to say of them.
        return _MEMORY if "allocate memory" in str(fault) or "bad_alloc" in str(fault) else _FINE
    return _FINE


def _restrict(memory: int, seconds: float) -> None:
    """No more memory, time, files and processes than a forward takes; no network where the system allows it."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if library.unshare(_NEW_NETWORK) != 0:
            library.unshare(_NEW_USER | _NEW_NETWORK)
    wanted = {"RLIMIT_CPU": int(seconds) + 1, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_NPROC": 0}
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        wanted["RLIMIT_AS"] = pages * resource.getpagesize() + memory
    for name, most in wanted.items():
        with suppress(OSError, ValueError, AttributeError):
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))
