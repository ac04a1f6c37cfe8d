"""What points ask: there is no F, and so nothing for ξ to act on but the points."""

from __future__ import annotations

from symfind.errors import UsageError
from symfind.kinds.question import Objects, Question
from symfind.lie_derivative import Invariant, OutputAction


def distribution_question() -> Question:
    """A distribution has no F."""
    return Question(None, _no_action)


def _no_action(asked: str, x: Objects, y: Objects) -> tuple[OutputAction, str]:
    del x, y
    if asked not in ("auto", "invariant"):
        raise UsageError(f"--output-action {asked} says how y moves, and points have no y; leave it out")
    return Invariant(), "invariant, as there is no y"
