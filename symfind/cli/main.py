"""The command line: parse, call one function of the interface, print. The only part that prints or exits."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from symfind.cli import commands
from symfind.cli.model_output import ModelOutput
from symfind.cli.options import add_verb, help_of
from symfind.cli.output import Output, abandon_standard_output
from symfind.cli.plugins import run_plugin, without_plugins
from symfind.cli.signals import stopping_signals
from symfind.errors import InputError, SymfindError
from symfind.untrusted_text import shown

# In the order of the help. Each is a function of that name in commands.py, with its options declared in
# options/of_verbs.py or options/of_files.py under the name.
VERBS = tuple(
    "discover enforce promote score augment conserve identify inspect report convert sample groups explain demo".split()
)
# Set by a shell that asks how a line could go on (`symfind --install-completion` tells it to).
_COMPLETION = "_SYMFIND_COMPLETE"
# Before torch and NumPy are imported: a thread that waits for others sleeps, where by default it spins and takes the
# core of another program; and NumPy's own pool, which nothing here has large products for, is not made.
_POOLS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
_WITH_A_FILE = ("enforce", "promote", "augment")

_INTERRUPTED = 130


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"symfind {version('symfind')}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    plugin: Annotated[  # read before the verbs are made, whose options and choices it may add to
        str | None,
        typer.Option(
            "--plugin", metavar="FILE.py", help="Run a Python file that registers kinds, spaces, methods or formats."
        ),
    ] = None,
) -> None:
    """Enforce, discover and promote continuous symmetry in data and trained models."""


def application(called: str | None = None) -> typer.Typer:
    """Return the commands, with the options of all verbs or only of the one that is called.

    Options are checked by a library that takes longer to import and to ask than all the rest of the help.
    """
    app = typer.Typer(
        name="symfind",
        help="Enforce, discover and promote continuous symmetry in data and trained models.",
        # Panels are worth the time of importing rich for the many options of a verb, not for the list of the verbs.
        rich_markup_mode=None if called == "" else "rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.callback()(_root)
    for name in VERBS:
        verb: Callable[..., None] = getattr(commands, name)
        if called in (None, name):
            add_verb(app, name, _options_of(name), verb, _output_of(name))
        else:
            app.command(name, help=help_of(verb))(lambda: None)
    return app


def _options_of(name: str) -> Any:
    options = f"{name.capitalize()}Options"
    homes = (import_module(f"symfind.options.{home}") for home in ("of_verbs", "of_files"))
    return next(getattr(home, options) for home in homes if hasattr(home, options))


def _output_of(name: str) -> type[Output]:
    return ModelOutput if name in _WITH_A_FILE else Output


def process() -> NoReturn:
    """Run the command line as a process of its own.

    What imports make stays: looking through it for garbage takes half a second of a short run.
    :meth:`symfind.cli.output.Output.progress` turns the collector on for the work that follows them.
    """
    gc.disable()
    for name, value in _POOLS.items():
        os.environ.setdefault(name, value)
    run()


def run() -> NoReturn:
    """Run the command line and exit: a line on standard error and a status of DESIGN §6 for whatever fails."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us (`>&-`)
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open to the end)
        # A terminal whose encoding lacks ∂ shows a question mark rather than a traceback.
        getattr(sys, name).reconfigure(errors="replace")
    with stopping_signals() as received:
        status = _status()
    if status == _INTERRUPTED and received:
        status = 128 + received[0]
    try:
        sys.stdout.flush()
    except OSError:  # the help went into a pipe that nobody reads any more
        abandon_standard_output()
    sys.exit(status)


def _status() -> int:
    try:
        plugins, rest = without_plugins(sys.argv[1:])
        for file in plugins:
            run_plugin(file)
        arguments = rest or ["--help"]
        if arguments[0] == "help":
            arguments = [*arguments[1:2], "--help"]
        called = next((argument for argument in arguments if not argument.startswith("-")), "")
        if called in VERBS and called != "discover" and os.environ.get("RANK", "0") != "0":
            return 0  # under torchrun the first process does what is not shared out, and writes it once
        # A shell that asks for completions says what was typed in its environment.
        completing = _COMPLETION in os.environ
        result = application(None if completing else called)(arguments, prog_name="symfind", standalone_mode=False)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SymfindError as error:
        return _failed(error, error.exit_code)
    except BrokenPipeError:
        return 0
    except OSError as error:
        # A name that is too long, a folder that may not be entered, no room for temporary files.
        return _failed(f"{error}; check the path, the permissions and the room", InputError.exit_code)
    except Exception as error:
        if hasattr(error, "format_message"):  # what typer raises for a command line that it cannot parse
            return _failed(error.format_message().rstrip(".") + "; see --help", 2)
        if os.environ.get("SYMFIND_DEBUG"):
            raise
        return _failed(*_told(error))
    return result if isinstance(result, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """What a user is told of an error that no reader and no method expected, and the exit status."""
    name = type(error).__name__
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "there is not enough memory; give fewer rows (--max-rows), columns or candidates", 1
    if name.endswith("LinAlgError"):
        return "these data leave a matrix without a decomposition; give rows that differ more", 1
    return f"{name}: {error} (a fault of symfind: SYMFIND_DEBUG=1 shows where)", 1


def _failed(message: str | SymfindError, status: int) -> int:
    # A SymfindError is fit to be shown as it is, and may have a drawing below its line.
    print(f"symfind: {message if isinstance(message, SymfindError) else shown(message)}", file=sys.stderr)
    return status
