"""Archives of torch: what is looked into is what is loaded, because torch is given nothing else.

A file that someone sent is never handed to torch. Its members are read once, sizes and CRCs checked
(:mod:`symfind.data.zip_layout`), and written into a fresh archive in a folder that only this user can enter; that
one is audited, and that one is loaded.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symfind.data.files import check_regular, state_of
from symfind.data.scratch import scratch_folder
from symfind.data.zip_layout import ArchiveFault, ArchiveLimits, members_of, text_of, unpacked
from symfind.errors import InputError

LIMITS = ArchiveLimits()
# Globals of a pickle that only rebuild tensors in ordinary containers: what a state_dict consists of.
_TENSOR_GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor(_v2)?|parameter)|torch \w*Storage|torch\.Size|torch Size"
    r"|torch\.storage UntypedStorage|torch\.serialization _get_layout|torch (float|int|uint|bfloat|bool)\w*"
)


class FreshArchive:
    """An archive that was written here from the checked members of another one.

    Attributes
    ----------
    path
        Where it lies, for torch to load. The name ends in ``.pt2``, on which ``torch.export`` insists.
    names
        Of its members, relative to the one folder that all of them are in.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._stored = {name.partition("/")[2]: name for name in archive.namelist()}
        self.names = tuple(self._stored)

    def text(self, name: str) -> bytes:
        """Return a member as a whole.

        Raises
        ------
        ArchiveFault
            It unpacks to more than any description of a model.
        """
        stored = self._archive.getinfo(self._stored[name])
        if stored.file_size > LIMITS.text:
            raise ArchiveFault(f"'{name}' unpacks to more than {LIMITS.text >> 20} MiB of text")
        return self._archive.read(stored)


@contextmanager
def fresh_archive(path: Path) -> Iterator[FreshArchive]:
    """Give an archive with the members of the file at ``path``, and nothing else of it; it vanishes with the block.

    Memory: a piece of 1 MiB, whatever the size of the model. Disk: the unpacked size, in the folder for temporary
    files (``TMPDIR``), which is at most that of the file and 1 GiB.

    Raises
    ------
    InputError
        The file cannot be read, is damaged or ambiguous, has members in no or in several folders, or there is no
        room for the copy.
    """
    with scratch_folder() as folder:
        fresh = folder / "archive.pt2"
        check_regular(path)
        before = state_of(path)
        try:
            source = path.open("rb")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
        with source:
            try:
                members = [member for member in members_of(source, LIMITS) if not member.name.endswith("/")]
                _check_folder([member.name for member in members])
                with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as written:
                    for member in members:
                        # The same name, and a time that is always the same.
                        with written.open(zipfile.ZipInfo(member.name), "w", force_zip64=member.size >= 2**31) as out:
                            for piece in unpacked(source, member):
                                out.write(piece)
            except ArchiveFault as fault:
                raise damaged(path, fault) from None
            except OSError as error:
                raise InputError(
                    f"{path}: cannot be copied to {folder} ({error.strerror}); make room there or set TMPDIR"
                ) from None
        if state_of(path) != before:
            raise InputError(f"{path}: changed while it was read; run again when whoever writes it has finished")
        with zipfile.ZipFile(fresh) as archive:
            yield FreshArchive(fresh, archive)


def damaged(path: Path, fault: ArchiveFault) -> InputError:
    """Return the error that says what is wrong with an archive, and what to do."""
    return InputError(f"{path}: refused, the zip archive cannot be relied on: {fault}; copy or save the file again")


def _check_folder(names: list[str]) -> None:
    for name in names:
        folder, slash, _ = name.partition("/")
        if not slash or folder != names[0].partition("/")[0]:
            raise ArchiveFault(f"'{name}' is in no common folder: neither TorchScript nor torch.export")


def foreign_globals(data: bytes) -> list[str]:
    """List what a pickle would import beyond what rebuilds tensors in lists and dictionaries, without unpickling.

    An entry is ``module name``, or a remark where the pickle hides the name, cannot be read or is followed by more;
    any entry means that the pickle is no mere collection of tensors.
    """
    found: list[str] = []
    end = -1
    try:
        for opcode, argument, place in pickletools.genops(data):
            if opcode.name in ("GLOBAL", "INST"):
                found.append(str(argument))
            elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                # torch writes protocol 2, which spells names out; a name from the stack can be disguised.
                found.append("(named on the stack)")
            end = (place or 0) + 1
    except Exception:  # pickletools raises whatever a malformed pickle leads it to
        found.append("(unreadable)")
    else:
        if end != len(data):
            found.append("(a second pickle after the first)")
    return [name for name in found if _TENSOR_GLOBALS.fullmatch(name) is None]


def foreign_in_saved(data: bytes) -> list[str]:
    """List what loading the bytes of a file by ``torch.save`` would import beyond tensors.

    Only archives of one layout are understood: the format before torch 1.6 is several pickles, one after the other,
    and an archive of TorchScript inside would be loaded as such.
    """
    file = io.BytesIO(data)
    try:
        members = members_of(file, LIMITS)
        names = [member.name for member in members]
        _check_folder(names)
        if any(name.lower().endswith("/constants.pkl") for name in names):
            return ["TorchScript"]
        pickles = [text_of(file, member, LIMITS) for member in members if member.name.lower().endswith(".pkl")]
    except ArchiveFault:
        return ["(unreadable)"]
    return [name for pickle in pickles for name in foreign_globals(pickle)]
