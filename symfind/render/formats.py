"""The forms a report is written in: one more is a function from a report to bytes, and a line here.

Light, like every table that the command line asks: what renders is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symfind.registry import Registry
from symfind.schema.shown import ENCODERS

if TYPE_CHECKING:
    from symfind.schema.document import Report


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form of a report.

    Attributes
    ----------
    name
        The value of ``--format``.
    encode
        Report → bytes.
    endings
        Of files that are written in it when ``--format`` is not given, the dot included.
    binary
        Whether it may not go to a terminal.
    """

    name: str
    encode: Callable[[Report], bytes]
    endings: tuple[str, ...] = ()
    binary: bool = False


def text_bytes(text: str) -> bytes:
    """UTF-8; half a surrogate, which names of files may hold, is written out."""
    return text.encode("utf-8", "backslashreplace")


def _json(report: Report) -> bytes:
    from symfind.schema.store import to_json

    return text_bytes(to_json(report))


def _hdf5(report: Report) -> bytes:
    from symfind.schema.store import to_hdf5

    return to_hdf5(report)


def _table(report: Report) -> bytes:
    from symfind.render.tables import to_table_text

    return text_bytes(to_table_text(report))


def _markdown(report: Report) -> bytes:
    from symfind.render.tables import to_markdown

    return text_bytes(to_markdown(report))


def _html(report: Report) -> bytes:
    from symfind.render.html import to_html

    return text_bytes(to_html(report))


def _csv(report: Report) -> bytes:
    from symfind.render.tables import to_csv

    return text_bytes(to_csv(report))


def _tex(report: Report) -> bytes:
    from symfind.render.tables import to_tex

    return text_bytes(to_tex(report))


def _announce(form: Format) -> None:
    """What ``report.save``, ``report.table`` and notebooks use, which stand below."""
    for name in (form.name, *form.endings):
        ENCODERS[name] = form.encode


FORMATS: Registry[Format] = Registry(
    "format",
    (
        Format(name="json", encode=_json, endings=(".json",)),
        Format(name="hdf5", encode=_hdf5, endings=(".h5", ".hdf5"), binary=True),
        Format(name="table", encode=_table),
        Format(name="markdown", encode=_markdown, endings=(".md",)),
        Format(name="html", encode=_html, endings=(".html",)),
        Format(name="csv", encode=_csv, endings=(".csv",)),
        Format(name="tex", encode=_tex, endings=(".tex",)),
    ),
    _announce,
)


def _pictures(report: Report) -> bytes:
    from symfind.render.html import pictures_html

    return text_bytes(pictures_html(report))


ENCODERS["plot"] = _pictures


def format_by_ending() -> dict[str, Format]:
    """Ending ↦ format."""
    return {ending: form for form in FORMATS for ending in form.endings}
