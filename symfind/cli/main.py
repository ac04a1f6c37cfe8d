"""The command line: parse, call one function of the interface, print. The only part that prints or exits."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from symfind.cli.augment import augment
from symfind.cli.conserve import conserve
from symfind.cli.discover import discover
from symfind.cli.enforce import enforce
from symfind.cli.groups import groups
from symfind.cli.identify import identify
from symfind.cli.inspect import inspect
from symfind.cli.model_output import ModelOutput
from symfind.cli.options import add_verb
from symfind.cli.output import abandon_standard_output
from symfind.cli.promote import promote
from symfind.cli.report import report
from symfind.cli.sample import sample
from symfind.cli.score import score
from symfind.config import (
    AugmentOptions,
    ConserveOptions,
    DiscoverOptions,
    EnforceOptions,
    GroupsOptions,
    IdentifyOptions,
    InspectOptions,
    PromoteOptions,
    ReportOptions,
    SampleOptions,
    ScoreOptions,
)
from symfind.errors import SymfindError

app = typer.Typer(
    name="symfind",
    help="Enforce, discover and promote continuous symmetry in data and trained models.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add_verb(app, "discover", DiscoverOptions, discover)
add_verb(app, "enforce", EnforceOptions, enforce, ModelOutput)
add_verb(app, "promote", PromoteOptions, promote, ModelOutput)
add_verb(app, "score", ScoreOptions, score)
add_verb(app, "augment", AugmentOptions, augment, ModelOutput)
add_verb(app, "conserve", ConserveOptions, conserve)
add_verb(app, "identify", IdentifyOptions, identify)
add_verb(app, "inspect", InspectOptions, inspect)
add_verb(app, "report", ReportOptions, report)
add_verb(app, "sample", SampleOptions, sample)
add_verb(app, "groups", GroupsOptions, groups)

_INTERRUPTED = 130


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"symfind {version('symfind')}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Enforce, discover and promote continuous symmetry in data and trained models."""


def run() -> NoReturn:
    """Run the command line and exit: a line on standard error and a status of DESIGN §6 for whatever fails."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us (`>&-`)
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))
        # A terminal whose encoding lacks ∂ shows a question mark rather than a traceback.
        getattr(sys, name).reconfigure(errors="replace")
    status = _status()
    try:
        sys.stdout.flush()
    except OSError:  # the help went into a pipe that nobody reads any more
        abandon_standard_output()
    sys.exit(status)


def _status() -> int:
    arguments = sys.argv[1:] or ["--help"]
    try:
        result = app(arguments, prog_name="symfind", standalone_mode=False)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SymfindError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:
        return 0
    except OSError as error:
        return _failed(str(error), 1)
    except Exception as error:
        if hasattr(error, "format_message"):  # what typer raises for a command line that it cannot parse
            return _failed(error.format_message().rstrip(".") + "; see --help", 2)
        if os.environ.get("SYMFIND_DEBUG"):
            raise
        text = " ".join(str(error).split())
        return _failed(f"{type(error).__name__}: {text} (a fault of symfind: SYMFIND_DEBUG=1 shows where)", 1)
    return result if isinstance(result, int) else 0


def _failed(message: str, status: int) -> int:
    print(f"symfind: {message}", file=sys.stderr)
    return status
