"""``symfind sample``: a named sample dataset, made on the spot."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from symfind.cli.output import Output, write_to_standard_output
from symfind.errors import UsageError

if TYPE_CHECKING:
    from symfind.verbs.options import SampleOptions


def sample(options: SampleOptions, output: Output) -> None:
    """Make a dataset whose symmetries are known.

    To try the other commands on; without arguments, the list of them.
    """
    if options.name is None or options.out is None:
        _list_samples(output)
        return
    from symfind import api

    if output.path is not None or output.format is not None:
        raise UsageError(f"a sample is always HDF5 and goes to OUT, here {options.out}; drop --output and --format")
    asked = {"rows": options.rows, "times": options.times, "grid_size": options.grid_size}
    sizes = {name: size for name, size in asked.items() if size is not None}
    if options.out != "-":
        api.sample(options.name, options.out, seed=options.seed, **sizes)
        output.message(f"wrote {options.out}")
        return
    if sys.stdout.isatty():
        raise UsageError("OUT is -, but HDF5 is binary and standard output a terminal; name a file, or pipe it")
    # HDF5 is written at random places, which a pipe cannot take.
    with tempfile.TemporaryDirectory(prefix="symfind-") as folder:
        path = Path(folder) / "sample.h5"
        api.sample(options.name, str(path), seed=options.seed, **sizes)
        write_to_standard_output(path.read_bytes())


def _list_samples(output: Output) -> None:
    from symfind.cli.listing import write_listing
    from symfind.samples.catalogue import SAMPLES

    write_listing(
        [
            {"name": name, "kind": s.kind, "rows": s.rows, "content": s.about, "symmetry": s.symmetry}
            for name, s in SAMPLES.items()
        ],
        output,
    )
