"""``symfind groups``: the catalogue of groups and representations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.output import Output

if TYPE_CHECKING:
    from symfind.verbs.options import GroupsOptions


def groups(options: GroupsOptions, output: Output) -> None:
    """List the groups that other commands know by name."""
    from symfind import api
    from symfind.cli.listing import write_listing

    write_listing(api.groups(), output)
