"""(tx, u_J(tx)): the derivatives of solutions at points, on which differential equations are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

MultiIndex = tuple[int, ...]


@dataclass(frozen=True)
class JetSample:
    """u_J = ∂^J u of q independent and c dependent variables at n points of the solutions' graphs.

    A multi-index J counts the derivatives by each independent variable, in the order of ``independent``: with
    ``("t", "x")`` the entry ``(1, 2)`` is u_txx and ``(0, 0)`` is u itself.

    Attributes
    ----------
    independent
        Names of the independent variables, q of them, t first: ``("t", "x")``.
    dependent
        Names of the dependent variables, c of them: ``("u",)``.
    points
        Their values at each point, ``(n, q)``.
    derivatives
        J → u_J, ``(n, c)``; ``(0, …, 0)`` is always there.
    errors
        J → the estimated root mean square error of that derivative over the points, ``(c,)``, in its own units.
    group
        The trajectory each point was taken from, ``(n,)`` whole numbers.
    messages
        How the derivatives were taken and how large their errors are, a line each, for the report.
    noise
        Estimated standard deviation of independent noise on each component, ``(c,)``; none if it was not asked.
    """

    independent: tuple[str, ...]
    dependent: tuple[str, ...]
    points: Tensor
    derivatives: Mapping[MultiIndex, Tensor]
    errors: Mapping[MultiIndex, Tensor]
    group: Tensor
    messages: tuple[str, ...] = ()
    noise: tuple[float, ...] = ()

    @property
    def rows(self) -> int:
        """n, the number of points."""
        return self.points.shape[0]

    @property
    def values(self) -> Tensor:
        """The dependent variables themselves at the points, ``(n, c)``."""
        return self.derivatives[(0,) * len(self.independent)]

    def name(self, index: MultiIndex, component: int = 0) -> str:
        """The jet coordinate as it is written in an equation: ``u``, ``u_t``, ``u_xx``, ``u_txx``."""
        letters = "".join(name * order for name, order in zip(self.independent, index, strict=True))
        dependent = self.dependent[component]
        return f"{dependent}_{letters}" if letters else dependent

    def take(self, rows: Tensor) -> JetSample:
        """The same at some of the points: ``rows`` is a mask ``(n,)`` or whole numbers."""
        return JetSample(
            independent=self.independent,
            dependent=self.dependent,
            points=self.points[rows],
            derivatives={index: values[rows] for index, values in self.derivatives.items()},
            errors=self.errors,
            group=self.group[rows],
            messages=self.messages,
            noise=self.noise,
        )
