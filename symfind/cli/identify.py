"""``symfind identify``: the Lie algebra of a set of generators."""

from __future__ import annotations

from symfind.cli.output import Output
from symfind.config import IdentifyOptions


def identify(options: IdentifyOptions, output: Output) -> None:
    """Name the Lie algebra that the generators of a report span."""
    from symfind import api

    output.write_report(api.identify(options.source))
