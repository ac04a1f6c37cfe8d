"""The kinds of data, each from its own folder: reading one more kind adds a folder and a line here (DESIGN §3)."""

from __future__ import annotations

from symfind.kinds.field.kind import FIELD
from symfind.kinds.image.kind import IMAGE
from symfind.kinds.kind import Kind
from symfind.kinds.maps.kind import FLOW, FUNCTION, MAP
from symfind.kinds.operator.kind import OPERATOR
from symfind.kinds.pairs.kind import PAIRS
from symfind.kinds.points.kind import POINTS
from symfind.names import CONSERVED_KINDS, KIND_NAMES, METHOD_NAMES, PROMOTED_KINDS
from symfind.registry import Registry


def _announce(kind: Kind) -> None:
    KIND_NAMES.add(kind.name)
    for method in kind.methods:
        METHOD_NAMES.add(method)
    if kind.promoted:
        PROMOTED_KINDS.add(kind.name)
    if kind.conserved:
        CONSERVED_KINDS.add(kind.name)


# In the order in which they are tried on a file that does not say its kind: the more particular first.
KINDS: Registry[Kind] = Registry("kind", (PAIRS, MAP, FIELD, OPERATOR, FLOW, IMAGE, FUNCTION, POINTS), _announce)
