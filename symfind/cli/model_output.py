"""Where a verb that writes a model puts it (``--output``), and where what was done (standard output)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

from symfind.cli.output import Output
from symfind.errors import UsageError

# What nobody calls a model or a file of data.
_OF_REPORTS = (".html", ".json", ".md", ".csv", ".tex")


@dataclass(frozen=True)
class ModelOutput(Output):
    """``--output`` names the model file; ``--format`` is of the document, which goes to standard output."""

    WHERE: ClassVar[str] = (
        "The file for the model (.pt, or .pt2 from enforce) or the moved data (.h5); what was done goes to standard "
        "output, unless this is -."
    )
    FORM: ClassVar[str] = "Of what is said about it: json, table or html. If not given, by where standard output leads."

    def __post_init__(self) -> None:
        """Refuse an output that cannot be written, before anything is computed."""
        if self.format not in (None, "json", "table", "html"):
            raise UsageError(
                f"--format is {self.format!r}, expected json, table or html, of what is said about the model"
            )
        if self.to_file and PurePath(str(self.path)).suffix.lower() in _OF_REPORTS:
            raise UsageError(
                f"--output {self.path}: takes the model or the data; for a page about it add --format html and lead "
                "standard output to the file"
            )
        self.check_folders()
        if self.path == "-" and sys.stdout.isatty():
            raise UsageError("--output is -, but a model is binary and standard output a terminal; name a file")

    def chosen_format(self) -> str:
        """Return the format of the document: the one asked for, else by what standard output is."""
        return self.format or ("table" if sys.stdout.isatty() else "json")


def write_document(document: Any, render: Callable[[Any], Any], output: Output) -> None:
    """Write a record as a table or as JSON."""
    # The model has taken --output; its document goes to standard output.
    target = output.on_standard_output() if isinstance(output, ModelOutput) else output

    def page() -> str:
        from symfind.render.pages.documents import document_html

        return document_html(document)

    target.write_plain(document.to_plain(), lambda: render(document), page)
