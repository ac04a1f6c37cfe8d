"""Write docs/commands.md from what ``symfind COMMAND --help`` shows; a test fails when the file is older.

Run it as ``python docs/write_commands.py`` after a change of an option.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer.main

from symfind.cli.main import application
from symfind.options.option import PANELS

TARGET = Path(__file__).with_name("commands.md")

INTRODUCTION = """\
# Commands

*Written by `python docs/write_commands.py` from the help of the commands. Do not edit.*

Every command reads and writes files or streams: `-` is standard input or output. A result goes to `--output`,
whose ending chooses the format (`.json`, `.h5`, `.md`, `.html`, `.csv`, `.tex`), else to standard output: a table on a
terminal, JSON in a pipe. Messages and progress go to standard error. A file appears under its name only when it is
whole.

| status | meaning |
| ---: | :--- |
| 0 | done |
| 1 | a numerical failure, or a fault of symfind |
| 2 | the command line is wrong |
| 3 | the input cannot be used: missing, malformed, unsafe, not finite |
| 4 | nothing certified, and `--require-symmetry` asks for it |
| 129, 130, 143 | interrupted, by SIGHUP, Ctrl-C or SIGTERM; nothing is left behind |

`--config FILE` reads the values of options from YAML, one `option: value` a line, positional arguments by their
name in lower case; what the command line gives wins. An unknown option is an error that names the nearest one.
`--save-config FILE` writes such a file of the options in force, and `symfind VERB --config FILE` runs them again.

Progress is bars on a terminal and nothing elsewhere; `--progress plain` tells of each phase above two seconds in a
line, `--progress json` in JSON; `--log FILE` keeps phases, messages and errors. docs/symfind.1 has all of this as a
manual page (`man docs/symfind.1`).
"""


def reference() -> str:
    """Return the reference: a section a command, a table a panel of its help."""
    root: Any = typer.main.get_command(application())
    sections = [INTRODUCTION]
    for name, command in root.commands.items():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join(["symfind", name, *(p.metavar for p in arguments), "[OPTIONS]"])
        sections.append(f"## symfind {name}\n\n    {usage}\n\n{command.help}\n")
        for panel in PANELS:
            rows = [_row(p) for p in command.params if _panel(p) == panel]
            if rows:
                heading = "argument" if panel == "Arguments" else panel.lower()
                sections.append("\n".join([f"| {heading} | |", "| :--- | :--- |", *rows]) + "\n")
    return "\n".join(sections)


def _panel(parameter: Any) -> str:
    return "Arguments" if parameter.param_type_name == "argument" else parameter.rich_help_panel or ""


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"| `{parameter.metavar}` | {parameter.help} |"
    value = parameter.metavar.strip()
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    value = value.replace("|", r"\|")
    shown = names[:-1] + f" {value}`" if value else names
    unset = parameter.default is None or parameter.default is False
    default = "" if unset else f" Default: {parameter.default}."
    return f"| {shown} | {parameter.help}{default} |"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
