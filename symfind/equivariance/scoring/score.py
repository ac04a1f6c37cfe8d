"""ρ of each generator, and ‖F(exp(tA)x) − ρ_out(exp(tA))F(x)‖ against t: how well a model obeys a given group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance, equivariance_error, kinds, spread
from symfind.fields.space import VectorFieldSpace
from symfind.fits.geometry import Moments, input_geometry, output_root
from symfind.lie.groups.representations import of_word
from symfind.lie_derivative import LieDerivative, field_mean
from symfind.models.model import Model
from symfind.schema.enforcement import ErrorMeasured, GeneratorScored

_F64 = torch.float64

SIZES = (0.01, 0.1, 0.3, 1.0, 3.0)
"""From infinitesimal to half a turn."""

ELEMENTS = 256


@dataclass(frozen=True, eq=False)
class GivenFields:
    """ξᵢ(x) = Aᵢx + bᵢ for given matrices; conforms to :class:`symfind.fields.space.VectorFieldSpace`.

    Attributes
    ----------
    matrices, shifts
        A ``(p, d, d)`` and b ``(p, d)``.
    """

    matrices: Tensor
    shifts: Tensor
    name: str = "given"

    @property
    def d(self) -> int:
        """Dimension of the space the fields live on."""
        return self.matrices.shape[-1]

    @property
    def dim(self) -> int:
        """Number p of fields."""
        return self.matrices.shape[0]

    @property
    def has_constants(self) -> bool:
        """Whether translations are among them, so that fields are not measured about their mean."""
        return bool((self.shifts != 0).any())

    def evaluate(self, x: Tensor) -> Tensor:
        """Fields at points: ``(n, d)`` → ``(n, p, d)``."""
        return torch.einsum("pab,nb->npa", self.matrices, x) + self.shifts

    def jacobian(self, x: Tensor) -> Tensor:
        """Slopes, the same at every point: ``(n, p, d, d)``."""
        return self.matrices.expand(len(x), -1, -1, -1)

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """Aᵢv: ``(n, p, d)``."""
        return torch.einsum("pab,nb->npa", self.matrices, v)

    def push(self, x: Tensor, covectors: Tensor) -> Tensor:
        """⟨w, ξᵢ(x)⟩: covectors ``(n, m, d)`` → ``(n, m, p)``."""
        return torch.einsum("npa,nma->nmp", self.evaluate(x), covectors)

    def centred(self, mean: Tensor, scale: Tensor) -> VectorFieldSpace:
        """The fields themselves: given ones are not parametrised anew."""
        return self

    def table(self, coefficients: Tensor) -> Tensor:
        """Combinations as rows of the entries of A and b."""
        return coefficients.T @ torch.cat([self.matrices.flatten(1), self.shifts], 1)

    def names(self, coordinates: Sequence[str]) -> list[str]:
        """Numbers: the fields have no names of their own."""
        return [f"generator {i + 1}" for i in range(self.dim)]

    def expression(self, coefficients: Tensor, coordinates: Sequence[str], *, latex: bool = False) -> str:
        """Σ cᵢ ξᵢ by number."""
        return " + ".join(f"{float(c):.3g} ({n})" for c, n in zip(coefficients, self.names(coordinates), strict=True))


@dataclass(frozen=True, eq=False)
class GivenAction:
    """ξ_Y·y = Bᵢy with the images Bᵢ of the generators; conforms to ``OutputAction``."""

    images: Tensor
    name: str = "given"
    extra: int = 0

    def columns(self, space: VectorFieldSpace, x: Tensor, y: Tensor) -> Tensor:
        """Bᵢy: y ``(n, 1, m)`` → ``(n, 1, m, p)``."""
        return torch.einsum("pab,nkb->nkap", self.images, y)

    def matrix(self, space: VectorFieldSpace, coefficients: Tensor) -> Tensor:
        """Σ cᵢBᵢ."""
        return torch.einsum("p,pab->ab", coefficients, self.images)


def relative_defects(model: Model, task: Equivariance, x: Tensor) -> tuple[float, ...]:
    """ρ of each generator of the group, in the units of the Lie derivative of ``discover``."""
    group = task.group
    if group.is_finite:
        return ()
    space, objects = _fields(task)
    m = task.output_width
    images = task.rep_out.drho(group.generators)
    shifted = images.shape[-1] == m + 1  # points of an affine group move by a constant beside a matrix
    flat = x.reshape(len(x), -1)
    moments = Moments(flat.shape[1])
    moments.add(flat)
    geometry = input_geometry(moments, objects[0])
    values = model(x).reshape(-1, 1, m)
    geometry = replace(geometry, outputs=output_root([values]))
    if geometry.outputs.shape[1] == 0:
        return (0.0,) * group.dimension  # a constant: nothing moves
    mean = field_mean(space, geometry, flat.reshape(-1, *objects), None)
    action = GivenAction(images[:, :m, :m])
    derivative = LieDerivative(model, space, action, geometry, objects, (1, m), mean)
    pencil = derivative.pencil(x)
    numerator = pencil.m
    if shifted:
        constant = torch.einsum("pm,mh->hp", images[:, :m, m], geometry.outputs)
        numerator = numerator - constant
    size = pencil.s.square().sum((0, 1)).clamp_min(1e-300)
    return tuple((numerator.square().sum((0, 1)) / size).sqrt().tolist())


def _fields(task: Equivariance) -> tuple[GivenFields, tuple[int, int]]:
    """Generators on one object and the objects ``(k, d)``, where ρ_in is k copies of one action; else on the row."""
    group, rep, width = task.group, task.rep_in, task.input_width
    found = kinds(rep)
    if rep.dim == width and len(found) == 1 and torch.equal(found[0][1].flatten(), torch.arange(width)):
        matrices = of_word(group, found[0][0]).drho(group.generators)
        return GivenFields(matrices, matrices.new_zeros(matrices.shape[:2])), tuple(found[0][1].shape)  # type: ignore[return-value]
    if rep.dim == width + 1 and len(found) == 1:
        n = group.point_dimension
        return GivenFields(group.generators[:, :n, :n], group.generators[:, :n, n]), (width // n, n)
    image = rep.drho(group.generators)
    return GivenFields(image[:, :width, :width], image.new_zeros(len(image), width)), (1, width)


def scored(
    model: Model, task: Equivariance, x: Tensor, rng: torch.Generator
) -> tuple[tuple[GeneratorScored, ...], ErrorMeasured]:
    """Each generator and component with its errors, and the error over the whole group.

    Parameters
    ----------
    model
        F.
    task
        Group and representations.
    x
        Rows.
    rng
        Of the elements of the whole group.
    """
    group, rows = task.group, x[:ELEMENTS]
    unit = spread(model(rows))
    out = []
    for i, (a, defect) in enumerate(zip(group.generators, relative_defects(model, task, x), strict=True)):
        radius = float(torch.linalg.eigvals(a).abs().max())
        a = a / (radius if radius > 1e-9 else float(a.norm()))
        finite = []
        for t in SIZES:
            g = torch.linalg.matrix_exp(t * a).expand(len(rows), -1, -1)
            finite.append(equivariance_error(model, task, rows, g, unit).rms)
        out.append(GeneratorScored(name=f"generator {i + 1}", defect=defect, finite=tuple(finite)))
    for i, g in enumerate(group.components):
        error = equivariance_error(model, task, rows, g.expand(len(rows), -1, -1), unit)
        out.append(GeneratorScored(name=f"component {i + 1}", finite=(error.rms,)))
    whole = equivariance_error(model, task, x, task.fresh_elements(ELEMENTS, rng), unit)
    return tuple(out), whole
