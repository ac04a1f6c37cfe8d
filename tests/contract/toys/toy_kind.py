"""A kind from outside: forces at places, which turn as the places turn."""

from symfind.kinds.kind import Kind, Layout, has, rows_as_stored
from symfind.kinds.registry import KINDS


def question(output_type):
    """F(x) is a force, which every ξ moves as it moves x."""
    from symfind.kinds.question import Question
    from symfind.lie_derivative import Same

    return Question("force", lambda asked, x, y: (Same(), "same, as a force turns with its place"))


KINDS.register(
    Kind(
        name="force",
        datasets="`x` (N, d), `force` (N, d)",
        recognised=has("x", "force"),
        layouts=(Layout(("x", "force"), ("group",), rows_as_stored),),
        questions=(("fields that turn forces with their places", ""),),
        question=question,
    ),
    before="points",
)
