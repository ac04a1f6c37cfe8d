"""Equations with the point symmetries that hold in a space, as formulas (ANCHORS "The expected dimensions").

A field is written as its components in the order of the variables: ``"t; 0.5*x; -u"`` is t∂t + ½x∂x − u∂u.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KDV = ("1; 0; 0", "0; 1; 0", "0; t; 1", "3*t; x; -2*u")
KS = ("1; 0; 0", "0; 1; 0", "0; t; 1")
BURGERS = ("1; 0; 0", "0; 1; 0", "0; t; 1", "2*t; x; -u")
BURGERS_2 = (*BURGERS, "t**2; t*x; x-t*u")
HEAT = ("1; 0; 0", "0; 1; 0", "2*t; x; 0", "0; 0; u")
HEAT_2 = (*HEAT, "0; 2*t; -x*u")
HEAT_3 = (*HEAT_2, "4*t**2; 4*t*x; -(x**2+2*t)*u")
WAVE = ("1; 0; 0", "0; 1; 0", "0; 0; u", "t; x; 0", "x; t; 0")
NKDV_1 = ("0; 1; 0", "150; x; -2*u")
NKDV = ("0; 1; 0", "exp(-t/50); 0; 0", "0; 50*(exp(t/50)-1); 1", "150*(1-exp(-t/50)); x; -2*u")
CKDV_1 = ("0; 1; 0", "3*(t+1); x; -2*u")
CKDV = (*CKDV_1, "0; sqrt(t+1); 1/(2*sqrt(t+1))", "(t+1)**1.5; 0.5*sqrt(t+1)*x; x/(4*sqrt(t+1))-sqrt(t+1)*u")
HEAT_2D = (
    "1; 0; 0; 0",
    "0; 1; 0; 0",
    "0; 0; 1; 0",
    "0; -y; x; 0",
    "2*t; x; y; 0",
    "0; 2*t; 0; -x*u",
    "0; 0; 2*t; -y*u",
    "0; 0; 0; u",
)
NAVIER_STOKES = (
    "1; 0; 0; 0; 0; 0",
    "0; -y; x; -v; u; 0",
    "2*t; x; y; -u; -v; -2*p",
    *(f"0; {f}; 0; {d}; 0; {s}" for f, d, s in (("1", "0", "0"), ("t", "1", "0"), ("t**2", "2*t", "-2*x"))),
    *(f"0; 0; {f}; 0; {d}; {s}" for f, d, s in (("1", "0", "0"), ("t", "1", "0"), ("t**2", "2*t", "-2*y"))),
    *(f"0; 0; 0; 0; 0; {g}" for g in ("1", "t", "t**2")),
)

# A user's space for cKdV: powers of √(t + 1) with more than the symmetries need.
ROOTS = """\
name: roots of t + 1
fields:
  - ["1", "0", "0"]
  - ["t+1", "0", "0"]
  - ["(t+1)**1.5", "0", "0"]
  - ["0", "1", "0"]
  - ["0", "x", "0"]
  - ["0", "sqrt(t+1)", "0"]
  - ["0", "sqrt(t+1)*x", "0"]
  - ["0", "0", "1"]
  - ["0", "0", "u"]
  - ["0", "0", "x/sqrt(t+1)"]
  - ["0", "0", "1/sqrt(t+1)"]
  - ["0", "0", "sqrt(t+1)*u"]
"""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    data
        Name of a sample of ``symfind sample``, or of a simulator of this folder.
    space
        As in ``--space``; ``roots`` is the YAML file above.
    symmetries
        The true ones that are neither superpositions nor absent from the space.
    apart
        Number of superpositions in the space.
    equation
        As in ``--equation``; None if it is to be identified.
    noise
        Standard deviation of the noise added to u, in units of the standard deviation of u.
    tolerance
        As in ``--tolerance``.
    times
        As in ``--times`` of ``symfind sample``; None for the sample's own.
    rows
        As in ``--rows`` there.
    """

    data: str
    space: str
    symmetries: tuple[str, ...]
    apart: int = 0
    equation: str | None = None
    noise: float = 0.0
    tolerance: float = 0.05
    times: int | None = None
    rows: int | None = None


NS_EQUATION = (
    "u_t + u*u_x + v*u_y + p_x - 0.05*(u_xx + u_yy) = 0; "
    "v_t + u*v_x + v*v_y + p_y - 0.05*(v_xx + v_yy) = 0; u_x + v_y = 0"
)
NKDV_EQUATION = "exp(-t/50)*u_t + u*u_x + u_xxx = 0"
GENERIC = "u_t + u*u_x - (0.3 + 0.15*sin(x)*cos(t))*u_xx = 0"

CLEAN: tuple[Case, ...] = (
    Case("kdv", "point:1", KDV),
    Case("kdv", "point:2", KDV),
    Case("kdv", "point:chebyshev:3,1,1", KDV),
    Case("kdv", "random-features:200", KDV, equation="u_t + u*u_x + u_xxx = 0"),
    Case("ks", "point:1", KS),
    Case("burgers", "point:1", BURGERS),
    Case("burgers", "point:2", BURGERS_2),
    Case("heat", "point:1", HEAT, 2),
    Case("heat", "point:2", HEAT_2, 3),
    Case("heat", "point:3", HEAT_3, 4),
    Case("wave", "point:1", WAVE, 3),
    Case("nkdv", "point:1", NKDV_1),
    Case("nkdv", "point:chebyshev:3,1,1", NKDV),
    Case("nkdv", "point:chebyshev:4,1,1", NKDV),
    Case("nkdv", "point:chebyshev:4,1,1", NKDV, equation=NKDV_EQUATION),
    Case("nkdv", "point:chebyshev:4,1,1", NKDV, rows=32),
    Case("nkdv", "point:chebyshev:3,1,1", NKDV, times=560),
    Case("nkdv", "point:chebyshev:4,1,1", NKDV, times=560),
    Case("ckdv", "point:1", CKDV_1),
    Case("ckdv", "roots", CKDV),
    Case("heat-2d", "point:2", HEAT_2D, 6),
    Case("navier-stokes-2d", "point:2", NAVIER_STOKES, equation=NS_EQUATION),
    Case("kdv by differences", "point:1", KDV),
)
NOISY: tuple[Case, ...] = (
    Case("kdv", "point:1", KDV, noise=0.01),
    Case("burgers", "point:1", BURGERS, noise=0.01),
    Case("burgers", "point:2", BURGERS_2, noise=0.01),
    Case("ks", "point:1", KS, noise=0.01),
    Case("heat", "point:2", HEAT_2, 3, noise=0.01),
)
WITHOUT: tuple[Case, ...] = (
    Case("without symmetry", "point:1", (), equation=GENERIC),
    Case("without symmetry", "point:1", ()),
    Case("heat", "point:1", (), equation="u_t + u*u_x + u_xxx = 0"),
)
NAMES: Mapping[str, str] = {
    "kdv": "Korteweg–de Vries",
    "ks": "Kuramoto–Sivashinsky",
    "burgers": "Burgers",
    "heat": "heat",
    "wave": "wave",
    "nkdv": "nKdV",
    "ckdv": "cylindrical KdV",
    "heat-2d": "heat, two dimensions",
    "navier-stokes-2d": "Navier–Stokes, (u, v, p)",
    "kdv by differences": "KdV by finite differences, coefficients 1 % off",
    "without symmetry": "Burgers of viscosity 0.3 + 0.15 sin x cos t",
}
