"""One run of the command line in a fork of this process, and whether it ended well."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# Whatever a run needs more of than this is not bounded. torch itself has 0.4 GiB.
MOST_MEMORY = 3 * 2**30
MOST_SECONDS = 90.0
# On the clock, however busy the machine is: a run that waits for ever is ended.
_PATIENCE = 600.0
_LONGEST_MESSAGE = 12_000
_INTERNAL = re.compile(
    r"a fault of symfind|Traceback|Warning:|cannot reshape|vectors of rank|_LinAlgError|Segmentation|core dumped"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes
    ----------
    status
        Exit status, or minus the signal that ended it.
    seconds, computed
        On the clock, and of the processor.
    """

    status: int
    out: str
    err: str
    seconds: float
    memory: int
    computed: float


def started(arguments: list[str], folder: Path, stdin: bytes = b"") -> int:
    """Start ``symfind ARGUMENTS`` in ``folder``, temporary files beside it in ``tmp``; the number of the process."""
    streams = tuple(folder.parent / name for name in ("in", "out", "err"))
    streams[0].write_bytes(stdin)
    (folder.parent / "tmp").mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        _become(arguments, folder, streams)
    return child


def ran(
    arguments: list[str],
    folder: Path,
    stdin: bytes = b"",
    patience: float = _PATIENCE,
    interrupted: tuple[int, float] | None = None,
) -> Ended:
    """Run it to its end, perhaps with a signal after some seconds."""
    out, err = folder.parent / "out", folder.parent / "err"
    start = time.monotonic()
    child = started(arguments, folder, stdin)
    while True:
        if interrupted is not None and time.monotonic() - start > interrupted[1]:
            os.kill(child, interrupted[0])
            interrupted = None
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() - start > patience:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(0.002)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    texts = [path.read_bytes().decode("utf-8", "replace") for path in (out, err)]
    computed = usage.ru_utime + usage.ru_stime
    return Ended(code, texts[0], texts[1], time.monotonic() - start, usage.ru_maxrss * 1024, computed)


def _become(arguments: list[str], folder: Path, streams: tuple[Path, ...]) -> None:
    status = 1
    try:
        os.chdir(folder)
        os.environ["TMPDIR"] = str(folder.parent / "tmp")
        import tempfile

        tempfile.tempdir = None
        for number, path in enumerate(streams):
            flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(path, flags, 0o600), number)
        sys.stdin = os.fdopen(0, "r", encoding="utf-8")
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        import torch

        torch.set_num_threads(1)
        sys.argv = ["symfind", *arguments]
        from symfind.cli.main import run

        run()
    except SystemExit as end:
        status = int(end.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def fault(ended: Ended, allowed: frozenset[int]) -> str:
    """What is wrong with an end; nothing if it is good.

    A line on standard error that says what was given, an exit status of those allowed, bounded time and memory, nothing
    that a terminal would take for a command, no words of the inside.
    """
    if ended.seconds > _PATIENCE or ended.computed > MOST_SECONDS:
        return f"took {ended.seconds:.0f} s, of which {ended.computed:.0f} s computing"
    if ended.status not in allowed:
        return f"exit status {ended.status}: {ended.err.strip()[:120]}"
    if ended.memory > MOST_MEMORY:
        return f"took {ended.memory / 2**30:.1f} GiB"
    if len(ended.err) > _LONGEST_MESSAGE:
        return f"{len(ended.err)} characters on standard error"
    found = _INTERNAL.search(ended.err) or (ended.status != 0 and _INTERNAL.search(ended.out))
    if found:
        return f"says '{found[0]}': {ended.err.strip()[:160]}"
    if _CONTROL.search(ended.err) or _CONTROL.search(
        ended.out.replace("\x89HDF\r\n\x1a", "") if "\x89HDF" in ended.out else ended.out
    ):
        return "control characters reach the terminal"
    said = [line for line in ended.err.splitlines() if line.startswith("symfind: ")]
    if ended.status != 0 and len(said) != 1:
        return f"{len(said)} lines that say what is wrong"
    return ""


def left_over(folder: Path) -> list[str]:
    """Temporary files that are still there."""
    hidden = [p.name for p in folder.iterdir() if p.name.startswith(".")]
    return hidden + [p.name for p in (folder.parent / "tmp").iterdir()]
