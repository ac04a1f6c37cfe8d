"""Enforce, discover and promote continuous symmetry in data and trained models.

The verbs are functions: ``symfind.discover(options)``, with :class:`DiscoverOptions`, returns a :class:`Report`.
They are imported when they are first used, so that ``import symfind`` costs no torch; of the kinds of data and the ways
to enforce it knows what there is, which the options ask.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from symfind.equivariance.methods import registry as _methods  # noqa: F401 (what these hold, options accept)
from symfind.kinds import registry as _kinds  # noqa: F401
from symfind.render import formats as _formats  # noqa: F401 (how reports show themselves)

if TYPE_CHECKING:
    from symfind.api import (
        augment,
        conserve,
        discover,
        enforce,
        export,
        forces,
        groups,
        identify,
        inspect,
        promote,
        sample,
        score,
    )
    from symfind.options.of_verbs import (
        AugmentOptions,
        ConserveOptions,
        DiscoverOptions,
        EnforceOptions,
        ForcesOptions,
        PromoteOptions,
        ScoreOptions,
    )
    from symfind.schema.augmentation import Augmentation, FieldScore
    from symfind.schema.document import Report
    from symfind.schema.enforcement import Enforcement, Score
    from symfind.schema.store import read_report

__all__ = [
    "AugmentOptions",
    "Augmentation",
    "ConserveOptions",
    "DiscoverOptions",
    "EnforceOptions",
    "Enforcement",
    "FieldScore",
    "ForcesOptions",
    "PromoteOptions",
    "Report",
    "Score",
    "ScoreOptions",
    "augment",
    "conserve",
    "discover",
    "enforce",
    "export",
    "forces",
    "groups",
    "identify",
    "inspect",
    "promote",
    "read_report",
    "sample",
    "score",
]

_HOMES = {
    name: home
    for home, names in {
        "symfind.version": "__version__",
        "symfind.api": "augment conserve discover enforce export forces groups identify inspect promote sample score",
        "symfind.options.of_verbs": "AugmentOptions ConserveOptions DiscoverOptions EnforceOptions ForcesOptions "
        "PromoteOptions ScoreOptions",
        "symfind.schema.augmentation": "Augmentation FieldScore",
        "symfind.schema.document": "Report",
        "symfind.schema.enforcement": "Enforcement Score",
        "symfind.schema.store": "read_report",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'symfind' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
