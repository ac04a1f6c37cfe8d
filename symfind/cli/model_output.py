"""Where a verb that writes a model puts it (``--output``), and where what was done (standard output)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symfind.cli.output import Output
from symfind.data.files import resolved
from symfind.errors import InputError, UsageError


@dataclass(frozen=True)
class ModelOutput(Output):
    """``--output`` names the model file; ``--format`` is of the document, which goes to standard output."""

    def __post_init__(self) -> None:
        """Refuse an output that cannot be written, before anything is computed."""
        if self.format not in (None, "json", "table", "html"):
            raise UsageError(
                f"--format is {self.format!r}, expected json, table or html, of what is said about the model"
            )
        if self.to_file and not resolved(Path(str(self.path))).parent.is_dir():
            raise InputError(f"--output {self.path}: there is no such folder; make it, or choose another --output")
        if self.path == "-" and sys.stdout.isatty():
            raise UsageError("--output is -, but a model is binary and standard output a terminal; name a file")

    def chosen_format(self) -> str:
        """Return the format of the document: the one asked for, else by what standard output is."""
        return self.format or ("table" if sys.stdout.isatty() else "json")


def write_document(document: Any, render: Callable[[Any], Any], output: Output) -> None:
    """Write a record as a table or as JSON."""
    # The model has taken --output; its document goes to standard output.
    target = Output(None, output.format, output.quiet) if isinstance(output, ModelOutput) else output

    def page() -> str:
        from symfind.render.pages.documents import document_html

        return document_html(document)

    target.write_plain(document.to_plain(), lambda: render(document), page)
