"""P_normal(x)·ξ(x) = 0: fields tangent to the set on which the points lie, its normal space by local PCA."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.discover.evidence import Evidence
from symfind.discover.nullspace import Frame, enough_rows
from symfind.discover.weak import WeakExtent
from symfind.errors import InputError, UsageError
from symfind.fields.space import finite_fields
from symfind.lie_derivative import Invariant
from symfind.linalg.nullspace import Pencil, generalised_spectrum
from symfind.significance.given import GivenSide
from symfind.significance.halves import halves
from symfind.sources.surrogate import Samples

# Neighbours for a local plane: a few times the dimension, so that noise averages out while the plane stays local.
_NEIGHBOURS_PER_DIMENSION = 4
_REFERENCE = 8000
# Mean local spreads must fall by this factor (in variance) from tangent to normal directions for a set to have a
# dimension below that of the space.
_LEAST_DROP = 10.0


@dataclass(frozen=True)
class NormalPencil:
    """Rows M = P_normal G^{-1/2}ξ and S = G^{-1/2}ξ at points, normals from the nearest reference points.

    Attributes
    ----------
    frame
        Space and metric; one object.
    reference
        ``(r, D)`` whitened points.
    dimension
        Of the set.
    neighbours
        How many points make a local plane.
    """

    frame: Frame
    reference: Tensor
    dimension: int
    neighbours: int

    @property
    def unknowns(self) -> int:
        """Number of fields."""
        return self.frame.space.dim

    @property
    def rows_at_once(self) -> int:
        """Points held at once."""
        return max(1, min(512, 2**23 // max(self.reference.shape[0], self.unknowns * self.frame.objects[1])))

    def pencil(self, x: Tensor) -> Pencil:
        """Rows at points ``(n, d)``."""
        t = self.frame.geometry.inputs.whiten
        flat = x.flatten(1)
        _, _, frames = local_planes(flat @ t.T, self.reference, self.neighbours)
        normal = frames[:, :, self.dimension :]  # (n, r, codim)
        xi = torch.einsum("npd,rd->nrp", finite_fields(self.frame.space, flat), t)
        return Pencil(torch.einsum("nrc,nrp->ncp", normal, xi), xi)


def local_planes(points: Tensor, reference: Tensor, neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    """Means, descending variances ``(n, r)`` and frames ``(n, r, r)`` of the nearest reference points."""
    distance = torch.cdist(points, reference)
    nearest = distance.topk(neighbours + 1, largest=False).indices
    cloud = reference[nearest]
    mean = cloud.mean(1)
    centred = cloud - mean[:, None]
    _, sigma, vh = torch.linalg.svd(centred, full_matrices=True)
    variance = torch.zeros(points.shape[0], points.shape[1], dtype=points.dtype)
    variance[:, : sigma.shape[1]] = sigma.square() / neighbours
    return mean, variance, vh.mT


def set_dimension(points: Tensor, reference: Tensor, neighbours: int) -> tuple[int, float]:
    """Dimension of the set and the share of local variance that is normal to it.

    Raises
    ------
    InputError
        If the local variances do not fall: the points fill the space.
    """
    mean = local_planes(points, reference, neighbours)[1].mean(0)
    drops = mean[:-1] / mean[1:].clamp(min=1e-300)
    if drops.numel() == 0 or float(drops.max()) < _LEAST_DROP:
        raise InputError(
            "the points fill the space, so that every field is tangent to their set; "
            "ask for the flows that preserve their distribution with --method weak"
        )
    dimension = int(torch.argmax(drops)) + 1
    return dimension, float(mean[dimension:].sum() / mean.sum())


def evidence_of_tangency(frame: Frame, samples: Samples, generator: torch.Generator) -> Evidence:
    """Fields tangent to the set of the points, a curve or a surface of any codimension.

    Raises
    ------
    InputError
        For too few points, or points that fill the space.
    UsageError
        For several objects in a row: local planes are of one space.
    """
    if frame.objects[0] > 1:
        raise UsageError(
            f"--method tangent takes points of one space, each row holds {frame.objects[0]} objects; "
            "take --acts-on all or --method weak"
        )
    enough_rows(frame, len(samples))
    whitened = samples.x @ frame.geometry.inputs.whiten.T
    chosen = torch.randperm(len(samples), generator=generator)
    reference = whitened[chosen[:_REFERENCE]]
    neighbours = min(_NEIGHBOURS_PER_DIMENSION * whitened.shape[1], len(samples) - 2)
    dimension, normal = set_dimension(whitened[chosen[:500]], reference, neighbours)
    pencil = NormalPencil(frame, reference, dimension, neighbours)
    split = halves(samples, generator)
    shape = (samples.x.shape[1],)
    doubts: tuple[str, ...] = ()
    if split is None:
        raise InputError("all points are of one group (one curve): give several to tell the set from the curve")
    sides = (GivenSide(split[0], pencil, shape), GivenSide(split[1], pencil, shape))
    spectrum = generalised_spectrum(
        torch.cat([side.m.factor() for side in sides]), torch.cat([side.s.factor() for side in sides])
    )
    message = f"the points lie on a set of dimension {dimension}; {100 * normal:.2g} % of the local variance is off it"
    return Evidence(
        frame.space,
        Invariant(),
        spectrum,
        sides,
        WeakExtent(),
        given=False,
        doubts=doubts,
        rank=spectrum.values.shape[0],
        messages=(message,),
        bracket_points=samples.x[:400].reshape(-1, frame.objects[1]),
    )
