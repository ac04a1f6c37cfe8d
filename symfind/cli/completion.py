"""What a shell may offer for an option: the names of a catalogue, read when the shell asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def _groups() -> Iterable[str]:
    from symfind.lie.groups.catalogue import catalogue

    return (family.example for family in catalogue())


def _spaces() -> Iterable[str]:
    from symfind.fields.catalogue import space_names

    return space_names()


def _samples() -> Iterable[str]:
    from symfind.samples.catalogue import SAMPLES

    return SAMPLES


# Option ↦ its catalogue.
CATALOGUES: dict[str, Callable[[], Iterable[str]]] = {"group": _groups, "space": _spaces, "name": _samples}
