"""Commands from declared options: the fields of an options dataclass become arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from symfind.cli.output import PROGRESS_FORMS, Output
from symfind.data.files import check_apart
from symfind.errors import InputError, SymfindError, UsageError
from symfind.options.option import PANELS, Options, accepted, described, option_name, read_settings, write_settings
from symfind.render.formats import FORMATS
from symfind.schema.records import field_types
from symfind.version import __version__

# Options of every verb that are no part of its question, in the order of the fields of an Output.
_OF_OUTPUT = ("output", "format", "quiet", "verbose", "log", "progress")

OptionsT = TypeVar("OptionsT", bound=Options)
OutputT = TypeVar("OutputT", bound=Output)


def add_verb(
    app: typer.Typer,
    name: str,
    options_type: type[OptionsT],
    verb: Callable[[OptionsT, OutputT], Any],
    output_type: type[OutputT] = Output,  # type: ignore[assignment]
) -> None:
    """Register ``verb`` as a command whose parameters are the fields of ``options_type`` and those of every verb.

    The docstring of ``verb`` is the help. Values come from the command line, else from ``--config``, else from
    the defaults of ``options_type``, which also validates them.
    """
    several = next((f.name for f in fields(options_type) if f.metadata["several"]), None)

    def command(context: typer.Context, **given: Any) -> int:
        values = _with_config(context, given)
        sources = values.get(several) if several is not None else None
        if several is not None and isinstance(sources, list | tuple):
            values[several] = sources[0] if sources else None
        shared = tuple(values.pop(name) for name in _OF_OUTPUT)
        kept = values.pop("save_config")

        def one(values: dict[str, Any], output: OutputT) -> Any:
            options = _options(options_type, values)
            own = {"--output": str(output.path)} if output.to_file else {}
            own |= {name: path for name, path in (("--log", output.log), ("--save-config", kept)) if path is not None}
            read = {"--config": given["config"] or "", **options.files(written=False)}
            check_apart(own | options.files(written=True), read)
            if kept is not None:
                every = {} if several is None or sources is None else {several: sources}
                write_settings(kept, options_type, options.settings() | every)
            output.detail(f"symfind {__version__} {name}: {_in_force(options)}")
            try:
                return verb(options, output)
            except SymfindError as error:
                output.detail(f"error: {error}")
                raise

        if several is None or not isinstance(sources, list | tuple) or len(sources) < 2:
            one(values, output_type(*shared))
            return 0
        from symfind.cli.several import run_each

        return run_each(sources, lambda source, output: one(values | {several: source}, output), *shared)  # type: ignore[arg-type]

    hints = field_types(options_type)
    # The help shows the panels in the order in which their first option is declared.
    in_order = sorted(fields(options_type), key=lambda f: PANELS.index(f.metadata["panel"]))
    own = [_parameter(f, hints[f.name]) for f in in_order]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    command.__signature__ = inspect.Signature([context, *own, *_shared(output_type)])  # type: ignore[attr-defined]
    app.command(name, help=help_of(verb))(command)


def help_of(verb: Callable[..., None]) -> str:
    """The docstring of a verb, a line a paragraph."""
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(text.split()) for text in paragraphs)


def _parameter(declared: Field[Any], hint: Any) -> inspect.Parameter:
    metadata = declared.metadata
    if metadata["panel"] == "Arguments":
        # Never required by the parser, because --config may give it.
        name = declared.name.upper()
        known = _completion(declared)
        argument = typer.Argument(help=metadata["help"], metavar=name, show_default=False, autocompletion=known)
        if metadata["several"]:
            return _keyword(declared.name, Annotated[list[str] | None, argument], None)
        return _keyword(declared.name, Annotated[str | None, argument], None)
    parsed = _parsed_type(hint)
    text, shown_as = described(metadata)
    shown = typer.Option(
        option_name(declared.name),
        help=text,
        metavar=shown_as or _value_shown(parsed),
        rich_help_panel=metadata["panel"],
        autocompletion=_completion(declared),
        show_default=declared.default is not None and declared.default is not False,
    )
    return _keyword(declared.name, Annotated[parsed, shown], declared.default)


def _completion(declared: Field[Any]) -> Callable[[str], list[str]] | None:
    """How a shell may go on: names that the option accepts, or that a catalogue of its own name holds; else files."""
    from symfind.cli.completion import CATALOGUES

    catalogue = CATALOGUES.get(declared.name)
    if catalogue is None and not declared.metadata["choices"]:
        return None

    def matching(incomplete: str) -> list[str]:
        names = accepted(declared.metadata) or (catalogue() if catalogue is not None else ())
        return [name for name in names if name.startswith(incomplete)]

    return matching


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


def _common(name: str, hint: Any, default: Any, shown_as: str, panel: str, text: str, *short: str) -> inspect.Parameter:
    shown = typer.Option(option_name(name), *short, metavar=shown_as, help=text, rich_help_panel=panel)
    return _keyword(name, Annotated[hint, shown], default)


def _shared(output_type: type[Output]) -> tuple[inspect.Parameter, ...]:
    """What every verb takes: where its result goes, in which form, and what is told on the way."""
    endings = ", ".join(form.endings[0] for form in FORMATS if form.endings)
    where = output_type.WHERE.format(endings=endings)
    form = output_type.FORM.format(names=", ".join(FORMATS.names))
    values = "A YAML file of option values; what the command line gives wins."
    save = "Write the options in force as such a file."
    shown = f"How progress is shown: {', '.join(PROGRESS_FORMS)}; auto is bars on a terminal."
    verbose = "Say which options are in force, and how long each phase took."
    return (
        _common("output", str | None, None, "FILE", "Output", where, "-o"),
        _common("format", str | None, None, "NAME", "Output", form),
        _common("quiet", bool, False, " ", "Output", "No messages, no progress.", "-q"),
        _common("verbose", bool, False, " ", "Output", verbose, "-v"),
        _common("log", str | None, None, "FILE", "Output", "Append messages, phases and errors to this file."),
        _common("progress", str, "auto", "NAME", "Output", shown),
        _common("config", str | None, None, "FILE", "Run", values),
        _common("save_config", str | None, None, "FILE", "Run", save),
    )


def _in_force(options: Options) -> str:
    given = {f.name: getattr(options, f.name) for f in fields(options)}
    changed = {name: v for name, v in given.items() if v != type(options).__dataclass_fields__[name].default}
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "defaults"


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
    try:
        return options_type(**parsed)
    except UsageError:
        # Of two faults the file that is not there comes first: it is what was typed first.
        named = next((parsed[f.name] for f in fields(options_type) if f.name == "model" and f.default is MISSING), None)
        if isinstance(named, str) and named != "-" and not Path(named).exists():
            raise InputError(f"{named}: no such file; check the path") from None
        raise


def _whole_numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option_name(name)} is {text!r}, expected whole numbers, such as 3 or 2,4") from None
