"""``symfind augment``: fields moved along generators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.model_output import ModelOutput, write_document
from symfind.errors import UsageError

if TYPE_CHECKING:
    from symfind.verbs.options import AugmentOptions


def augment(options: AugmentOptions, output: ModelOutput) -> None:
    """Move solutions of an equation along its symmetries.

    Each trajectory is moved along a random combination of the generators by their finite flow, and resampled on its
    own grid. Certified generators move the data, but for those that change the period of an axis (a scaling of x,
    say): name these with --only, and the axis that is written is open. Only times are written at which the moves find
    data. The file is written to --output, trajectory by trajectory; what was done goes to standard output.
    """
    from symfind import api
    from symfind.render.enforcement import plain_document
    from symfind.schema.augmentation import augmentation_pairs

    if not output.to_file:
        raise UsageError("augment writes HDF5: name the file with --output FILE.h5")
    with output.progress() as progress:
        document = api.augment(options, Path(str(output.path)), progress)
    output.message(f"wrote {output.path}")
    write_document(document, lambda d: plain_document(augmentation_pairs(d)), output)
