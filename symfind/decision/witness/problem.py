"""What is asked of the rows, and what the search for a witness is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from symfind.decision.witness.families import RegressionSettings
from symfind.decision.witness.leftover import JudgeSettings
from symfind.decision.witness.proposals import Shape
from symfind.decision.witness.structure import SymmetricClass
from symfind.decision.witness.symmetries import Symmetries, symmetries
from symfind.fields.space import VectorFieldSpace
from symfind.lie_derivative import OutputAction


@dataclass(frozen=True)
class WitnessSettings:
    """What the search is allowed.

    Attributes
    ----------
    regression, rough, judges
        Of the fits, of the fits that only rank candidates, and of the judges.
    near
        A candidate is followed if its held-out share of variance is at most this multiple of the least one …
    slack
        … plus this: a rough fit of few rows. The functions of a larger algebra have fewer variables, so that an exact
        one is fitted better than by its parts.
    worse
        … and if it leaves at most this share more of what the best explains: where most of y is noise, twice the noise
        is no measure.
    scaled
        Classes on top of which scalings are looked for.
    clear
        Forms of several objects are learned, which takes seconds, unless a named algebra leaves less than this share of
        what a general fit leaves.
    named
        A learned class comes before a named one of the same dimension if that leaves so many times more.
    better
        A part of an algebra is set beside it where its rough fit leaves less than this share of what the whole leaves.
    simple
        Exponents of smaller denominators are taken unless they leave so many times more.
    screw
        A screw is refined from the slopes of a rough fit if what a turn and what a shift change agree over the rows by
        at least this cosine (0.5 to 0.9): less spends seconds where there is none, more misses what is fitted badly.
    faint
        … and if of neither less than this share is left beside what a move of the centre explains (0.02 to 0.3): F does
        not depend on the one, or turns about a far point, which is a shift.
    turned
        Rows whose slopes propose a turn in oblique coordinates: four to six unknowns need no more.
    beyond_linear
        A turn in oblique coordinates is proposed if a linear function leaves so many times more (1.15 to 1.5): of a
        flow that is nearly linear under noise any turn of its linear part would seem to be one.
    exchanged
        The halves are exchanged where one half bounds η by less than so many tolerances: both together bound it by a
        factor of 2^(1/4) less, and by chance by more. More costs fits that decide nothing.
    compared
        Rows at which fields are compared: more than enough for the coefficients of any space that is searched.
    new
        Learned fields are known to some thousandths; what is so near to a span is in it.
    trials
        Most candidates that are judged on the other half.
    step
        Root mean square displacement of a finite step, in units of the spread of the data.
    kept
        Share of the rows that such a step must keep among the data: otherwise they cannot speak of it.
    partnered
        Share of the rows for which one way or the other must, if one way alone keeps fewer. Off a sheet or a shell half
        of them stay near it by its thickness; inside a volume nearly all do.
    """

    regression: RegressionSettings = field(default_factory=RegressionSettings)
    rough: RegressionSettings = field(
        default_factory=lambda: RegressionSettings(
            selection_rows=1000, lengths=(1.0, 3.0), ridges=(1e-9, 1e-4), degree_features=130, unknowns=600, rich=False
        )
    )
    judges: JudgeSettings = field(default_factory=JudgeSettings)
    near: float = 2.0
    slack: float = 0.003
    worse: float = 0.3
    clear: float = 0.3
    better: float = 0.8
    named: float = 1.5
    simple: float = 1.05
    screw: float = 0.7
    faint: float = 0.1
    turned: int = 1500
    beyond_linear: float = 1.2
    exchanged: float = 1.6
    compared: int = 400
    new: float = 0.05
    trials: int = 6
    scaled: int = 5
    step: float = 0.35
    kept: float = 0.5
    partnered: float = 0.75


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes
    ----------
    shape
        Of the rows.
    space, action, objects, output_objects
        The fields and what they do to y.
    whiten
        ``(r, d)`` of one object.
    fixed
        Coordinates of an object that are categories.
    flow
        Whether y is dx/dt.
    free
        Whether the action on y is an unknown matrix.
    """

    shape: Shape
    space: VectorFieldSpace
    action: OutputAction
    objects: tuple[int, int]
    output_objects: tuple[int, int]
    whiten: Tensor
    fixed: tuple[int, ...] = ()
    flow: bool = False
    free: bool = False

    def algebra(self, structure: SymmetricClass, x: Tensor) -> Symmetries:
        """The symmetries of a class of functions in the space."""
        return symmetries(
            structure,
            self.space,
            self.action,
            self.objects,
            self.output_objects,
            x,
            self.whiten,
            self.fixed,
            blind_counts=self.flow,
        )

    def on_data(self, vectors: Tensor, x: Tensor) -> Tensor:
        """What fields ``(P, c)`` do at rows ``(n, D)``, in units of the spread: ``(n·k·r, c)``, columns of norm one.

        Coefficients do not compare fields where inputs are nearly collinear: what moves little has large ones.
        """
        at = x.reshape(-1, self.objects[1])
        fields = torch.einsum("npd,pc->ndc", self.space.evaluate(at), vectors[: self.space.dim])
        moved = torch.einsum("rd,ndc->nrc", self.whiten, fields).reshape(-1, vectors.shape[1])
        return torch.as_tensor(moved / moved.norm(dim=0).clamp(min=1e-300))

    def new_beside(self, vectors: Tensor, span: Tensor, x: Tensor, settings: WitnessSettings) -> Tensor:
        """The combinations of fields ``(P, c)`` that move rows ``(n, D)`` as none of a span ``(P, k)`` does."""
        if span.shape[1] == 0:
            return vectors
        x = x[: settings.compared]
        basis = torch.linalg.qr(self.on_data(span, x)).Q
        own = self.on_data(vectors, x)
        _, sigma, vh = torch.linalg.svd(own - basis @ (basis.T @ own), full_matrices=False)
        own = vh[sigma > settings.new].T
        return torch.as_tensor(vectors @ own)
