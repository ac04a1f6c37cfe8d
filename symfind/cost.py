"""What a request would cost, told before anything of that size is made."""

from __future__ import annotations

from symfind.errors import SymfindError, UsageError

# Bytes that one step may ask for: half the memory of a small machine of today, and far beyond any verdict worth having.
MEMORY = 2**32
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def check_memory(numbers: int, what: str, remedy: str, error: type[SymfindError] = UsageError) -> None:
    """Refuse what needs more than :data:`MEMORY` bytes.

    Parameters
    ----------
    numbers
        In double precision, that would be held at once.
    what
        Asks for them, as the subject of a sentence.
    remedy
        What to ask for instead.
    error
        The class of the error.

    Raises
    ------
    UsageError
        With the memory that it would take and that there is.
    """
    if 8 * numbers > MEMORY:
        raise error(
            f"{what} needs {memory_text(8 * numbers)} of memory, at most {memory_text(MEMORY)} are used; {remedy}"
        )


def memory_text(size: int) -> str:
    """A number of bytes in the largest unit of which there is one: ``2.5 GiB``; beyond all units, a power of ten."""
    unit = min((max(size, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    in_unit = size >> (10 * unit) if size.bit_length() > 1000 else size / 2 ** (10 * unit)
    if in_unit >= 10**6:
        return f"10^{int(size.bit_length() * 0.30103)} bytes"
    return f"{in_unit:.3g} {_UNITS[unit]}"
