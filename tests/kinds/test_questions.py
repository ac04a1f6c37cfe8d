"""Which output action a kind and its shapes imply, and what does not go together."""

import pytest

from symfind.errors import InputError, UsageError
from symfind.kinds.question import objects_of
from symfind.kinds.questions import QUESTIONS


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [((1, 3), (1, 1), "invariant"), ((1, 3), (1, 3), "free"), ((1, 9), (1, 9), "same"), ((1, 3), (1, 9), "invariant")],
)
def test_auto_says_what_it_chose_and_why(x: tuple[int, int], y: tuple[int, int], name: str) -> None:
    action, why = QUESTIONS["function"].action("auto", x, y)
    assert action.name == name
    assert why.startswith(name) and "because" in why


@pytest.mark.parametrize("asked", ["invariant", "same", "free"])
def test_what_is_asked_is_taken(asked: str) -> None:
    assert QUESTIONS["function"].action(asked, (1, 3), (1, 3))[0].name == asked


def test_same_needs_as_many_components() -> None:
    with pytest.raises(UsageError, match="y has 2"):
        QUESTIONS["function"].action("same", (1, 3), (1, 2))


@pytest.mark.parametrize(("kind", "name"), [("flow", "bracket"), ("map", "commuting")])
def test_dynamics_imply_their_action(kind: str, name: str) -> None:
    assert QUESTIONS[kind].action("auto", (1, 3), (1, 3))[0].name == name
    with pytest.raises(UsageError, match="leave it out"):
        QUESTIONS[kind].action("free", (1, 3), (1, 3))
    with pytest.raises(InputError, match="one space"):
        QUESTIONS[kind].action("auto", (1, 3), (1, 2))


def test_objects() -> None:
    assert objects_of((2, 4), "last") == (2, 4)
    assert objects_of((2, 4), "all") == (1, 8)
    assert objects_of((2, 3, 4), "last") == (6, 4)
    assert objects_of((5,), "last") == (1, 5)
    assert objects_of((), "last") == (1, 1)
