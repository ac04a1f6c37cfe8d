"""Text that somebody else wrote, made fit to be shown: one line, no control characters, no longer than can be read."""

from __future__ import annotations

import json
import re

# A line that a terminal of 80 columns shows on 25 lines; paths are at most 4,096 bytes, mostly less than 200.
LONGEST = 2000
# A name or a value inside such a line, or in a cell of a table.
LONGEST_NAME = 200
# C0 and C1 controls, DEL; marks that change the direction of writing or cannot be seen (all of Unicode's format
# characters but the two joiners that Persian and Indian scripts need); separators of lines; halves of surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_UNSEEN_IN_JSON = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "").replace("\ud800-\udfff", ""))
_LATEX = {letter: "\\" + letter for letter in "{}$&#%_"} | {
    "\\": r"\backslash{}",
    "^": r"\hat{}",
    "~": r"\sim{}",
}
_SPACES = re.compile(r"[ \t]*[\r\n][\s]*|\t")


def shown(text: object, longest: int = LONGEST) -> str:
    r"""Return text as one line: line breaks become blanks, what cannot be seen becomes ``\x1b`` or ``\u202e``.

    What is longer than ``longest`` loses its middle, as the end of a message says what to do.

    Parameters
    ----------
    text
        Whatever was read: a name, a value, a message made of such.
    longest
        Characters that are kept.
    """
    line = str(text)
    if len(line) > longest:
        head, tail = longest - longest // 3, longest // 3
        line = f"{line[:head]} … ({len(line) - head - tail} more characters) … {line[len(line) - tail :]}"
    return _UNSEEN.sub(_escape, _SPACES.sub(" ", line))


def shown_in_json(text: str) -> str:
    r"""Return JSON text with what cannot be seen as JSON's own escapes: ``\u009b`` would reach a terminal as a command.

    Line breaks of the layout stay; those inside texts are escaped already. Halves of surrogates stay too.
    """
    return _UNSEEN_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)


def latex(text: str) -> str:
    """Return text that LaTeX sets as it stands: no command, no group, no comment can be made of it."""
    return "".join(_LATEX.get(letter, letter) for letter in shown(text, LONGEST_NAME))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
