"""Names that options accept, for a command line that asks neither torch nor the tables that hold what they name.

Each is what a registry holds of its own (a test compares them), and grows when something is registered.
"""

from __future__ import annotations


class Names:
    """Names in the order of the help.

    Parameters
    ----------
    names
        Those that the package has.
    """

    def __init__(self, *names: str) -> None:
        self._names = list(names)

    def add(self, name: str) -> None:
        """Add a name at the end, unless it is there."""
        if name not in self._names:
            self._names.append(name)

    def __call__(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self._names)


KIND_NAMES = Names("field", "flow", "function", "image", "map", "operator", "pairs", "points")
PROMOTED_KINDS = Names("flow", "function", "map", "operator")
CONSERVED_KINDS = Names("flow", "map")
METHOD_NAMES = Names("auto", "lconv", "nullspace", "tangent", "validity", "weak")
ENFORCEMENT_NAMES = Names("auto", "project", "average", "frames", "distill")
