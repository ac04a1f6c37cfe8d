"""Enforce, discover and promote continuous symmetry in data and trained models.

The verbs are functions: ``symfind.discover(options)``, with :class:`DiscoverOptions`, returns a :class:`Report`.
They are imported when they are first used, so that ``import symfind`` costs a millisecond and no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symfind.api import augment, conserve, discover, enforce, groups, identify, inspect, promote, sample, score
    from symfind.schema.augmentation import Augmentation, FieldScore
    from symfind.schema.document import Report
    from symfind.schema.enforcement import Enforcement, Score
    from symfind.schema.store import read_report
    from symfind.verbs.options import (
        AugmentOptions,
        ConserveOptions,
        DiscoverOptions,
        EnforceOptions,
        PromoteOptions,
        ScoreOptions,
    )

__all__ = [
    "AugmentOptions",
    "Augmentation",
    "ConserveOptions",
    "DiscoverOptions",
    "EnforceOptions",
    "Enforcement",
    "FieldScore",
    "PromoteOptions",
    "Report",
    "Score",
    "ScoreOptions",
    "augment",
    "conserve",
    "discover",
    "enforce",
    "groups",
    "identify",
    "inspect",
    "promote",
    "read_report",
    "sample",
    "score",
]

_HOMES = {
    "__version__": "symfind.version",
    "augment": "symfind.api",
    "conserve": "symfind.api",
    "discover": "symfind.api",
    "enforce": "symfind.api",
    "groups": "symfind.api",
    "identify": "symfind.api",
    "inspect": "symfind.api",
    "promote": "symfind.api",
    "sample": "symfind.api",
    "score": "symfind.api",
    "AugmentOptions": "symfind.verbs.options",
    "ConserveOptions": "symfind.verbs.options",
    "DiscoverOptions": "symfind.verbs.options",
    "EnforceOptions": "symfind.verbs.options",
    "PromoteOptions": "symfind.verbs.options",
    "ScoreOptions": "symfind.verbs.options",
    "Augmentation": "symfind.schema.augmentation",
    "FieldScore": "symfind.schema.augmentation",
    "Enforcement": "symfind.schema.enforcement",
    "Score": "symfind.schema.enforcement",
    "Report": "symfind.schema.document",
    "read_report": "symfind.schema.store",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'symfind' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
