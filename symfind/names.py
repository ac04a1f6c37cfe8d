"""Names that options accept: each registry adds those of its entries, and options below it need not know it.

The registries are light, and ``symfind/__init__.py`` imports them, so that all names are there before an option is.
"""

from __future__ import annotations


class Names:
    """Names in the order of the help.

    Parameters
    ----------
    leading
        Those that no registry holds, such as ``auto``.
    alphabetical
        Whether the others are sorted; else they come as they are added.
    """

    def __init__(self, *leading: str, alphabetical: bool = True) -> None:
        self._leading = leading
        self._added: list[str] = []
        self._alphabetical = alphabetical

    def add(self, name: str) -> None:
        """Add a name, unless it is there."""
        if name not in self._added:
            self._added.append(name)

    def __call__(self) -> tuple[str, ...]:
        """Return all names."""
        return (*self._leading, *(sorted(self._added) if self._alphabetical else self._added))


KIND_NAMES = Names()
PROMOTED_KINDS = Names()
CONSERVED_KINDS = Names()
METHOD_NAMES = Names("auto")
ENFORCEMENT_NAMES = Names("auto", alphabetical=False)
