"""F̄(x) = mean over frames U of x of ρ_out(U)F(U⁻¹x): exact equivariance at the cost of a few evaluations.

The frames of x are the principal axes of its vectors: eigenvectors of Σ xᵢxᵢᵀ, in all choices of their signs (Puny et
al. 2022, arXiv 2110.03336). Translations are taken out by the mean of the points; of the Lorentz group the boost to
the rest frame of the timelike eigenvector of Σ xᵢxᵢᵀη comes first. Where two eigenvalues meet, the axes are not
defined: as their gap closes, the mean over the whole rotation group takes over with a weight that goes to one, so that
F̄ has no jump there (weighted frames: Dym et al. 2024, arXiv 2402.16077).

Axis letters: n points, k vectors of d coordinates, e of them turned (d − 1 for the Lorentz group), s frames.
"""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

import itertools
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance
from symfind.errors import UsageError
from symfind.lie.groups.catalogue import CompactGroup, parse_group
from symfind.lie.groups.representations import Representation

# Eigenvectors are known to rounding divided by the gap, relative to the larger of the two eigenvalues: an error of √ε
# is reached at √ε. In float64 the mean over rotations is the worse one from 1e-6 on.
GAP = 1e-6

# The weight of the frames grows from 0 to 1 over this factor of the gap (smoothly, in its logarithm).
_FADE = 10.0

# Eigenvalues below this share of the largest are zero to rounding (squares of 1e-6 of the size): all choices of axes
# there see the same coordinates, zero, so they need not be told apart. In float32 it is the square of 16 ε.
_NULL = 1e-12

# Rows without a frame of their own are averaged over so many rotations at most.
_NODES = 1000
_DEGREE = 10

# 2^10 choices of signs: more would cost as much as a quadrature.
_MOST_TURNED = 11


@dataclass(frozen=True)
class _Kind:
    """What is done to the vectors before they are turned."""

    centred: bool
    boosted: bool
    turned: bool
    proper: bool


def _kind(task: Equivariance) -> _Kind:
    match = re.fullmatch(r"(so|o|se|e|t)\((\d+)(?:,(\d+))?\)", task.group.name)
    if match is None or (match[3] is not None and (match[1] != "so" or match[2] != "1")):
        raise UsageError(
            f"--method frames knows so(n), o(n), so(1,n), se(n), e(n) and t(n), not {task.group.name}; "
            "use --method average, project or distill"
        )
    letter = match[1]
    return _Kind(letter in ("se", "e", "t"), match[3] is not None, letter != "t", letter in ("so", "se"))


def vectors_and_scalars(rep: Representation, what: str) -> tuple[Tensor, Tensor, bool]:
    """Positions of vectors ``(k, d)`` and scalars ``(c,)``, and whether the vectors are points."""
    vectors, scalars, points = [], [], False
    for word, index in zip(rep.words, rep.slices, strict=True):
        name = word[0].name if len(word) == 1 else ("" if word else "1")
        if name in ("1", "1x0", "1x0e"):
            scalars.append(index)
        elif (name in ("V", "1x1", "1x1o", "L") or name.startswith("V'[")) and not (rep.group.affine and name == "V"):
            vectors.append(index)
        elif name.startswith("points("):
            points = True
            vectors.extend(index[:-1].reshape(-1, rep.group.point_dimension))
        else:
            raise UsageError(
                f"--method frames moves vectors V and scalars, but {what} is {rep}; use --method average or distill"
            )
    d = rep.group.point_dimension
    stacked = torch.stack(vectors) if vectors else torch.empty(0, d, dtype=torch.int64)
    return stacked, torch.cat(scalars) if scalars else torch.empty(0, dtype=torch.int64), points


class FrameAveragedNetwork(nn.Module):
    """F̄(x) = mean over the frames of x; scriptable if F is.

    Parameters
    ----------
    model
        F: ``(n, *fed_shape)`` → ``(n, …)``.
    task
        One of so(n), o(n), so(1,n), se(n), e(n), t(n) on vectors (points, for the last three) and scalars.
    fed_shape
        Shape of a row as F takes it; that of ``task.input_shape`` when absent.

    Raises
    ------
    UsageError
        For another group or representation; the message says which method to take.
    """

    change: Tensor
    change_back: Tensor
    places: Tensor
    places_out: Tensor
    signs: Tensor
    nodes: Tensor
    weights: Tensor

    def __init__(self, model: nn.Module, task: Equivariance, fed_shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        kind = _kind(task)
        vectors, _, points_in = vectors_and_scalars(task.rep_in, "--rep-in")
        vectors_out, _, points_out = vectors_and_scalars(task.rep_out, "--rep-out")
        if len(vectors) == 0:
            raise UsageError(f"--method frames needs vectors in the input, but --rep-in is {task.rep_in}")
        d = vectors.shape[1]
        e = d - 1 if kind.boosted else d
        if e > _MOST_TURNED and kind.turned:
            raise UsageError(f"{2**e} choices of signs in {e} dimensions are too many; use --method average")
        self.model = model
        self.fed_shape = list(task.input_shape if fed_shape is None else fed_shape)
        self.k, self.d, self.e = len(vectors), d, e
        self.k_out = len(vectors_out)
        # Vectors of an affine group (L) are differences: they are turned, but not centred.
        self.centred, self.points_out = kind.centred and points_in, points_out
        self.boosted, self.turned, self.proper = kind.boosted, kind.turned, kind.proper
        change = torch.eye(d, dtype=torch.float64) if task.coordinates is None else task.coordinates
        self.register_buffer("change", change.clone())
        self.register_buffer("change_back", torch.linalg.inv(change))
        self.register_buffer("places", vectors.flatten())
        self.register_buffer("places_out", vectors_out.flatten())
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=e)), dtype=torch.float64)
        if not kind.turned:
            signs = signs[:1]
        elif kind.proper:
            signs = signs[signs.prod(1) > 0]
        self.register_buffer("signs", signs)
        group = parse_group(f"{'so' if kind.proper or not kind.turned else 'o'}{e}")
        assert isinstance(group, CompactGroup)
        rule = group.haar(_DEGREE, torch.Generator().manual_seed(0), _NODES)
        self.register_buffer("nodes", rule.nodes)
        self.register_buffer("weights", rule.weights)

    def forward(self, x: Tensor) -> Tensor:
        """F̄(x): ``(n, *input_shape)`` → ``(n, *output_shape)``."""
        flat = x.unsqueeze(-1).flatten(1)
        vectors = flat.index_select(1, self.places).reshape(-1, self.k, self.d)
        centre = vectors.mean(1, keepdim=True)
        if self.centred:
            vectors = vectors - centre
        vectors = vectors @ self.change.to(x.dtype).t()
        boost = torch.eye(self.d, dtype=x.dtype, device=x.device).expand(x.shape[0], self.d, self.d)
        lost = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
        if self.boosted:
            found = self.rest_frame(vectors)
            lost = ~torch.isfinite(found).flatten(1).all(1)
            # Eigenvalues of NaN are an error: such rows go on unmoved, and are marked at the end.
            boost = torch.where(lost.reshape(-1, 1, 1), boost, found)
            vectors = vectors @ boost.transpose(1, 2)
        axes, gap = self.principal_axes(vectors)
        turns = axes.unsqueeze(1) * self.signs.to(x.dtype).unsqueeze(0).unsqueeze(2)
        y = self.framed(flat, vectors, turns)
        shape = list(y.shape)[2:]
        merged = y.unsqueeze(-1).flatten(2)
        weights = torch.full([turns.shape[1]], 1.0 / turns.shape[1], dtype=x.dtype, device=x.device)
        out = self.returned(merged, turns, weights)
        weight = self.weight_of_frames(gap)
        rows = torch.nonzero(weight < 1.0).reshape(-1)
        if self.any_or_unknown(rows):
            whole = self.nodes.to(x.dtype).unsqueeze(0).expand(rows.shape[0], -1, -1, -1)
            y = self.framed(flat.index_select(0, rows), vectors.index_select(0, rows), whole)
            meant = self.returned(y.unsqueeze(-1).flatten(2), whole, self.weights.to(x.dtype))
            share = weight.index_select(0, rows).unsqueeze(1)
            out = out.index_copy(0, rows, share * out.index_select(0, rows) + (1.0 - share) * meant)
        if self.k_out > 0:
            moved = out.index_select(1, self.places_out).reshape(-1, self.k_out, self.d)
            if self.boosted:
                moved = moved @ self.unboost(boost).transpose(1, 2)
            moved = moved @ self.change_back.to(x.dtype).t()
            if self.points_out:
                moved = moved + centre
            out = out.index_copy(1, self.places_out, moved.flatten(1))
        if self.boosted:
            out = torch.where(lost.unsqueeze(1), torch.full_like(out, float("nan")), out)
        return out.reshape([x.shape[0]] + shape)

    def weight_of_frames(self, gap: Tensor) -> Tensor:
        """3t² − 2t³ of t = log(gap/g₀)/log 10 in [0, 1]: what the frames count beside the mean over rotations."""
        low = 1e-6 if gap.dtype == torch.float64 else 3.5e-4
        t = (torch.log(gap.clamp_min(1e-30) / low) / 2.302585).clamp(0.0, 1.0)
        out: Tensor = t * t * (3.0 - 2.0 * t)
        return out

    def any_or_unknown(self, rows: Tensor) -> bool:
        """Whether there are rows; while a graph is exported that is not known, and the graph must serve both."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return rows.numel() > 0
        return torch.compiler.is_exporting() or rows.numel() > 0

    def rest_frame(self, vectors: Tensor) -> Tensor:
        """The boost ``(n, d, d)`` that brings T to rest; NaN where the vectors of a row span no timelike direction.

        T is the timelike eigenvector of Σ xᵢxᵢᵀη. As many vectors as there are coordinates have one whatever they are,
        spacelike ones too; it moves with them, and there is but one, as η has one positive direction. With X = QR it
        is Rᵀu, u the top eigenvector of RηRᵀ: no squares of X are inverted.
        """
        x = vectors.double()
        if self.k > self.d:
            x = torch.linalg.qr(x)[1]
        form = -torch.ones(self.d, dtype=x.dtype, device=x.device)
        form[0] = 1.0
        values, own = torch.linalg.eigh((x * form) @ x.transpose(1, 2))
        total = (x.transpose(1, 2) @ own[:, :, -1:]).squeeze(2)
        total = total * torch.sign(total[:, :1])
        space = total[:, 1:]
        # Squares that rounding of the rows makes of a direction that is not there.
        least = (1.5e-14 if vectors.dtype == torch.float64 else 6e-11) * (x * x).sum([1, 2])
        known = values[:, -1] > least
        mass = torch.sqrt(torch.where(known, values[:, -1], torch.full_like(least, float("nan"))))
        u0, u = total[:, 0] / mass, space / mass.unsqueeze(1)
        one = torch.eye(self.d - 1, dtype=x.dtype, device=x.device)
        block = one + u.unsqueeze(2) * u.unsqueeze(1) / (1 + u0).unsqueeze(1).unsqueeze(2)
        top = torch.cat([u0.unsqueeze(1), -u], 1).unsqueeze(1)
        return torch.cat([top, torch.cat([-u.unsqueeze(2), block], 2)], 1).to(vectors.dtype)

    def unboost(self, boost: Tensor) -> Tensor:
        """The inverse of a boost: η B η."""
        sign = -torch.ones(self.d, dtype=boost.dtype, device=boost.device)
        sign[0] = 1.0
        out: Tensor = boost * sign.unsqueeze(0) * sign.unsqueeze(1)
        return out

    def principal_axes(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvectors of Σ xᵢxᵢᵀ as columns ``(n, e, e)``, and the smallest relative gap ``(n,)`` that matters.

        A gap is relative to the larger of its two eigenvalues: what the axes of small ones do to the coordinates is
        as small as they are. Sums are taken in float64, so that squares keep what the rows know.
        """
        n = vectors.shape[0]
        part = vectors[:, :, self.d - self.e :]
        if not self.turned:
            axes = torch.eye(self.e, dtype=vectors.dtype, device=vectors.device).expand(n, self.e, self.e)
            return axes, torch.ones(n, dtype=vectors.dtype, device=vectors.device)
        exact = part.double()
        values, axes = torch.linalg.eigh(exact.transpose(1, 2) @ exact)
        if self.proper:
            handed = torch.sign(torch.linalg.det(axes))
            axes = torch.cat([axes[:, :, :-1], axes[:, :, -1:] * handed.unsqueeze(1).unsqueeze(2)], 2)
        null = values[:, 1:] <= (1e-12 if vectors.dtype == torch.float64 else 3.7e-12) * values[:, -1:]
        gaps = (values[:, 1:] - values[:, :-1]) / values[:, 1:].clamp_min(1e-300)
        gaps = torch.where(null, torch.ones_like(gaps), gaps)
        first = torch.ones(n, 1, dtype=torch.float64, device=vectors.device)
        return axes.to(vectors.dtype), torch.cat([first, gaps], 1).amin(1).to(vectors.dtype)

    def framed(self, flat: Tensor, vectors: Tensor, turns: Tensor) -> Tensor:
        """F(U⁻¹x) for frames U ``(n, s, e, e)`` → ``(n, s, …)``."""
        n, s = turns.shape[0], turns.shape[1]
        lead = self.d - self.e
        moved = vectors[:, :, lead:].unsqueeze(1) @ turns  # (n, s, k, e)
        if lead > 0:
            time = vectors[:, :, :lead].unsqueeze(1).expand(n, s, self.k, lead)
            moved = torch.cat([time, moved], 3)
        moved = moved @ self.change_back.to(flat.dtype).t()
        rows = flat.unsqueeze(1).expand(n, s, flat.shape[1]).reshape(n * s, flat.shape[1])
        rows = rows.index_copy(1, self.places, moved.reshape(n * s, self.k * self.d))
        y: Tensor = self.model(rows.reshape([n * s] + self.fed_shape))
        return y.reshape([n, s] + list(y.shape)[1:])

    def returned(self, y: Tensor, turns: Tensor, weights: Tensor) -> Tensor:
        """Σ wᵢ ρ_out(Uᵢ)yᵢ in the group's coordinates: ``(n, s, m)`` → ``(n, m)``."""
        n, s = y.shape[0], y.shape[1]
        w = weights.reshape(1, s, 1)
        out = (y * w).sum(1)
        if self.k_out > 0:
            lead = self.d - self.e
            moved = y.index_select(2, self.places_out).reshape(n, s, self.k_out, self.d)
            moved = moved @ self.change.to(y.dtype).t()
            back = moved[:, :, :, lead:] @ turns.transpose(2, 3)
            moved = torch.cat([moved[:, :, :, :lead], back], 3).reshape(n, s, self.k_out * self.d)
            out = out.index_copy(1, self.places_out, (moved * w).sum(1))
        return out


@dataclass(frozen=True)
class FrameSupport:
    """Where the frames of some rows are defined.

    Attributes
    ----------
    degenerate
        Share of rows in which the mean over all rotations counts, as two eigenvalues meet.
    nearest
        The smallest relative gap among the others; None if there are none.
    missing
        Share of rows without any frame: their vectors span no timelike direction.
    """

    degenerate: float
    nearest: float | None
    missing: float


def frame_support(network: FrameAveragedNetwork, x: Tensor) -> FrameSupport:
    """Count the rows x ``(n, …)`` whose frames are degenerate or missing."""
    flat = x.reshape(len(x), -1)
    vectors = flat[:, network.places].reshape(len(x), network.k, network.d)
    if network.centred:
        vectors = vectors - vectors.mean(1, keepdim=True)
    vectors = vectors @ network.change.to(x.dtype).T
    missing = torch.zeros(len(x), dtype=torch.bool)
    if network.boosted:
        boost = network.rest_frame(vectors)
        missing = ~boost.flatten(1).isfinite().all(1)
        vectors = vectors[~missing] @ boost[~missing].mT
    gap = network.principal_axes(vectors)[1]
    whole = network.weight_of_frames(gap) == 1
    clear = gap[whole]
    return FrameSupport(
        float((~whole).double().sum()) / len(x),
        float(clear.min()) if len(clear) else None,
        float(missing.double().mean()),
    )


def discontinuities(task: Equivariance) -> tuple[str, ...]:
    """Where F̄ of :class:`FrameAveragedNetwork` jumps, in words."""
    kind = _kind(task)
    out = []
    if kind.turned:
        out.append(
            "frames: where two principal moments of the vectors meet, the output changes fast: from a relative gap of "
            f"{_FADE * GAP:g} on (3.5e-3 in float32) the mean over rotations takes over, exact to its quadrature only"
        )
    if kind.boosted:
        out.append("frames: rows whose vectors span no timelike direction have no rest frame; their output is NaN")
    return tuple(out)
