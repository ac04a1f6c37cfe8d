"""Text that somebody else wrote, made fit to be shown: one line, no control characters, no longer than can be read."""

from __future__ import annotations

import json
import re
import unicodedata

# A line that a terminal of 80 columns shows on 25 lines; paths are at most 4,096 bytes, mostly less than 200.
LONGEST = 2000
# A name or a value inside such a line, or in a cell of a table.
LONGEST_NAME = 200
# Unicode's categories of controls, marks of direction, halves of surrogates, private and unknown characters, and
# separators of lines: a terminal obeys some of them, and no reader sees any.
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # which Persian and Indian scripts need
# Those that JSON text may hold as they are. Line breaks of its layout stay, and halves of surrogates, which are escaped
# when the text becomes bytes.
_UNSEEN_IN_JSON = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_LATEX = {letter: "\\" + letter for letter in "{}$&#%_"} | {"\\": r"\backslash{}", "^": r"\hat{}", "~": r"\sim{}"}
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
    if line.isprintable():
        return line
    line = _SPACES.sub(" ", line)
    return "".join(_escape(c) if unicodedata.category(c) in _UNSEEN and c not in _JOINERS else c for c in line)


def shown_in_json(text: str) -> str:
    r"""Return JSON text with what cannot be seen as JSON's own escapes, such as ``\u009b``, which a terminal obeys."""
    return _UNSEEN_IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)


def latex(text: str) -> str:
    """Return text that LaTeX sets as it stands: no command, no group, no comment can be made of it."""
    return "".join(_LATEX.get(letter, letter) for letter in shown(text, LONGEST_NAME))


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
