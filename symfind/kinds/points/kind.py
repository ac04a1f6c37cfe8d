"""Points alone: flows that preserve their distribution, or are tangent to the set they lie on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symfind.kinds.kind import Kind, Layout, has, rows_as_stored

if TYPE_CHECKING:
    import torch

    from symfind.decision.evidence import Evidence
    from symfind.fits.surrogate import Samples
    from symfind.kinds.frame import Frame
    from symfind.kinds.question import Question
    from symfind.options.of_verbs import DiscoverOptions


def _question(output_type: str | None) -> Question:
    from symfind.kinds.points.questions import distribution_question

    del output_type
    return distribution_question()


def _weighed(
    request: DiscoverOptions, frame: Frame, names: tuple[str, ...], samples: Samples, generator: torch.Generator
) -> Evidence:
    if request.method == "tangent":
        from symfind.kinds.points.tangent import evidence_of_tangency  # only those pay for an import who ask

        return evidence_of_tangency(request, frame, names, samples, generator)
    from symfind.kinds.points.weak import evidence_of_points

    return evidence_of_points(frame, samples, generator)


POINTS = Kind(
    name="points",
    datasets="`x` (N, d)",
    recognised=has("x"),
    layouts=(Layout(("x",), ("group",), rows_as_stored),),
    questions=(
        ("flows that preserve the distribution of the points", ""),
        ("flows tangent to the set that the points lie on", " --method tangent"),
    ),
    methods=("weak", "tangent"),
    space="affine",
    question=_question,
    weigh=_weighed,
)
