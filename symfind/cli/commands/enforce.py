"""``symfind enforce``: the equivariant model next to a trained one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.model_output import ModelOutput, write_document
from symfind.cli.output import write_to_standard_output

if TYPE_CHECKING:
    from symfind.verbs.options import EnforceOptions


def enforce(options: EnforceOptions, output: ModelOutput) -> None:
    """Make a trained model equivariant under a group.

    The model that is written to --output is a file of the same kind and needs nothing but torch. What was done, how
    far the model was moved, its equivariance error before and after, and its loss on data, go to standard output.
    """
    from symfind import api
    from symfind.render.enforcement import enforcement_table

    if output.path == "-":
        with tempfile.TemporaryDirectory(prefix="symfind-") as folder:
            path = Path(folder) / "model"
            with output.progress() as progress:
                document = api.enforce(options, path, progress)
            output.message(f"{document.method}: {document.reason}")
            write_to_standard_output(path.read_bytes())
        return
    with output.progress() as progress:
        document = api.enforce(options, None if output.path is None else Path(output.path), progress)
    if output.path is None:
        output.message("nothing written: give --output FILE to keep the model")
    else:
        output.message(f"{document.method}: {document.reason}; wrote {output.path}")
    write_document(document, enforcement_table, output)
