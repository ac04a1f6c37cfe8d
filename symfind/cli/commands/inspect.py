"""``symfind inspect``: what a file holds and what could be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.output import Output

if TYPE_CHECKING:
    from symfind.verbs.options import InspectOptions


def inspect(options: InspectOptions, output: Output) -> None:
    """Show what a file holds and what could be asked of it.

    The data themselves are not read.
    """
    from symfind import api
    from symfind.cli.listing import write_listing

    write_listing(api.inspect(options.source), output)
