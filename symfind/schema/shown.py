"""What a report and its generators look like in an interpreter, and what can be done with them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symfind.data.files import appearing_whole
from symfind.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

# Name of a form, or the ending of a file → (report → bytes). Filled by what renders, which stands above.
ENCODERS: dict[str, Callable[[Any], bytes]] = {}


class ShownPage(str):
    """A page of HTML: shown by a notebook in a frame of its own, written by ``Path.write_text``."""

    def _repr_html_(self) -> str:
        from html import escape

        return f'<iframe srcdoc="{escape(self, quote=True)}" style="width:100%;height:40em;border:0"></iframe>'


class ShownReport:
    """A report as a line, a table, a page or a file."""

    def __repr__(self) -> str:
        """``<Report of dimuons.h5: so(1,3), 6 certified of 16>``."""
        me: Any = self
        certified, found = len(me.certified), len(me.conserved or ())
        conserved = f", {found} conserved" if me.conserved is not None else ""
        name = f"{me.algebra.name}, " if me.algebra.name and certified else ""
        return f"<Report of {me.source.path}: {name}{certified} certified of {me.space.dimension}{conserved}>"

    def table(self) -> str:
        """Return the report as the table that a terminal shows."""
        return ENCODERS["table"](self).decode()

    def save(self, path: str | Path) -> None:
        """Write the report; the ending chooses: .json, .h5, .md, .html.

        Raises
        ------
        UsageError
            The ending is another.
        InputError
            The file cannot be written.
        """
        ending = Path(path).suffix.lower()
        if ending not in ENCODERS:
            known = ", ".join(name for name in ENCODERS if name.startswith("."))
            raise UsageError(f"{path}: the ending is none of {known}; take one of them")
        content = ENCODERS[ending](self)
        try:
            with appearing_whole(Path(path)) as part:
                part.write_bytes(content)
        except OSError as fault:
            raise InputError(f"{path}: cannot be written ({fault.strerror}); choose another path") from None

    def plot(self) -> ShownPage:
        """Return the pictures alone: what generators do, what stays, the witness and the spectrum."""
        return ShownPage(ENCODERS["plot"](self).decode())

    def _repr_html_(self) -> str:
        """What a notebook shows: the report as a page in a frame of its own."""
        return ShownPage(ENCODERS["html"](self).decode())._repr_html_()


class ShownGenerator:
    """A generator as a line, a matrix, and the flow that it is of."""

    def __repr__(self) -> str:
        """``<Generator x ∂y − y ∂x: certified, defect 1e-13>``."""
        me: Any = self
        defect = "" if me.defect is None else f", defect {me.defect:.2g}"
        return f"<Generator {me.expression}: {me.verdict}{defect}>"

    @property
    def matrix(self) -> NDArray[np.float64]:
        """A ``(d, d)`` of ξ(x) = Ax, or ((A, b), (0, 0)) ``(d + 1, d + 1)`` of ξ(x) = Ax + b.

        Raises
        ------
        UsageError
            ξ is no affine field.
        """
        import numpy as np  # what lists the forms of a report, and so all commands, do without it

        action = getattr(self, "input_action", None)
        if action is None or isinstance(action, Mapping) or np.ndim(action) != 2:
            raise UsageError(f"{getattr(self, 'expression', '')}: not affine, so it has no matrix; use apply(x, t)")
        return np.asarray(action, dtype=np.float64)

    def velocity(self, x: Any) -> NDArray[np.float64]:
        """ξ(x) at points ``(…, d)``, in units of x.

        Raises
        ------
        UsageError
            The generator is a formula, or x has another number of coordinates.
        """
        import numpy as np

        points = np.asarray(x, dtype=np.float64)
        d, action = points.shape[-1], getattr(self, "input_action", None)
        if isinstance(action, Mapping) and "exponents" in action:
            exponents, table = (np.asarray(action[name], dtype=np.float64) for name in ("exponents", "coefficients"))
            if exponents.shape[1] != d:
                raise UsageError(f"x has {d} coordinates, the generator {exponents.shape[1]}; give its points")
            powers = (points[..., None, :] ** exponents).prod(-1)
            return np.asarray(powers @ table)
        matrix = self.matrix
        _check_acts_on(matrix, d)
        return points @ matrix[:d, :d].T + (matrix[:d, d] if len(matrix) > d else 0.0)

    def apply(self, x: Any, t: float) -> Any:
        """exp(tξ)x: the points ``(…, d)`` moved by t along the generator, as an array of the type that was given.

        Polynomial fields are followed by the classical Runge–Kutta method, 64 steps to a unit of t.

        Raises
        ------
        UsageError
            The generator is a formula that this cannot follow, or x has another number of coordinates.
        """
        import torch

        given = torch.as_tensor(x, dtype=torch.float64) if not isinstance(x, torch.Tensor) else x.double()
        action = getattr(self, "input_action", None)
        if isinstance(action, Mapping) and "exponents" in action:
            moved = torch.from_numpy(followed(self.velocity, given.numpy(), t))
        else:
            moved = _affine(self.matrix, given, t)
        return moved.to(x) if isinstance(x, torch.Tensor) else moved.numpy()


def _check_acts_on(matrix: NDArray[np.float64], d: int) -> None:
    if len(matrix) != d and (len(matrix) != d + 1 or matrix[-1].any()):
        raise UsageError(f"x has {d} coordinates, the generator acts on {len(matrix)}; give points of its space")


def _affine(matrix: NDArray[np.float64], x: torch.Tensor, t: float) -> torch.Tensor:
    import torch

    d = x.shape[-1]
    _check_acts_on(matrix, d)
    flow = torch.matrix_exp(t * torch.from_numpy(matrix))
    moved = x @ flow[:d, :d].T
    return moved if len(matrix) == d else moved + flow[:d, d]


def followed(velocity: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: Any, t: float) -> NDArray[np.float64]:
    """exp(tξ)x by the classical Runge–Kutta method, 64 steps to a unit of t."""
    steps = max(1, round(64 * abs(t)))
    h = t / steps
    for _ in range(steps):
        a = velocity(x)
        b = velocity(x + h / 2 * a)
        c = velocity(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + velocity(x + h * c))
    moved: NDArray[np.float64] = x
    return moved
