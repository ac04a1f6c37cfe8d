"""Fields learned inside a classifier: one layer y = u W⁰ + Σᵢ Lᵢu Wⁱ with Lᵢ = −ξᵢ·∇, trained on labels.

This is the Lie algebra convolution of Dehmamy et al. (2021, arXiv 2109.07103, eq. 9) with the Lᵢ in a space of fields:
ξᵢ = Σ_p c_ip ξ_p with c learned along with the weights. The layer sees the span of the ξᵢ alone, since Wⁱ mixes them;
so its directions are read out in the order of ρ. That a field helps to tell classes apart does not make it a symmetry:
every direction is followed like any other candidate. Axis letters: n images, k generators, p fields, f filters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.decision.halves import part_held_out
from symfind.errors import UsageError
from symfind.fields.plane import Grid, ImageFields
from symfind.fits.training import LabelRecipe, train_on_labels
from symfind.kinds.image.ranges import Candidate, candidate_along, unit_of
from symfind.kinds.image.settings import SETTINGS
from symfind.linalg.nullspace import generalised_spectrum

_GENERATORS, _FILTERS = 3, 6
_RECIPE = LabelRecipe(epochs=6, batch=64, rate=3e-3)
# More images bring little to so small a network; they judge instead.
_MOST_IMAGES = 4000


class FieldLConv(nn.Module):
    """Logits of one L-conv layer by fields of a space, a ReLU and a linear layer.

    Attributes
    ----------
    coefficients
        c ``(k, p)``, in units in which every field of the space does as much to the images.
    """

    def __init__(self, space: ImageFields, images: Tensor, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        n, c, height, width = images.shape
        self.space, self.grid = space, Grid(height, width)
        some = space.derivative(images[:200], self.grid)
        self.size = some.square().mean((0, 2, 3, 4)).sqrt().clamp(min=1e-12)  # (p,)
        k = min(_GENERATORS, space.dim)

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) / shape[-1] ** 0.5)

        self.coefficients = draw(k, space.dim)
        self.mixing = draw(_FILTERS, (1 + k) * c)
        self.offset = nn.Parameter(torch.zeros(_FILTERS, 1))
        self.head = draw(classes, _FILTERS * height * width)
        self.constant = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(n, m)`` of standardised images."""
        with torch.no_grad():
            along = self.space.derivative(x, self.grid) / self.size[:, None, None, None]  # (n, p, c, H, W)
        moved = torch.einsum("kp,npchw->nkchw", self.coefficients, along)
        every = torch.cat([x[:, None], moved], 1).flatten(1, 2).flatten(2)  # (n, (1 + k)·c, d)
        y = torch.relu(nn.functional.conv1d(every, self.mixing[:, :, None], self.offset[:, 0]))
        return y.flatten(1) @ self.head.T + self.constant

    def span(self) -> Tensor:
        """The fields ``(p, k)`` in the coefficients of the space."""
        return (self.coefficients.detach() / self.size).T.double()


@dataclass(frozen=True)
class LearnedInside:
    """What a trained layer holds.

    Attributes
    ----------
    vectors
        ``(p, k)``: the span.
    accuracy
        On the images that it was not trained on.
    trained_on
        How many it was trained on.
    """

    vectors: Tensor
    accuracy: float
    trained_on: int


def learn_inside(
    images: Tensor, labels: Tensor, group: Tensor | None, space: ImageFields, generator: torch.Generator
) -> LearnedInside:
    """Train the classifier on half of the images ``(n, c, H, W)`` with labels 0 … m − 1, groups ``(n,)`` whole.

    Raises
    ------
    UsageError
        The space has colours: their change is no −ξ·∇u.
    """
    if space.plane is None or space.colour is not None:
        raise UsageError(f"--method lconv learns fields on the plane; --space {space.name} has colours")
    seen, rest = (part[:_MOST_IMAGES] for part in part_held_out(len(images), len(images) // 2, group, generator))
    mean, scale = float(images[seen].mean()), float(images[seen].std().clamp(min=1e-30))
    x, y = (images[seen] - mean) / scale, labels[seen]
    network = FieldLConv(space, x, int(labels.max()) + 1, generator)
    train_on_labels(network, x, y, _RECIPE, generator)
    with torch.no_grad():
        right = [network((images[r] - mean) / scale).argmax(1) == labels[r] for r in torch.split(rest, 500)]
    return LearnedInside(network.span(), float(torch.cat(right).float().mean()), len(seen))


def directions_inside(
    learned: LearnedInside, space: ImageFields, m: Tensor, s: Tensor
) -> tuple[list[Candidate], tuple[str, ...]]:
    """The learned span's directions in the order of ρ, and what to tell.

    Parameters
    ----------
    learned, space
        The span, and its fields.
    m, s
        Rows ``(n, ·, p)`` of the numerator and the denominator of ρ.
    """
    inside = generalised_spectrum(
        (m @ learned.vectors).flatten(0, 1), (s @ learned.vectors).flatten(0, 1), SETTINGS.trivial
    )
    found = []
    for vector in (learned.vectors @ inside.vectors).T:
        scaled = vector / vector.abs().max()
        found.append(candidate_along(m, s, scaled, unit_of(space, scaled), "flow"))
    return found, (
        f"L-conv of {learned.vectors.shape[1]} learned fields and {_FILTERS} filters, trained on {learned.trained_on} "
        f"images: accuracy {learned.accuracy:.3f} on others; the directions of their span are read out",
        "a field that helps to tell classes apart need be no symmetry: each is followed like any other candidate",
    )
