"""Commands from declared options: the fields of an options dataclass become arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar

import typer

from symfind.cli.output import FORMATS, Output
from symfind.errors import UsageError
from symfind.schema.records import field_types
from symfind.verbs.option import PANELS, Options, option_name, read_settings

OptionsT = TypeVar("OptionsT", bound=Options)
OutputT = TypeVar("OutputT", bound=Output)


def add_verb(
    app: typer.Typer,
    name: str,
    options_type: type[OptionsT],
    verb: Callable[[OptionsT, OutputT], None],
    output_type: type[OutputT] = Output,  # type: ignore[assignment]
) -> None:
    """Register ``verb`` as a command whose parameters are the fields of ``options_type`` and those of every verb.

    The docstring of ``verb`` is the help. Values come from the command line, else from ``--config``, else from
    the defaults of ``options_type``, which also validates them.
    """

    def command(context: typer.Context, **given: Any) -> None:
        values = _with_config(context, given)
        output = output_type(*(values.pop(shared) for shared in ("output", "format", "quiet")))
        verb(_options(options_type, values), output)

    hints = field_types(options_type)
    # The help shows the panels in the order in which their first option is declared.
    in_order = sorted(fields(options_type), key=lambda f: PANELS.index(f.metadata["panel"]))
    own = [_parameter(f, hints[f.name]) for f in in_order]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    command.__signature__ = inspect.Signature([context, *own, *_SHARED])  # type: ignore[attr-defined]
    app.command(name, help=help_of(verb))(command)


def help_of(verb: Callable[..., None]) -> str:
    """The docstring of a verb, a line a paragraph."""
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(text.split()) for text in paragraphs)


def _parameter(declared: Field[Any], hint: Any) -> inspect.Parameter:
    metadata = declared.metadata
    if metadata["panel"] == "Arguments":
        # Never required by the parser, because --config may give it.
        argument = typer.Argument(help=metadata["help"], metavar=declared.name.upper(), show_default=False)
        return _keyword(declared.name, Annotated[str | None, argument], None)
    parsed = _parsed_type(hint)
    described = typer.Option(
        option_name(declared.name),
        help=metadata["help"],
        metavar=metadata["shown_as"] or _value_shown(parsed),
        rich_help_panel=metadata["panel"],
        show_default=declared.default is not None and declared.default is not False,
    )
    return _keyword(declared.name, Annotated[parsed, described], declared.default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _parsed_type(hint: Any) -> Any:
    """Return what the parser reads for a declared type: a number, a flag, or else a text."""
    for simple in (bool, int, float):
        if hint in (simple, simple | None):
            return hint
    return str | None


def _value_shown(parsed: Any) -> str:
    if parsed is bool:
        return " "  # a flag takes no value, which the help would otherwise call <bool>
    return "NUMBER" if parsed is float else "N" if parsed in (int, int | None) else "TEXT"


_SHARED = (
    _keyword(
        "output",
        Annotated[
            str | None,
            typer.Option(
                "--output",
                "-o",
                metavar="FILE",
                help="Write to a file; its ending chooses: .json, .h5, .md or .html. - is standard output.",
                rich_help_panel="Output",
            ),
        ],
        None,
    ),
    _keyword(
        "format",
        Annotated[
            str | None,
            typer.Option(
                "--format",
                metavar="NAME",
                help=f"Of what is written: {', '.join(FORMATS)}. "
                "If not given, a table on a terminal and JSON in a pipe.",
                rich_help_panel="Output",
            ),
        ],
        None,
    ),
    _keyword(
        "quiet",
        Annotated[
            bool,
            typer.Option("--quiet", "-q", metavar=" ", help="No messages, no progress.", rich_help_panel="Output"),
        ],
        False,
    ),
    _keyword(
        "config",
        Annotated[
            str | None,
            typer.Option(
                "--config",
                metavar="FILE",
                help="A YAML file of option values; what the command line gives wins.",
                rich_help_panel="Run",
            ),
        ],
        None,
    ),
)


def _with_config(context: typer.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(given)
    path = values.pop("config")
    if path is not None:
        for name, value in read_settings(path, tuple(values)).items():
            source = context.get_parameter_source(name)
            if source is None or source.name != "COMMANDLINE":
                values[name] = value
    return values


def _options(options_type: type[OptionsT], values: dict[str, Any]) -> OptionsT:
    for f in fields(options_type):
        if f.default is MISSING and values[f.name] is None:
            raise UsageError(f"{f.name.upper()} is missing. {f.metadata['help']}")
    hints = field_types(options_type)
    parsed = {
        name: _whole_numbers(name, value) if "tuple" in str(hints[name]) and isinstance(value, str) else value
        for name, value in values.items()
    }
    return options_type(**parsed)


def _whole_numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option_name(name)} is {text!r}, expected whole numbers, such as 3 or 2,4") from None
