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

    def _repr_html_(self) -> str:
        """What a notebook shows: the report as a page in a frame of its own."""
        from html import escape

        page = escape(ENCODERS["html"](self).decode(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'


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
            moved = _followed(action, given, t)
        else:
            moved = _affine(self.matrix, given, t)
        return moved.to(x) if isinstance(x, torch.Tensor) else moved.numpy()


def _affine(matrix: NDArray[np.float64], x: torch.Tensor, t: float) -> torch.Tensor:
    import torch

    d = x.shape[-1]
    if len(matrix) != d and (len(matrix) != d + 1 or matrix[-1].any()):
        raise UsageError(f"x has {d} coordinates, the generator acts on {len(matrix)}; give points of its space")
    flow = torch.matrix_exp(t * torch.from_numpy(matrix))
    moved = x @ flow[:d, :d].T
    return moved if len(matrix) == d else moved + flow[:d, d]


def _followed(action: Mapping[str, Any], x: torch.Tensor, t: float) -> torch.Tensor:
    import torch

    exponents = torch.tensor(action["exponents"], dtype=torch.float64)
    coefficients = torch.tensor(action["coefficients"], dtype=torch.float64)
    if exponents.shape[1] != x.shape[-1]:
        raise UsageError(f"x has {x.shape[-1]} coordinates, the generator {exponents.shape[1]}; give its points")

    def field(z: torch.Tensor) -> torch.Tensor:
        return (z[..., None, :] ** exponents).prod(-1) @ coefficients

    steps = max(1, round(64 * abs(t)))
    h = t / steps
    for _ in range(steps):
        a = field(x)
        b = field(x + h / 2 * a)
        c = field(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + field(x + h * c))
    return x
