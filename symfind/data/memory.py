"""Memory, asked for before it is taken."""

from __future__ import annotations

import os
from pathlib import Path

from symfind.errors import InputError

# Where Linux says what a container may use at most, and what it uses.
_GROUP = Path("/sys/fs/cgroup")
# Of what is free: the rest is for what the estimates leave out.
_SHARE = 0.7


def available_bytes() -> int:
    """Bytes that a new array may take: what the system and, in a container, its limit leave; 0 if unknown."""
    found: list[int] = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
    except (OSError, ValueError, IndexError):
        found += _physical()
    try:
        most, used = ((_GROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        found += [max(0, int(most) - int(used))] if most != "max" else []
    except (OSError, ValueError):
        pass  # no container, or one without a limit
    return min(found, default=0)


def _physical() -> list[int]:
    try:
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, OSError, ValueError):  # not on every system
        return []


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse to begin what cannot end: ``needed`` bytes above seven tenths of what is free.

    Raises
    ------
    InputError
        ``what`` needs more than there is; ``remedy`` ends the message.
    """
    there = available_bytes()
    if there and needed > _SHARE * there:
        raise InputError(f"{what} needs {_size(needed)} of memory, {_size(there)} are free; {remedy}")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"
