"""What can go wrong, what to do about it, and the exit status it ends with.

Every error a user can meet is a :class:`SymfindError`. Its message is one line: what was given, what was
expected, what to do. The command line prints that line and exits with ``exit_code``; nothing else turns an
exception into a status.
"""

from __future__ import annotations

from symfind.untrusted_text import shown


class SymfindError(Exception):
    """Base of all errors that symfind raises on purpose.

    Parameters
    ----------
    message
        What was given, what was expected, what to do. Parts of it may come from a file: it is made one line that can
        be shown (:func:`~symfind.untrusted_text.shown`).
    drawing
        Lines that stand below it, such as a formula with a caret; each is shown as a line.

    Attributes
    ----------
    exit_code
        The process status of the command line (DESIGN §6).
    """

    exit_code: int = 1

    def __init__(self, message: str = "", drawing: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([shown(message), *map(shown, drawing)]))


class NumericalError(SymfindError):
    """A computation did not reach an answer that can be trusted (exit status 1)."""

    exit_code = 1


class WorseThanBefore(NumericalError):
    """What was made is worse than what was there, and is not written without ``--force`` (exit status 1).

    Attributes
    ----------
    document
        What was measured, as a record of the schema; it names no file.
    """

    def __init__(self, message: str, document: object) -> None:
        super().__init__(message)
        self.document = document


class UsageError(SymfindError):
    """The request is malformed: an unknown name, an option out of range (exit status 2)."""

    exit_code = 2


class InputError(SymfindError):
    """The input cannot be used: missing, malformed, unsafe or not finite (exit status 3)."""

    exit_code = 3


class NothingCertified(SymfindError):
    """No generator was certified although ``--require-symmetry`` asks for one (exit status 4)."""

    exit_code = 4
