"""The machine's part in the numbers: the device that was asked for, and what the report says of it."""

from __future__ import annotations

from pathlib import Path

import torch

from symfind.data.files import check_apart
from symfind.errors import UsageError
from symfind.linalg.threads import allowed_threads
from symfind.options.option import ComputeOptions, Options
from symfind.schema.document import Environment
from symfind.version import __version__


def environment(device: str = "cpu", dtype: str = "float64") -> Environment:
    """Versions, device, dtype and threads of this process."""
    return Environment(
        symfind=__version__, torch=torch.__version__, device=device, dtype=dtype, threads=allowed_threads()
    )


def device_named(name: str) -> torch.device:
    """The device of ``--device auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    UsageError
        If there is no GPU where one was asked for.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda was asked for and torch sees no GPU; take --device cpu or auto")
    return torch.device(name)


def check_outputs(options: Options, to: Path | None = None) -> None:
    """Refuse options that name an output that is an input, or one file for two outputs; before anything is computed.

    Raises
    ------
    UsageError
        Naming the two.
    """
    own = {} if to is None else {"--output": str(to)}
    check_apart(own | options.files(written=True), options.files(written=False))


def on_cpu_in_double(options: ComputeOptions, verb: str) -> Environment:
    """The environment of a verb that works in float64 on the CPU, whatever the model's own type.

    Raises
    ------
    UsageError
        If another device or type was asked for: it is not passed over in silence.
    """
    if options.device == "cuda":
        raise UsageError(f"--device cuda: {verb} computes on the CPU; leave --device out")
    if options.dtype != "float64":
        raise UsageError(f"--dtype {options.dtype}: {verb} computes in float64; leave --dtype out")
    return environment()
