"""The members of a zip archive of which every reader sees the same ones.

A zip archive names its members three times over: in a directory at its end, in a header before each of them, and
in a record that says where the directory is, of which there may be two. Readers differ in which they believe, so a
file can show one of them a harmless archive and another a harmful one. Here all of these must agree, members must
fill the file without gaps from its first byte, and the directory must stand just before the record at the very end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_END, _END_64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_SIZE, _END_64_SIZE, _LOCATOR_SIZE = 22, 56, 20
_ENTRY, _ENTRY_SIZE = b"PK\x01\x02", 46
_HEADER, _HEADER_SIZE = b"PK\x03\x04", 30
_DESCRIPTOR, _DESCRIPTOR_SIZES = b"PK\x07\x08", (12, 16, 20, 24)
_STORED, _DEFLATED = 0, 8
# Sizes follow the member, the name is UTF-8, how hard deflate tried; any other bit is encryption or a patch.
_HAS_DESCRIPTOR, _IS_UTF8 = 1 << 3, 1 << 11
_FLAGS = _HAS_DESCRIPTOR | _IS_UTF8 | 1 << 1 | 1 << 2
# zip64, torch's padding, times (three kinds) and owners. Not 0x7075, which gives a member a second name.
_ZIP64 = 0x0001
_EXTRAS = {_ZIP64, 0x4246, 0x5455, 0x5855, 0x000A, 0x7875}
_BEYOND_32 = 0xFFFFFFFF


class ArchiveFault(ValueError):
    """The archive is damaged, or two readers could see different members in it; the message says where."""


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold at most.

    Attributes
    ----------
    members
        A network has a few for each layer; the largest in use have some ten thousand layers.
    directory
        Bytes of the list of members, which is held in memory: 512 for each.
    deflated
        Bytes that compressed members may unpack to, together. torch compresses code alone, kilobytes of it; members
        that are stored as they are cannot be larger than the file.
    text
        Bytes of a member that is read as a whole: code, a description, a pickle.
    """

    members: int = 2**17
    directory: int = 2**26
    deflated: int = 2**30
    text: int = 2**28


@dataclass(frozen=True)
class Member:
    """One file in an archive: ``start`` and ``packed`` are the bytes it takes there, ``size`` those it unpacks to."""

    name: str
    deflated: bool
    crc: int
    packed: int
    size: int
    start: int


def members_of(file: BinaryIO, limits: ArchiveLimits) -> tuple[Member, ...]:
    """List the members in the order in which they stand in the file.

    Raises
    ------
    ArchiveFault
        The file is no archive, is damaged, goes beyond the limits, or is one that readers can disagree about.
    """
    size = file.seek(0, 2)
    count, start, end = _directory_place(file, size)
    if count > limits.members or end - start > limits.directory:
        raise ArchiveFault(f"{count} members, expected at most {limits.members}")
    directory, place = _read(file, start, end - start), 0
    entries: list[tuple[int, bytes, int, Member]] = []
    for _ in range(count):
        entry, place = _entry(directory, place)
        entries.append(entry)
    if place != len(directory):
        raise ArchiveFault("its directory holds more than it says")
    entries.sort(key=lambda entry: entry[0])
    found: list[Member] = []
    here = 0
    for number, (offset, name, flags, member) in enumerate(entries):
        if offset != here:
            raise ArchiveFault(f"bytes between its members, or members that overlap (before '{member.name}')")
        located = _located(file, offset, name, flags, member)
        here = located.start + member.packed
        following = entries[number + 1][0] if number + 1 < count else start
        if flags & _HAS_DESCRIPTOR:
            _check_descriptor(file, here, following, member)
            here = following
        found.append(located)
    if here != start:
        raise ArchiveFault("bytes between its members and its directory")
    seen: set[str] = set()
    for member in found:
        # torch finds members whatever their case.
        if member.name.lower() in seen:
            raise ArchiveFault(f"two members of one name ('{member.name}')")
        seen.add(member.name.lower())
    if sum(member.size for member in found if member.deflated) > limits.deflated:
        raise ArchiveFault(f"compressed members that unpack to more than {limits.deflated >> 20} MiB")
    return tuple(found)


def unpacked(file: BinaryIO, member: Member, piece: int = 2**20) -> Iterator[bytes]:
    """Unpack a member piece by piece; its size and its CRC-32 are checked by the last.

    Raises
    ------
    ArchiveFault
        The bytes are not those that the directory promises.
    """
    file.seek(member.start)
    inflate = zlib.decompressobj(-15) if member.deflated else None
    left, size, crc = member.packed, 0, 0
    while left or (inflate is not None and inflate.unconsumed_tail):
        if inflate is None:
            data = file.read(min(piece, left))
            left -= len(data)
            got = bool(data)
        else:
            tail = inflate.unconsumed_tail
            packed = tail or file.read(min(piece, left))
            left -= 0 if tail else len(packed)
            got = bool(packed)
            try:
                data = inflate.decompress(packed, piece)
            except zlib.error:
                raise ArchiveFault(f"'{member.name}' cannot be unpacked") from None
        size += len(data)
        if not got or size > member.size or (inflate is not None and inflate.unused_data):
            raise ArchiveFault(f"'{member.name}' is not of the size that is written down for it")
        crc = zlib.crc32(data, crc)
        yield data
    if inflate is not None and not inflate.eof:
        # What one bounded call leaves inside the decompressor: at most what the promise still allows.
        data = inflate.decompress(b"", member.size - size + 1)
        size += len(data)
        crc = zlib.crc32(data, crc)
        yield data
    if size != member.size or (inflate is not None and not inflate.eof):
        raise ArchiveFault(f"'{member.name}' is not of the size that is written down for it")
    if crc != member.crc:
        raise ArchiveFault(f"'{member.name}' is damaged (its CRC is not the one written down)")


def text_of(file: BinaryIO, member: Member, limits: ArchiveLimits) -> bytes:
    """Return a member as a whole, unless it unpacks to more than any description of a model.

    Raises
    ------
    ArchiveFault
        It does, or it is damaged.
    """
    if member.size > limits.text:
        raise ArchiveFault(f"'{member.name}' unpacks to more than {limits.text >> 20} MiB of text")
    return b"".join(unpacked(file, member))


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    """Return bytes of the file, all of them."""
    file.seek(max(start, 0))
    data = file.read(size) if start >= 0 and size >= 0 else b""
    if len(data) != size:
        raise ArchiveFault("it is truncated")
    return data


def _directory_place(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return the number of members, and where the directory starts and ends."""
    at = size - _END_SIZE
    end = _read(file, at, _END_SIZE) if at >= 0 else b""
    if not end.startswith(_END):
        raise ArchiveFault("it is truncated, or something follows its end")
    disks, count_here, count, length, start, comment = struct.unpack("<4xIHHIIH", end)
    if disks or comment or count_here != count:
        raise ArchiveFault("an end with a comment, or of several parts")
    stop = at
    if at >= _LOCATOR_SIZE and _read(file, at - _LOCATOR_SIZE, 4) == _LOCATOR:
        stop = at - _LOCATOR_SIZE - _END_64_SIZE
        number, place, parts = struct.unpack("<4xIQI", _read(file, at - _LOCATOR_SIZE, _LOCATOR_SIZE))
        if place != stop or number or parts > 1:
            raise ArchiveFault("a second end record that is not just before the first")
        record = _read(file, stop, _END_64_SIZE)
        rest, part, first, here_64, count_64, length_64, start_64 = struct.unpack("<4xQ4xIIQQQQ", record)
        if not record.startswith(_END_64) or rest != _END_64_SIZE - 12 or part or first or here_64 != count_64:
            raise ArchiveFault("a second end record that is damaged")
        shorts, longs = (count, length, start), (count_64, length_64, start_64)
        for short, long, most in zip(shorts, longs, (0xFFFF, _BEYOND_32, _BEYOND_32), strict=True):
            if short not in (long, most):
                raise ArchiveFault("two end records that differ")
        count, length, start = count_64, length_64, start_64
    if start + length != stop:
        raise ArchiveFault("a directory that is not just before the end of the file")
    return count, start, stop


def _entry(directory: bytes, place: int) -> tuple[tuple[int, bytes, int, Member], int]:
    """Return (offset of the header, name as bytes, flags, member without its start), and where the next entry is."""
    fixed = directory[place : place + _ENTRY_SIZE]
    if len(fixed) < _ENTRY_SIZE or not fixed.startswith(_ENTRY):
        raise ArchiveFault("a directory that is damaged")
    flags, method, crc, packed, size, name_size, extra_size, comment, disk, offset = struct.unpack(
        "<8xHH4xIIIHHHH6xI", fixed
    )
    name_at = place + _ENTRY_SIZE
    name = directory[name_at : name_at + name_size]
    extra = directory[name_at + name_size : name_at + name_size + extra_size]
    if len(name) < name_size or len(extra) < extra_size:
        raise ArchiveFault("a directory that is damaged")
    text = _text(name, flags)
    if flags & ~_FLAGS:
        raise ArchiveFault(f"a member that is encrypted or patched ('{text}')")
    if method not in (_STORED, _DEFLATED):
        raise ArchiveFault(f"a member that is packed in a way other than deflate ('{text}')")
    if comment or disk:
        raise ArchiveFault(f"a member with a comment, or in another part ('{text}')")
    long = iter(_long_numbers(extra, text))
    try:
        size, packed, offset = [next(long) if n == _BEYOND_32 else n for n in (size, packed, offset)]
    except StopIteration:
        raise ArchiveFault(f"a member without the sizes it refers to ('{text}')") from None
    if method == _STORED and packed != size:
        raise ArchiveFault(f"a stored member of two sizes ('{text}')")
    member = Member(text, method == _DEFLATED, crc, packed, size, 0)
    return (offset, name, flags, member), name_at + name_size + extra_size


def _text(name: bytes, flags: int) -> str:
    """Return the name, if it has one meaning for every reader and lies below where it is unpacked."""
    try:
        text = name.decode("utf-8" if flags & _IS_UTF8 else "ascii")
    except UnicodeDecodeError:
        raise ArchiveFault("a name that is not Unicode") from None
    parts = text.removesuffix("/").split("/")
    if not text.isprintable() or "\\" in text or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise ArchiveFault(f"a name that leads elsewhere ({text!a})")
    return text


def _long_numbers(extra: bytes, name: str) -> tuple[int, ...]:
    """Return the 64-bit numbers of the zip64 field of a directory's entry, none if it has no such field."""
    numbers: tuple[int, ...] = ()
    while extra:
        if len(extra) < 4:
            raise ArchiveFault(f"an extra field that is damaged ('{name}')")
        kind, size = struct.unpack("<HH", extra[:4])
        if kind not in _EXTRAS or len(extra) < 4 + size or (kind == _ZIP64 and numbers):
            raise ArchiveFault(f"an extra field that is damaged or unknown ('{name}')")
        if kind == _ZIP64:
            numbers = struct.unpack(f"<{size // 8}Q", extra[4 : 4 + size // 8 * 8])
        extra = extra[4 + size :]
    return numbers


def _located(file: BinaryIO, offset: int, name: bytes, flags: int, member: Member) -> Member:
    """Return the member with the start of its data, after a header that says what the directory says."""
    fixed = _read(file, offset, _HEADER_SIZE)
    flags_here, method, crc, packed, size, name_size, extra_size = struct.unpack("<6xHH4xIIIHH", fixed)
    if not fixed.startswith(_HEADER) or _read(file, offset + _HEADER_SIZE, name_size) != name:
        raise ArchiveFault(f"a header that names another member than '{member.name}'")
    # Where sizes follow the data, the header may hold zeros; where they need 64 bits, all ones.
    open_sizes = {0} if flags & _HAS_DESCRIPTOR else set()
    sizes_agree = all(
        here in open_sizes | {there, _BEYOND_32} for here, there in ((packed, member.packed), (size, member.size))
    )
    same = flags_here == flags and (method == _DEFLATED) == member.deflated and method in (_STORED, _DEFLATED)
    if not same or not sizes_agree or crc not in open_sizes | {member.crc}:
        raise ArchiveFault(f"a header that differs from the directory ('{member.name}')")
    start = offset + _HEADER_SIZE + name_size + extra_size
    return Member(member.name, member.deflated, member.crc, member.packed, member.size, start)


def _check_descriptor(file: BinaryIO, here: int, following: int, member: Member) -> None:
    """What stands between a member and the next is its CRC and sizes once more, and nothing else."""
    if following - here not in _DESCRIPTOR_SIZES:
        raise ArchiveFault(f"bytes between its members (after '{member.name}')")
    found = _read(file, here, following - here)
    form = "<IQQ" if len(found) >= 20 else "<III"
    signature = _DESCRIPTOR if len(found) in (16, 24) else b""
    # Numbers beyond 32 bits cannot be packed into the short form, which is then no descriptor of theirs.
    wide = len(found) >= 20 or max(member.packed, member.size) <= _BEYOND_32
    if not wide or found != signature + struct.pack(form, member.crc, member.packed, member.size):
        raise ArchiveFault(f"sizes after '{member.name}' that differ from the directory")
