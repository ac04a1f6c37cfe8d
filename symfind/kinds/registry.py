"""The kinds of data, each from its own folder: reading one more kind adds a folder and a line here (DESIGN §3)."""

from __future__ import annotations

from symfind.kinds.field.kind import FIELD
from symfind.kinds.image.kind import IMAGE
from symfind.kinds.kind import Kind
from symfind.kinds.maps.kind import FLOW, FUNCTION, MAP
from symfind.kinds.operator.kind import OPERATOR
from symfind.kinds.pairs.kind import PAIRS
from symfind.kinds.points.kind import POINTS
from symfind.registry import Registry

# In the order in which they are tried on a file that does not say its kind: the more particular first.
KINDS: Registry[Kind] = Registry("kind", (PAIRS, MAP, FIELD, OPERATOR, FLOW, IMAGE, FUNCTION, POINTS))


def kind_names() -> tuple[str, ...]:
    """Every kind, by the alphabet."""
    return tuple(sorted(KINDS.names))


def promoted_kinds() -> tuple[str, ...]:
    """The kinds of which ``promote`` fits a model."""
    return tuple(sorted(kind.name for kind in KINDS if kind.promoted))


def conserved_kinds() -> tuple[str, ...]:
    """The kinds that ``conserve`` asks."""
    return tuple(sorted(kind.name for kind in KINDS if kind.conserved))


def method_names() -> tuple[str, ...]:
    """``auto``, and every method that goes with some kind."""
    return ("auto", *sorted({method for kind in KINDS for method in kind.methods}))
