"""Numbers that were tuned: fields of a frozen settings class a folder, each with its reason and its range."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def tuned(value: float, reason: str, least: float | None = None, most: float | None = None) -> Any:
    """A field with what its number is for, and the range in which verdicts were seen not to depend on it.

    Parameters
    ----------
    value
        The number.
    reason
        What decided it.
    least, most
        The range, half to twice the number if not given (of a share above one half: half to twice what it leaves to
        one). ``tests/contract/test_settings.py`` goes to its ends.
    """
    low, high = (1 - 2 * (1 - value), 1 - (1 - value) / 2) if 0.5 < value < 1 else (value / 2, 2 * value)
    span = (low if least is None else least, high if most is None else most)
    return field(default=value, metadata={"reason": reason, "range": span})
