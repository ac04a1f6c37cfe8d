"""The symmetric model that decided, as a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from symfind.data.files import appearing_whole
from symfind.decision.evidence import Finding
from symfind.errors import InputError, UsageError
from symfind.schema.document import Report
from symfind.version import __version__

_ENDINGS = (".pt", ".pth", ".ts")


def check_name(path: Path) -> None:
    """Refuse a name that cannot be written to, before anything is computed.

    Raises
    ------
    UsageError
        The ending promises another kind of file.
    InputError
        There is no such folder.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--witness {path}: it is written as TorchScript; give a name that ends in .pt")
    if not path.resolve().parent.is_dir():
        raise InputError(f"--witness {path}: there is no such folder; make it, or choose another name")


def with_witness_written(report: Report, finding: Finding, path: Path) -> Report:
    """The report, which names the file; or why there is none."""
    record, module = report.witness, finding.symmetric_model
    if record is None or module is None:
        why = f"--witness {path}: not written, as no symmetric model stands for a certified or approximate symmetry"
        return replace(report, warnings=(*report.warnings, why))
    from symfind.equivariance.writing import save_module  # a second of imports that only those pay who ask for a file

    held_out = {
        "symfind": __version__,
        "source_sha256": report.source.sha256,
        "candidate": record.candidate,
        "formula": record.formula,
        "r2_of_unseen_rows": record.r2,
        "eta": [record.eta_lower, record.eta, record.eta_upper],
    }
    with appearing_whole(path) as part:
        save_module(module, part, held_out)
    return replace(report, witness=replace(record, output=str(path)))
