"""``symfind promote``: a model fitted with as much symmetry as its data allow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.model_output import ModelOutput
from symfind.cli.output import Output, write_to_standard_output
from symfind.errors import NothingCertified

if TYPE_CHECKING:
    from symfind.verbs.options import PromoteOptions


def promote(options: PromoteOptions, output: ModelOutput) -> None:
    """Fit a model with as much symmetry as the data allow.

    The nuclear norm of the Lie derivative is added to what is minimised, so that candidates which the data do not
    speak against become exact symmetries. The model goes to --output as TorchScript; the report of what survived
    goes to standard output, where `symfind enforce MODEL --generators -` and others can read it.
    """
    from symfind import api

    if output.path == "-":
        with tempfile.TemporaryDirectory(prefix="symfind-") as folder:
            path = Path(folder) / "model.pt"
            with output.progress() as progress:
                report = api.promote(options, path, progress)
            write_to_standard_output(path.read_bytes())
    else:
        with output.progress() as progress:
            report = api.promote(options, None if output.path is None else Path(output.path), progress)
        if output.path is None:
            output.message("no model written: give --output FILE.pt to keep it")
        else:
            output.message(f"wrote {output.path}")
        # The model has taken --output; its report goes to standard output.
        Output(None, output.format, output.quiet).write_report(report)
    if options.require_symmetry and not report.certified:
        raise NothingCertified("no generator was certified (--require-symmetry)")
