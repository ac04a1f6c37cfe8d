"""What users type in YAML: a mapping with one list that matters, such as formulas or matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from symfind.errors import InputError


def typed_list(path: Path, key: str, form: str, *others: str) -> dict[str, Any]:
    """The mapping of a YAML file whose ``key`` holds a list (described by ``form``) that is not empty.

    Raises
    ------
    InputError
        It cannot be read, holds no such list, or a key beside it that is none of ``others``.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise InputError(f"{path}: cannot be read ({str(fault).splitlines()[0]})") from None
    if not isinstance(document, dict) or not isinstance(document.get(key), list) or not document[key]:
        raise InputError(f"{path}: should hold '{key}:', {form}")
    unknown = set(document) - {key, *others}
    if unknown:
        known = ", ".join(sorted({key, *others}))
        raise InputError(f"{path}: has the unknown key '{min(map(str, unknown))}'; known are {known}")
    return document
