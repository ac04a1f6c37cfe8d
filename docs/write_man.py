"""Write docs/symfind.1, the manual page, from the help of the commands; a test fails when the page is older.

Run it as ``python docs/write_man.py``; read it as ``man docs/symfind.1``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer.main

from symfind.cli.main import application
from symfind.options.option import PANELS

PAGE = Path(__file__).with_name("symfind.1")

STATUS = (
    ("0", "done"),
    ("1", "a numerical failure, or a fault of symfind"),
    ("2", "the command line is wrong"),
    ("3", "the input cannot be used: missing, malformed, unsafe, not finite"),
    ("4", "nothing certified, and --require-symmetry asks for it"),
    ("129, 130, 143", "interrupted; nothing is left behind"),
)


def page() -> str:
    """The whole page: a section of the verbs, one a verb, and the exit codes."""
    root: Any = typer.main.get_command(application())
    lines = ['.TH SYMFIND 1 "" "symfind" "User commands"', ".SH NAME", f"symfind \\- {_roff(_lowered(root.help))}"]
    lines += [".SH SYNOPSIS", ".B symfind", ".I VERB", "[ARGUMENTS] [OPTIONS]", ".SH DESCRIPTION"]
    lines += [
        "Standard output is a table on a terminal and JSON in a pipe; \\- is standard input or output.",
        ".SH VERBS",
    ]
    for name, command in root.commands.items():
        lines += [".TP", f".B {name}", _roff((command.help or "").split("\n\n")[0])]
    for name, command in root.commands.items():
        lines += _verb(name, command)
    lines += [".SH EXIT STATUS"]
    for status, meaning in STATUS:
        lines += [".TP", f".B {status}", _roff(meaning)]
    return "\n".join(lines) + "\n"


def _verb(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    lines = [f".SH symfind {name}".upper().replace("SYMFIND", "symfind"), f".B symfind {name}"]
    lines += [" ".join([*(f"\\fI{p.metavar}\\fR" for p in arguments), "[OPTIONS]"])]
    for paragraph in (command.help or "").split("\n\n"):
        lines += [".PP", _roff(paragraph)]
    for argument in arguments:
        lines += [".TP", f".I {argument.metavar}", _roff(argument.help)]
    for panel in PANELS[1:]:
        options = [p for p in command.params if getattr(p, "rich_help_panel", None) == panel]
        lines += [f".SS {panel}"] if options else []
        for option in options:
            names = ", ".join(f"\\fB{_roff(text)}\\fR" for text in option.opts)
            value = option.metavar.strip() if option.metavar else ""
            unset = option.default is None or option.default is False
            default = "" if unset else f" Default: {option.default}."
            lines += [".TP", f"{names} \\fI{_roff(value)}\\fR".rstrip(), _roff(f"{option.help}{default}")]
    return lines


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _roff(text: str) -> str:
    """Text that roff sets as it stands."""
    line = " ".join(str(text).replace("\\", "\\e").replace("-", "\\-").split())
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
