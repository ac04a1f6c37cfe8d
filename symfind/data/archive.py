"""Members of a zip archive, read as text: nothing in them is run."""

from __future__ import annotations

import pickletools
import re
import zipfile

from symfind.errors import InputError

# Code and descriptions are text of kilobytes; a member that unpacks to more is a bomb or no model.
_MOST_BYTES = 2**28
# Globals of a pickle that only rebuild tensors in ordinary containers: what a state_dict consists of.
_TENSOR_GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor(_v2)?|parameter)|torch \w*Storage|torch\.Size|torch Size"
    r"|torch\.storage UntypedStorage|torch\.serialization _get_layout|torch (float|int|uint|bfloat|bool)\w*"
)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member of the archive, unless it unpacks to more than any description of a model."""
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise InputError(f"{archive.filename}: '{name}' unpacks to more than 256 MiB of text; not a model")
    return archive.read(name)


def foreign_globals(data: bytes) -> list[str]:
    """List what a pickle would import beyond what rebuilds tensors in lists and dictionaries, without unpickling.

    An entry is ``module name``, or a remark where the pickle hides the name or cannot be read; any entry means
    that the pickle is no mere collection of tensors.
    """
    found: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("GLOBAL", "INST"):
                found.append(str(argument))
            elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
                # torch writes protocol 2, which spells names out; a name from the stack can be disguised.
                found.append("(named on the stack)")
    except Exception:  # pickletools raises whatever a malformed pickle leads it to
        found.append("(unreadable)")
    return [name for name in found if _TENSOR_GLOBALS.fullmatch(name) is None]
