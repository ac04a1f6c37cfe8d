"""Where results and messages go: a file or standard output, a table or JSON; messages on standard error only."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from symfind.errors import InputError, UsageError
from symfind.progress import Progress, SilentProgress
from symfind.verbs.option import unknown_name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from symfind.schema.document import Report

FORMATS = ("json", "table", "markdown", "html", "hdf5")
_ENDINGS = {".json": "json", ".h5": "hdf5", ".hdf5": "hdf5", ".md": "markdown", ".html": "html"}


@dataclass(frozen=True)
class Output:
    """What the user said about the output of a verb.

    Attributes
    ----------
    path
        A file, ``"-"`` or None for standard output.
    format
        One of :data:`FORMATS`; None chooses by the ending of the file, or by where standard output leads.
    quiet
        No messages and no progress.
    """

    path: str | None = None
    format: str | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        """Refuse an output that cannot be written, before anything is computed."""
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(unknown_name("--format", self.format, FORMATS))
        self.chosen_format()
        if self.to_file and not Path(str(self.path)).resolve().parent.is_dir():
            raise InputError(f"--output {self.path}: there is no such folder; make it, or choose another --output")

    @property
    def to_file(self) -> bool:
        """Whether the result goes to a file rather than to standard output."""
        return self.path not in (None, "-")

    def chosen_format(self) -> str:
        """Return the format: the one asked for, else by the ending, else by what standard output is.

        Raises
        ------
        UsageError
            The ending of the file is unknown, or binary data would go to a terminal.
        """
        if self.format is None and self.to_file:
            ending = PurePath(str(self.path)).suffix.lower()
            if ending not in _ENDINGS:
                known = ", ".join(_ENDINGS)
                raise UsageError(f"--output {self.path}: the ending is none of {known}; use one, or add --format")
            return _ENDINGS[ending]
        if self.format == "hdf5" and not self.to_file and sys.stdout.isatty():
            raise UsageError("--format hdf5 is binary; name a file with --output, or pipe it")
        return self.format or ("table" if sys.stdout.isatty() else "json")

    def write_report(self, report: Report) -> None:
        """Write a report to where and in the form the user asked; its warnings go to standard error."""
        shown = not self.to_file and self.chosen_format() == "table"
        if not shown:
            for warning in report.warnings:
                self.message(f"warning: {warning}")
        self.write(lambda form: _encoded(report, form), lambda: _table(report))

    def write(self, encode: Callable[[str], bytes], table: Callable[[], RenderableType]) -> None:
        """Write a result.

        Parameters
        ----------
        encode
            Format ↦ bytes.
        table
            The result for a terminal, which knows its own width and colours.
        """
        if self.to_file:
            from symfind.schema.store import write_file

            write_file(str(self.path), encode(self.chosen_format()))
            self.message(f"wrote {self.path}")
            return
        if self.chosen_format() == "table" and sys.stdout.isatty():
            from rich.console import Console

            Console(highlight=False).print(table())
            return
        write_to_standard_output(encode(self.chosen_format()))

    def message(self, text: str) -> None:
        """Say something on standard error, unless the user wants quiet."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def progress(self) -> AbstractContextManager[Progress]:
        """Return a progress display if standard error is a terminal, else one that is silent.

        Work begins here: garbage is collected from now on, but not looked for among what was imported.
        """
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        if self.quiet or not sys.stderr.isatty():
            return nullcontext(SilentProgress())
        from symfind.cli.terminal_progress import TerminalProgress

        return TerminalProgress()


def write_to_standard_output(content: bytes) -> None:
    """Write bytes to standard output, all of them or as many as its reader wants.

    Raises
    ------
    InputError
        What standard output leads to cannot hold them.
    """
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as fault:
        abandon_standard_output()
        # Who reads the pipe has seen enough (`| head`): that is no error.
        if not isinstance(fault, BrokenPipeError):
            raise InputError(f"standard output: cannot be written ({fault.strerror})") from None


def abandon_standard_output() -> None:
    """Lead standard output nowhere, so that what Python still holds back does not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _table(report: Report) -> RenderableType:
    from symfind.render.tables import table

    return table(report)


def _encoded(report: Report, form: str) -> bytes:
    from symfind.schema import store

    if form == "hdf5":
        return store.to_hdf5(report)
    if form == "json":
        text = store.to_json(report)
    elif form == "html":
        from symfind.render.html import to_html

        text = to_html(report)
    else:
        from symfind.render import tables as render

        text = render.to_table_text(report) if form == "table" else render.to_markdown(report)
    return text.encode("utf-8", "backslashreplace")
