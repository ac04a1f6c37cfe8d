"""Whether a group that was oriented on one half of the rows loses nothing on the other (DESIGN §9).

Of a function: F_G, fitted to features that are averaged over the group, predicts rows that it has not seen, and the
judges of what is left over look at what it does not. A model that was given is asked itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symfind.decision.witness.leftover import JudgeSettings, judged_alone
from symfind.decision.witness.trial import Verdict
from symfind.discrete.point_groups.known import Ellipsoid, Known, acted
from symfind.discrete.point_groups.orientation import Oriented, spin_generators
from symfind.fits.features import Features
from symfind.fits.surrogate import Samples, whiten_features

# Functions that the group averages to zero, less than this share of the largest in size, are rounding.
_ROUNDING = 1e-8
# Turns about an axis of all turns change nothing: their share of what others change is rounding.
_UNSEEN = 1e-4
# Displacements along which F_G is differentiated, in radian and in units of x.
_STEP = 1e-5
# Fewer rows than this whose orbits stay where F is known say nothing.
_FEWEST = 100
# A step of the alignment that is longer, in radian, is none.
_FARTHEST = 0.3
# Share of δ below which what is left over does not matter, as for generators.
_RESOLUTION = 0.2
# The one-sided 95 % of a normal distribution.
_ONE_SIDED = 1.645


def folded(features: Features, oriented: Oriented, x: Tensor, turns: bool) -> Tensor:
    """Features averaged over the group: ``(n, 1, f)``, or ``(n, d, f·d)`` of vectors, mean over g of φ(gx) ⊗ gᵀ."""
    n, k, d = x.shape
    width = d if turns else 1
    total = torch.zeros(n, width, features.size * width, dtype=x.dtype)
    for g in oriented.elements:
        at = ((x - oriented.centre) @ g.T + oriented.centre).flatten(1)
        phi = features(at)
        if turns:
            total += torch.einsum("nf,ba->nafb", phi, g).flatten(2)
        else:
            total += phi[:, None]
    return total / len(oriented.elements)


@dataclass(frozen=True)
class SymmetricFit:
    """F_G: least squares in folded features."""

    features: Features
    oriented: Oriented
    turns: bool
    weights: Tensor

    @staticmethod
    def of(
        features: Features, oriented: Oriented, samples: Samples, objects: tuple[int, int], turns: bool
    ) -> SymmetricFit:
        """To rows x ``(n, k·d)``, y ``(n, m)``."""
        x = samples.x.reshape(-1, *objects)
        z = folded(features, oriented, x, turns)
        rows = z.flatten(0, 1)
        y = _by_vector(samples.y, objects[1]) if turns else samples.y
        white = whiten_features(torch.linalg.qr(rows, mode="r").R, len(rows), 0.0)
        unit = rows @ white.transform
        return SymmetricFit(features, oriented, turns, white.transform @ (unit.T @ y / len(rows)))

    def folded(self, x: Tensor) -> Tensor:
        """The features at rows ``(n, k, d)``."""
        return folded(self.features, self.oriented, x, self.turns)

    def value(self, z: Tensor) -> Tensor:
        """F_G ``(n, m)`` of folded features."""
        out = z @ self.weights
        return out.transpose(1, 2).flatten(1) if self.turns else out[:, 0]

    def tangents(self, x: Tensor) -> Tensor:
        """How F_G changes where the group is turned and moved: ``(n, m, p)``, turns first, then the d shifts."""
        n, k, d = x.shape
        spins = spin_generators(d)
        base = self.value(self.folded(x))
        out = []
        for a in spins:
            moved = self.value(self.folded(x - _STEP * (x - self.oriented.centre) @ a.T))
            change = (moved - base) / _STEP
            if self.turns:
                change = change + acted(a[None], base)[0]
            out.append(change)
        for e in torch.eye(d, dtype=x.dtype):
            out.append((self.value(self.folded(x - _STEP * e)) - base) / _STEP)
        return torch.stack(out, 2)


def _by_vector(y: Tensor, d: int) -> Tensor:
    """Y ``(n, k′·d)`` as rows ``(n·d, k′)``: every component of every vector."""
    return y.reshape(len(y), -1, d).transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True)
class Tried:
    """What one half of a function says of a group that the other half oriented and fitted.

    Attributes
    ----------
    share, error
        R_G on rows that were not fitted, and its standard error.
    broken, spread
        By set of odd functions ``(L,)``: the estimate of η² in them, and its standard error.
    rest
        η² of structure that no function of these sets holds, symmetric or odd; 0 where none is significant.
    shift, covariance
        What the rows would move the orientation and the centre by ``(p,)``, and how sure that is.
    """

    share: float
    error: float
    broken: Tensor
    spread: Tensor
    rest: float
    shift: Tensor
    covariance: Tensor


def stepped(fit: SymmetricFit, samples: Samples, k: int) -> Oriented:
    """The orientation and centre by which F_G predicts its own rows best, one step of Gauss and Newton."""
    x = samples.x.reshape(len(samples), k, -1)
    residual = samples.y - fit.value(fit.folded(x))
    tangents = fit.tangents(x)
    shift, _ = _regression(tangents.flatten(0, 1), residual)
    spins = spin_generators(x.shape[2])
    at = fit.oriented
    spin = torch.linalg.matrix_exp(torch.einsum("p,pab->ab", shift[: len(spins)], spins))
    if float(shift[: len(spins)].norm()) > _FARTHEST:
        return at
    return Oriented(at.group, spin @ at.h, at.centre + shift[len(spins) :], at.misfit)


def _stays(fit: SymmetricFit, reach: Ellipsoid, x: Tensor) -> Tensor:
    """Numbers of the rows whose orbits stay where F is known."""
    keep = torch.ones(len(x), dtype=torch.bool)
    for g in fit.oriented.elements:
        keep &= reach.inside((x - fit.oriented.centre) @ g.T + fit.oriented.centre).all(-1)
    return keep.nonzero()[:, 0]


def judge_function(
    fit: SymmetricFit, sets: Sequence[Features], unseen: Samples, k: int, seed: int, reach: Ellipsoid
) -> Tried | None:
    """R_G on rows that were not fitted, and what the residual has in common with odd functions.

    Odd: what is left of functions when their average over the group is taken off. Beside the averages themselves, so
    that a misfit of F_G, which is symmetric, is not taken for a broken symmetry.
    """
    unseen = unseen.rows(_stays(fit, reach, unseen.x.reshape(len(unseen), k, -1)))
    n = len(unseen)
    if n < _FEWEST:
        return None
    x, y = unseen.x.reshape(n, k, -1), unseen.y
    residual = y - fit.value(fit.folded(x))
    centred = y if fit.turns else y - y.mean(0)
    size = centred.square().sum(1).mean().clamp(min=1e-300)
    squares = residual.square().sum(1) / size
    r = (_by_vector(residual, x.shape[2]) if fit.turns else residual) / size.sqrt()
    # An orientation is known to its error alone: what another one nearby would explain is not broken.
    lean = torch.stack([_by_vector(t, x.shape[2]) if fit.turns else t for t in fit.tangents(x).unbind(2)], 2)
    lean = lean / size.sqrt()
    shift, covariance = _regression(lean.flatten(0, 1), r)
    r = r - lean @ shift
    broken, spread, rest = [], [], r
    for features in sets:
        even = folded(features, fit.oriented, x, fit.turns)
        odd = (_plain(features, x, fit.turns) - even).flatten(0, 1)
        even = _orthonormal(even.flatten(0, 1))
        odd = _orthonormal(odd - even @ (even.T @ odd))
        own = r - even @ (even.T @ r)
        # A mean over rows of a vector is one over its components.
        moment = odd.T @ own
        weights = own.square().sum(1)
        noise = odd.T @ (weights[:, None] * odd)
        freedom = n / max(n - odd.shape[1] - even.shape[1], 1)
        signal = float(moment.square().sum()) - freedom * float(noise.trace())
        broken.append(signal / n)
        quiet = 2 * float(noise.square().sum())
        spread.append(math.sqrt(quiet + 4 * max(signal, 0.0) * float(noise.trace()) / max(odd.shape[1], 1)) / n)
        rest = rest - even @ (even.T @ rest) - odd @ (odd.T @ rest)
    white = _white(unseen.x)
    rest = rest.reshape(n, -1, rest.shape[1]).flatten(1)
    alone = judged_alone(white, centred / size.sqrt(), rest, unseen.group, seed, JudgeSettings())
    return Tried(
        float(squares.mean()),
        float(squares.std()) / math.sqrt(n),
        torch.tensor(broken, dtype=torch.float64),
        torch.tensor(spread, dtype=torch.float64),
        alone.eta**2,
        shift,
        covariance,
    )


def _regression(columns: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares of r by columns ``(N·m, p)`` on their support, and its covariance ``(p, p)``."""
    gram = columns.T @ columns
    inverse = torch.linalg.pinv(gram, rtol=_UNSEEN, hermitian=True)
    shift = inverse @ (columns.T @ r.flatten())
    left = (r.flatten() - columns @ shift)[:, None] * columns
    return shift, inverse @ (left.T @ left) @ inverse


def _plain(features: Features, x: Tensor, turns: bool) -> Tensor:
    """φ(x), or φ(x) ⊗ 1 of vectors, as :func:`folded` has them."""
    phi = features(x.flatten(1))
    eye = torch.eye(x.shape[2] if turns else 1, dtype=x.dtype)
    whole: Tensor = torch.einsum("nf,ba->nafb", phi, eye).flatten(2)
    return whole


def _orthonormal(columns: Tensor) -> Tensor:
    """An orthonormal basis of the columns, rounding left out."""
    gram = columns.T @ columns
    values, vectors = torch.linalg.eigh(gram)
    keep = values > _ROUNDING * values[-1].clamp(min=1e-300)
    basis: Tensor = columns @ (vectors[:, keep] / values[keep].sqrt())
    return basis


def _white(x: Tensor) -> Tensor:
    """Rows on their support in units of its spread."""
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    keep = values > 1e-14 * values[-1]
    white: Tensor = centred @ (vectors[:, keep] / values[keep].sqrt())
    return white


def words_of_function(first: Tried | None, second: Tried | None, tolerance: float, level: float) -> Verdict:
    """Both halves exchanged."""
    if first is None or second is None:
        return Verdict(1.0, 0.0, 1.0, "undecided", 0.0, "the orbits leave the rows")
    z = -float(torch.special.ndtri(torch.tensor(level, dtype=torch.float64)))
    share = 0.5 * (first.share + second.share)
    plain = share + 0.5 * _ONE_SIDED * math.hypot(first.error, second.error)
    broken = (first.broken + second.broken) / 2
    spread = (first.spread.square() + second.spread.square()).sqrt() / 2
    rest = max(first.rest, second.rest)
    surest = int((broken - z * spread).argmax())
    lower = math.sqrt(max(float(broken[surest] - z * spread[surest]), 0.0))
    eta = math.sqrt(max(float(broken.max()), 0.0)) if lower > 0 else 0.0
    # Structure that neither fit nor judges hold may be broken as well as not.
    bound = max(float((broken + _ONE_SIDED * spread).max()), 0.0) + rest
    upper = max(math.sqrt(min(bound, max(plain, 0.0))), lower)
    if lower > tolerance:
        word = "refuted"
    elif upper >= tolerance:
        word = "undecided"
    else:
        word = "approximate" if lower > 0 and eta >= _RESOLUTION * tolerance else "certified"
    return Verdict(eta, lower, upper, word, broken[surest].clamp(min=0).item(), "odd functions" if lower > 0 else "")


def judge_model(known: Known, oriented: Oriented, tolerance: float, rounding: float) -> Verdict:
    """η of F itself at points: the distance to its average over the group."""
    x = known.x
    base = known.value(x)
    total = torch.zeros_like(base)
    for g in oriented.elements:
        value = known.value((x - oriented.centre) @ g.T + oriented.centre)
        total += acted(g.T[None], value)[0] if known.turns else value
    gap = (base - total / len(oriented.elements)).square().sum(1)
    centred = base if known.turns else base - base.mean(0)
    spread = centred.square().sum(1).mean().clamp(min=1e-300)
    mean = float(gap.mean() / spread)
    error = float(gap.std() / spread) / math.sqrt(len(x))
    eta, upper = math.sqrt(mean), math.sqrt(mean + _ONE_SIDED * error)
    lower = math.sqrt(max(mean - _ONE_SIDED * error, 0.0))
    if upper < tolerance:
        word = "certified" if eta < rounding else "approximate"
    else:
        word = "refuted" if lower > tolerance else "undecided"
    return Verdict(eta, lower, upper, word, eta, "")
