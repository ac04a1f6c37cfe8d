"""u_t − N(z) = 0, N = Σ w_l f_l(z) over a basis of the jet: an equation without terms, with slopes in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.errors import InputError
from symfind.kinds.field.equation import Equation, Linearised
from symfind.kinds.field.grid.jet_sample import JetSample, MultiIndex
from symfind.kinds.field.right_side.basis import Degrees, JetBasis


@dataclass(frozen=True, kw_only=True)
class LearnedEquation(Equation):
    """One line ∂_t^k u_c = N_c for each component.

    Attributes
    ----------
    basis
        f_l.
    target
        J of the left side.
    places
        The independent variables that N depends on.
    degrees
        Which products the basis has.
    """

    basis: JetBasis
    target: MultiIndex
    places: tuple[int, ...]
    degrees: Degrees

    @property
    def lines(self) -> int:
        """E, one a component."""
        return len(self.dependent)

    @property
    def tied(self) -> frozenset[MultiIndex]:
        """The derivatives that N depends on: it is known where they occur together."""
        return frozenset(j for _, j in self._of_right)

    @property
    def functions(self) -> int:
        """The functions of one line."""
        return len(self.basis.powers)

    @property
    def autonomous(self) -> bool:
        """Whether N depends on no independent variable."""
        return not self.places

    @property
    def _of_right(self) -> list[tuple[int, MultiIndex]]:
        return [(c, j) for c, j in self.coordinates if j != self.target]

    @property
    def weights(self) -> Tensor:
        """W ``(E, p)``."""
        return self.theta.reshape(self.lines, -1)

    def coordinates_at(self, jets: JetSample) -> Tensor:
        """What N depends on, ``(n, V)``: the places, then the derivatives."""
        columns = [jets.points[:, i] for i in self.places]
        return torch.stack([*columns, *(jets.derivatives[j][:, c] for c, j in self._of_right)], 1)

    def linearised(self, jets: JetSample, *, slopes: bool = True) -> Linearised:
        """Δ, and its slopes by the derivative of each polynomial."""
        z = self.coordinates_at(jets)
        basis = self.basis.values(z)
        value = jets.derivatives[self.target] - basis @ self.weights.T
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"the equation '{self.text}' is not finite on the data; give finite numbers")
        n, e = value.shape
        if not slopes:
            none = value.new_zeros(n, e, 0)
            return Linearised(value, none, none, none)
        own = self.basis.slopes(z, self.weights)
        by_jet = value.new_zeros(n, e, len(self.coordinates))
        right = iter(range(len(self.places), z.shape[1]))
        for i, (c, j) in enumerate(self.coordinates):
            if j == self.target:
                by_jet[:, c, i] = 1.0
            else:
                by_jet[:, :, i] = -own[:, :, next(right)]
        explicit = value.new_zeros(n, e, len(self.independent))
        for at, i in enumerate(self.places):
            explicit[:, :, i] = -own[:, :, at]
        by_parameter = -torch.einsum("np,ef->nefp", basis, torch.eye(e, dtype=value.dtype)).flatten(2)
        return Linearised(value, by_jet, explicit, by_parameter)

    def solved(self, jets: JetSample) -> tuple[JetSample, Tensor]:
        """u_t moved to N; the other derivatives stay, for N is known where they are."""
        value = self.linearised(jets, slopes=False).value
        derivatives = {**jets.derivatives, self.target: jets.derivatives[self.target] - value}
        return replace(jets, derivatives=derivatives), torch.ones(jets.rows, dtype=torch.bool)
