"""A file tried in a process beside this one, with limits of memory, time and files, and no network.

What large libraries (torch, HDF5) do with a crafted file, a fault of memory or a loop without end included, ends that
process and not this one.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from symfind.errors import InputError, SymfindError

try:
    import resource
except ImportError:  # Windows: nothing is tried
    resource = None  # type: ignore[assignment]

# Exit statuses of the process beside; others are signals.
_FINE, _TOLD, _MEMORY, _LATER = 0, 3, 4, 5
# Of <sched.h> and <sys/prctl.h>.
_NEW_NETWORK, _NEW_USER, _DIE_WITH_PARENT, _NO_NEW_PRIVILEGES = 0x40000000, 0x10000000, 1, 38


@dataclass(frozen=True)
class TrialLimits:
    """What a file may take before it is believed.

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
    threads
        Whether it may start some, as Arrow does for any file. (The system counts them with the user's processes, so
        that the limit is none of either, or no limit.)
    """

    memory: int = 2**32
    copies: int = 4
    seconds: float = 60.0
    seconds_per_gib: float = 60.0
    threads: bool = False


LIMITS = TrialLimits()


def tried(
    path: Path, action: Callable[[], str | None], what: str, remedy: str, limits: TrialLimits = LIMITS
) -> str | None:
    """Do in a copy of this process what is about to be done in it, and refuse the file if the copy does not survive.

    The copy is a fork, so that nothing is imported twice: it costs 10 to 40 ms beside the action itself. Where a
    process cannot be forked nothing is tried.

    Parameters
    ----------
    path
        The file, for messages.
    action
        What is done, on the CPU. A text that it returns is returned.
    what
        It is, as the beginning of a sentence: ``while loading``.
    remedy
        The end of the messages.

    Raises
    ------
    InputError
        The copy crashed, took more memory or time than it may, or raised an InputError, which is raised again.
    """
    if resource is None or not hasattr(os, "fork") or sys.platform == "darwin":  # whose frameworks do not survive forks
        return None
    size = path.stat().st_size if path.exists() else 0
    seconds = limits.seconds + limits.seconds_per_gib * size / 2**30
    memory = limits.memory + limits.copies * size
    status, told = _forked(action, memory, seconds, limits.threads)
    if told is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        fault = f"it took more than {seconds:.0f} s or was killed"
    elif os.WIFSIGNALED(status):
        fault = f"it crashes its reader ({signal.Signals(os.WTERMSIG(status)).name}), damaged or made to"
    elif os.WEXITSTATUS(status) == _TOLD:
        raise InputError(told)
    elif os.WEXITSTATUS(status) == _MEMORY:
        fault = f"it asks for more than {memory / 2**30:.1f} GiB of memory"
    elif os.WEXITSTATUS(status) in (_FINE, _LATER):
        return told if os.WEXITSTATUS(status) == _FINE else None
    else:
        fault = f"it ends the process (status {os.WEXITSTATUS(status)})"
    raise InputError(f"{path}: refused, {what} {fault}; {remedy}")


def _forked(action: Callable[[], str | None], memory: int, seconds: float, threads: bool) -> tuple[int, str | None]:
    """How the copy ended, and what it said; None if it did not end in time."""
    reading, writing = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads: the copy has none of them, and takes no lock that one may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _in_the_child(writing, action, memory, seconds, threads)
    os.close(writing)
    told = None
    try:
        told = _until_closed(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        if told is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return status, told


def _until_closed(reading: int, deadline: float) -> str | None:
    """What the copy writes until it ends; None if it does not in time."""
    content = bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return None
        piece = os.read(reading, 2**16)
        if not piece:
            return content.decode("utf-8", "surrogatepass")
        content += piece


def _in_the_child(
    writing: int, action: Callable[[], str | None], memory: int, seconds: float, threads: bool
) -> NoReturn:
    code = 1
    try:
        gc.disable()  # what this process holds is not to be cleaned up twice
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _restrict(memory, seconds, threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)  # the threads of the pool are not in the copy
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = _outcome(writing, action)
    finally:
        os._exit(code)


def _outcome(writing: int, action: Callable[[], str | None]) -> int:
    try:
        _write(writing, action() or "")
    except InputError as fault:
        _write(writing, str(fault))
        return _TOLD
    except SymfindError:  # such as an option that is missing: said again by this process
        return _LATER
    except MemoryError:
        return _MEMORY
    except Exception as fault:
        # Other faults happen again in this process, which knows what to say of them.
        return _MEMORY if "allocate memory" in str(fault) or "bad_alloc" in str(fault) else _LATER
    return _FINE


def _write(writing: int, text: str) -> None:
    content = memoryview(text.encode("utf-8", "surrogatepass"))
    while content:
        content = content[os.write(writing, content) :]


def _restrict(memory: int, seconds: float, threads: bool) -> None:
    """No more memory, time, files and processes than a forward takes; no network where the system allows it."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if library.unshare(_NEW_NETWORK) != 0:
            library.unshare(_NEW_USER | _NEW_NETWORK)
    wanted = {"RLIMIT_CPU": int(seconds) + 1, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0}
    wanted |= {} if threads else {"RLIMIT_NPROC": 0}
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        wanted["RLIMIT_AS"] = pages * resource.getpagesize() + memory
    for name, most in wanted.items():
        with suppress(OSError, ValueError, AttributeError):
            number = getattr(resource, name)
            hard = resource.getrlimit(number)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))
