"""What a kind of data is: how a file of it is recognised and becomes rows, and what can be asked of them (DESIGN §3).

A record is light: whatever computes is imported when it is called, so that the command line knows every kind without
torch or h5py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from symfind.errors import UsageError

if TYPE_CHECKING:
    import h5py
    import torch

    from symfind.data.dataset import Dataset
    from symfind.data.mapping import RoleMapping
    from symfind.data.rows import Rows, StoredArray
    from symfind.decision.evidence import Evidence, Examined
    from symfind.fits.surrogate import Samples
    from symfind.kinds.frame import Frame
    from symfind.kinds.question import Question
    from symfind.options.of_verbs import DiscoverOptions
    from symfind.progress import Clock

Arrays: TypeAlias = "Mapping[str, StoredArray]"

Reader: TypeAlias = "Callable[[h5py.File, Arrays, RoleMapping], Rows]"


def has(*roles: str) -> Callable[[Arrays, Set[str]], bool]:
    """Whether all these roles are present: what most kinds are recognised by."""
    return lambda arrays, present: present >= set(roles)


def rows_as_stored(file: h5py.File, arrays: Arrays, given: RoleMapping) -> Rows:
    """Rows of the arrays as they are: what most kinds are read as."""
    from symfind.data.rows import stored_rows

    del given
    return stored_rows(file, arrays)


@dataclass(frozen=True)
class Layout:
    """One way of storing a kind: the roles it needs, those it can use, and how they become rows."""

    roles: tuple[str, ...]
    optional: tuple[str, ...]
    read: Reader


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data.

    Evidence comes in one of three ways. ``examine``: the kind reads, fits and judges by itself. ``weigh``: rows,
    metrics and candidates are made for it, and it has no F. Neither: F is given or fitted, and its Lie derivative
    decomposed.

    Attributes
    ----------
    name
        The value of a file's root attribute ``kind``.
    datasets
        What a file of it holds, as the documentation shows it.
    recognised
        Whether the arrays found in a file without the attribute, and the roles present (an axis ``t`` may be
        given without an array), say this kind.
    layouts
        How it may be stored, tried in this order; the first whose roles are all there is taken. A kind without
        any is recognised, so that it is not mistaken for another, and declined.
    questions
        What can be asked of such data, in a line each, with the options of ``symfind discover`` that ask it.
    methods
        The values of ``--method`` beside ``auto`` that go with it, the one that ``auto`` takes first.
    space
        The candidates when none are named.
    question
        Type of y (None: numbers alone) → what is asked of F; None for a kind that examines its data itself.
    tensors
        Whether y may be a tensor at each point (``--output-type``).
    weigh
        (request, frame, names, samples, generator) → evidence about a distribution.
    examine
        (request, dataset, rows to read, generator, clock) → evidence.
    promoted
        What ``promote`` fits: ``"values"`` of F at points, a ``"kernel"`` between fields, or nothing.
    conserved
        What F says to ``conserve``: the ``"rate"`` dx/dt, the next ``"step"``, or nothing.
    follows
        Whether what a generator does to F(x) follows from ξ, so that nobody needs to be told.
    pictures
        Whether rows of x can be drawn as images.
    objects
        Whether the axes of x before its last count objects, on which one action may act alike.
    input_role
        The role of the dataset that ``--input`` names.
    first_axis
        The name with which ``--grid`` begins, where such data lie on a grid.
    labelled
        Shape of a row of it → shape of what the file's ``names`` name.
    """

    name: str
    datasets: str
    recognised: Callable[[Arrays, Set[str]], bool]
    layouts: tuple[Layout, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()
    methods: tuple[str, ...] = ("nullspace",)
    space: str = "linear"
    question: Callable[[str | None], Question] | None = None
    tensors: bool = False
    weigh: Callable[[DiscoverOptions, Frame, tuple[str, ...], Samples, torch.Generator], Evidence] | None = None
    examine: Callable[[DiscoverOptions, Dataset, int, torch.Generator, Clock], Examined] | None = None
    promoted: str = ""
    conserved: str = ""
    follows: bool = False
    pictures: bool = False
    objects: bool = True
    input_role: str = "x"
    first_axis: str = ""
    labelled: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda row: row

    @property
    def roles(self) -> frozenset[str]:
        """Every role some layout needs or can use."""
        return frozenset(role for layout in self.layouts for role in (*layout.roles, *layout.optional))

    @property
    def judges_models(self) -> bool:
        """Whether F may be a trained model: F is all that is asked about."""
        return self.question is not None and self.weigh is None and self.examine is None

    def check(self, method: str, output_type: str | None) -> None:
        """Refuse options that do not go with such data.

        Raises
        ------
        UsageError
            Naming those that do.
        """
        if method not in ("auto", *self.methods):
            known = ", ".join(self.methods)
            raise UsageError(f"--method {method} does not go with {self.name} data; take {known} or auto")
        if output_type is not None and not self.tensors:
            raise UsageError(
                f"--output-type says what y of function data is, these data are of kind {self.name}; leave it out"
            )

    def asked(self, output_type: str | None = None) -> Question:
        """What is asked of F, y being a tensor of the given type at each point (None: numbers alone).

        Raises
        ------
        UsageError
            There is no such type, or the kind has no F of which anything could be asked.
        """
        self.check("auto", output_type)
        if self.question is None:
            raise UsageError(f"{self.name} data have no F(x) at a point x; take data of another kind")
        return self.question(output_type)
