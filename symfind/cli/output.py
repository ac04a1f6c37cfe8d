"""Where results and messages go: a file or standard output, a table or JSON; messages on standard error only."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from symfind.cli.line_progress import LineProgress, PhaseLog, together
from symfind.data.files import resolved
from symfind.errors import InputError, UsageError
from symfind.options.option import unknown_name
from symfind.progress import Progress, SilentProgress
from symfind.render.formats import FORMATS, format_by_ending, text_bytes
from symfind.untrusted_text import shown, shown_in_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from symfind.schema.document import Report


PROGRESS_FORMS = ("auto", "plain", "json", "none")


@dataclass(frozen=True)
class Output:
    """What the user said about the output of a verb.

    Attributes
    ----------
    path
        A file, ``"-"`` or None for standard output.
    format
        The name of one of :data:`~symfind.render.formats.FORMATS`; None chooses by the ending of the file, or by
        where standard output leads.
    quiet
        No messages and no progress.
    verbose
        Phases with their seconds, and the options in force, as messages.
    log
        A file that messages, phases and errors are appended to.
    watched
        How progress is shown: ``auto`` (bars on a terminal), ``plain``, ``json`` or ``none``.
    """

    path: str | None = None
    format: str | None = None
    quiet: bool = False
    verbose: bool = False
    log: str | None = None
    watched: str = "auto"

    # What the help says of --output and --format.
    WHERE: ClassVar[str] = "Write to a file; its ending chooses: {endings}. - is standard output."
    FORM: ClassVar[str] = "Of what is written: {names}. If not given, a table on a terminal and JSON in a pipe."

    def __post_init__(self) -> None:
        """Refuse an output that cannot be written, before anything is computed."""
        if self.format is not None and self.format not in FORMATS:
            raise UsageError(unknown_name("--format", self.format, FORMATS.names))
        self.chosen_format()
        self.check_folders()

    def check_folders(self) -> None:
        """Refuse files in folders that are not there, and progress of an unknown form."""
        for name, path in (("--output", self.path if self.to_file else None), ("--log", self.log)):
            if path is not None and not resolved(Path(path)).parent.is_dir():
                raise InputError(f"{name} {path}: there is no such folder; make it, or choose another {name}")
        if self.watched not in PROGRESS_FORMS:
            raise UsageError(unknown_name("--progress", self.watched, PROGRESS_FORMS))

    def on_standard_output(self, form: str | None = None) -> Output:
        """The same for what goes to standard output beside a file."""
        return Output(None, form or self.format, self.quiet, self.verbose, self.log, self.watched)

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
        ending = PurePath(str(self.path)).suffix.lower() if self.to_file else ""
        by_ending = format_by_ending() if self.to_file else {}
        promised = by_ending.get(ending)
        if self.format is not None and promised is not None and promised.name != self.format:
            raise UsageError(
                f"--output {self.path}: the ending promises {promised.name}, --format is {self.format}; drop --format, "
                "or choose another ending"
            )
        if self.format is None and self.to_file:
            if promised is None:
                known = ", ".join(by_ending)
                raise UsageError(f"--output {self.path}: the ending is none of {known}; use one, or add --format")
            return promised.name
        if self.format and FORMATS[self.format].binary and not self.to_file and sys.stdout.isatty():
            raise UsageError(f"--format {self.format} is binary; name a file with --output, or pipe it")
        return self.format or ("table" if sys.stdout.isatty() else "json")

    def write_report(self, report: Report) -> None:
        """Write a report to where and in the form the user asked; its warnings go to standard error."""
        shown = not self.to_file and self.chosen_format() == "table"
        if not shown:
            for warning in report.warnings:
                self.message(f"warning: {warning}")
        self.write(lambda form: FORMATS[form].encode(report), lambda: _table(report))

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

    def write_plain(
        self, plain: Any, render: Callable[[], RenderableType], page: Callable[[], str] | None = None
    ) -> None:
        """Write plain values that are no report, as JSON, as the table that ``render`` makes, or as a page.

        Raises
        ------
        UsageError
            The format is one of those for reports only.
        """

        def encode(form: str) -> bytes:
            if form == "json":
                from symfind.schema.store import json_text

                return (shown_in_json(json_text(plain)) + "\n").encode("utf-8", "backslashreplace")
            if form == "table":
                from symfind.render.console import plain_text

                return plain_text(render()).encode()
            if form == "html" and page is not None:
                return text_bytes(page())
            forms = "json or table" if page is None else "json, table or html"
            raise UsageError(f"format {form} is for reports; use --format {forms}")

        self.write(encode, render)

    def message(self, text: str) -> None:
        """Say something on standard error, unless the user wants quiet."""
        if not self.quiet:
            print(shown(text), file=sys.stderr)
        self._logged(text)

    def detail(self, text: str) -> None:
        """Say what only --verbose and --log want to know."""
        if self.verbose and not self.quiet:
            print(shown(text), file=sys.stderr)
        self._logged(text)

    def _logged(self, text: str) -> None:
        if self.log is None:
            return
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            with Path(self.log).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{now} {shown(text)}\n")
        except OSError as fault:
            raise InputError(f"--log {self.log}: cannot be written ({fault.strerror}); choose another file") from None

    def progress(self) -> AbstractContextManager[Progress]:
        """Return a progress display: bars if standard error is a terminal, lines where they are asked for, else none.

        Work begins here: garbage is collected from now on, but not looked for among what was imported.
        """
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        watchers: list[AbstractContextManager[Progress] | Progress] = []
        if not self.quiet and self.watched in ("plain", "json"):
            watchers.append(LineProgress(self._line, as_json=self.watched == "json"))
        elif not self.quiet and self.watched == "auto" and sys.stderr.isatty():
            from symfind.cli.terminal_progress import TerminalProgress

            watchers.append(TerminalProgress())
        if self.verbose or self.log is not None:
            watchers.append(PhaseLog(self.detail))
        return together(*watchers) if watchers else nullcontext(SilentProgress())

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


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
