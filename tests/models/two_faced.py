"""Zip archives that show one reader other members than another: built here to be refused."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

END, LOCATOR, END_64 = 22, 20, 56


def parts(path: Path) -> tuple[bytes, list[bytes]]:
    """Members (with their headers) and entries of the directory of a plain archive by ``zipfile``."""
    data = path.read_bytes()
    size, start = struct.unpack("<II", data[-END + 12 : -END + 20])
    entries, place = [], start
    while place < start + size:
        lengths = struct.unpack("<HHH", data[place + 28 : place + 34])
        entries.append(data[place : place + 46 + sum(lengths)])
        place += len(entries[-1])
    return data[:start], entries


def moved(entries: list[bytes], by: int) -> bytes:
    """The directory of members that stand ``by`` bytes further on."""
    return b"".join(e[:42] + struct.pack("<I", struct.unpack("<I", e[42:46])[0] + by) + e[46:] for e in entries)


def end(count: int, size: int, start: int) -> bytes:
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, 0)


def end_64(count: int, size: int, start: int) -> bytes:
    return b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", END_64 - 12, 45, 45, 0, 0, count, count, size, start)


def directory_elsewhere(shown: Path, loaded: Path) -> bytes:
    """The end says where the directory of ``loaded`` is; that of ``shown`` stands just before the end.

    Python looks before the end, and takes the difference for bytes that were put before the archive.
    """
    one, entries = parts(loaded)
    other, others = parts(shown)
    one += bytes(max(0, len(other) - len(one)))  # no place is negative
    directory = moved(entries, 0)
    assert len(directory) == sum(map(len, others)), "both directories have the same names"
    start = len(one)
    shift = start - len(other)  # where the members of the other are, less what Python adds to it
    return one + directory + other + moved(others, shift) + end(len(others), len(directory), start)


def locator_elsewhere(shown: Path, loaded: Path) -> bytes:
    """The locator of the 64-bit end points to that of ``loaded``; that of ``shown`` stands just before it."""
    one, entries = parts(loaded)
    other, others = parts(shown)
    directory = moved(entries, 0)
    place = len(one) + len(directory)
    front = one + directory + end_64(len(entries), len(directory), len(one))
    start = len(front) + len(other)
    own = moved(others, len(front))
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, place, 1)
    back = end_64(len(others), len(own), start) + locator + end(len(others), len(own), start)
    return front + other + own + back


TRICKS = {"directory": directory_elsewhere, "locator": locator_elsewhere}


def plain(source: Path, target: Path) -> Path:
    """Copy an archive as ``zipfile`` writes it: stored members, no 64-bit end."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return target
