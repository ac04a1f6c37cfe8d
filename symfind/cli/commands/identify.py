"""``symfind identify``: the Lie algebra of a set of generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.cli.output import Output

if TYPE_CHECKING:
    from symfind.verbs.options import IdentifyOptions


def identify(options: IdentifyOptions, output: Output) -> None:
    """Name the Lie algebra of generators, and what it preserves.

    The generators are those that a report certifies, or matrices in a YAML file: `generators`, a list of square
    matrices, with optional `names` of the coordinates and `noise`, the relative error of a matrix.
    """
    from symfind import api

    output.write_report(api.identify(options.source))
