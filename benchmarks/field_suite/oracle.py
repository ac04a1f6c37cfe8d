"""Forty equations, their dimensions in ``point:1`` from the literature, and how their solutions are simulated.

Dimensions: Ibragimov (ed.), CRC Handbook of Lie Group Analysis of Differential Equations, vol. 1 (1994); Olver (1993);
where a space of affine fields cuts the algebra, what is affine of it was counted by hand. ``apart`` are superpositions.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from benchmarks.field_suite.evolution import Evolution


@dataclass(frozen=True)
class Known:
    """An equation and its symmetries in ``point:1``.

    Attributes
    ----------
    name
        What it is called.
    proper, apart
        Symmetries that are no superpositions, and superpositions.
    evolution
        How it is simulated.
    typed
        The equation as it is sought, where the simulated system is another one.
    library
        Terms that a user has to name.
    """

    name: str
    proper: int
    apart: int
    evolution: Evolution
    typed: str = ""
    library: str | None = None


def _line(
    text: str, length: float = 2 * pi, end: float = 1.0, step: float = 0.01, size: float = 1.0, mean: float = 0.0,
    points: int = 96, times: int = 80, highest: int = 3,
) -> Evolution:  # fmt: skip
    return Evolution(
        text, length=length, end=end, step=step, size=(size,), mean=(mean,), points=points, times=times, highest=highest
    )


def _pair(
    text: str, length: float = 16.0, end: float = 2.0, step: float = 0.005, size: float = 0.5,
    mean: tuple[float, float] = (0.0, 0.0), kept: tuple[str, ...] = (), points: int = 64,
) -> Evolution:  # fmt: skip
    return Evolution(
        text, components=("u", "v"), length=length, end=end, step=step, size=(size, size), mean=mean, kept=kept,
        points=points, times=80,
    )  # fmt: skip


def _second(name: str, right: str, proper: int, apart: int, *, library: str | None = None, **how: float) -> Known:
    """u_tt = …, simulated with v = u_t."""
    evolution = _pair(f"u_t = v; v_t = {right.replace('u_t', 'v')}", kept=("u",), **how)  # type: ignore[arg-type]
    return Known(name, proper, apart, evolution, f"u_tt = {right}", library)


def _plane(text: str, size: float = 1.0, end: float = 1.0, step: float = 0.02, length: float = 2 * pi) -> Evolution:
    return Evolution(
        text, space=("x", "y"), length=length, end=end, step=step, size=(size,), points=24, times=40, rows=4, highest=2
    )


KNOWN: tuple[Known, ...] = (
    Known("heat", 4, 2, _line("u_t = u_xx", 16.0, 4.0, highest=5)),
    Known("heat that drifts", 4, 2, _line("u_t = u_xx - u_x", 16.0, 4.0, highest=5)),
    Known("heat that decays", 3, 0, _line("u_t = u_xx - u", 12.0, 2.0, highest=5)),
    Known("heat whose rate is t", 3, 2, Evolution("u_t = t*u_xx", length=16.0, end=3.0, step=0.004, start=0.5,
                                                  points=64, times=80, highest=5)),
    Known("Airy", 4, 2, _line("u_t = -u_xxx", 16.0, 4.0, highest=5)),
    Known("fourth order diffusion", 4, 2, _line("u_t = -u_xxxx", 16.0, 8.0, highest=5)),
    Known("Burgers", 4, 0, _line("u_t = 0.1*u_xx - u*u_x", end=2.0, step=0.005)),
    Known("potential Burgers", 5, 0, _line("u_t = u_xx + u_x**2", 12.0, 2.0, 0.005)),
    Known("modified Burgers", 3, 0, _line("u_t = 0.1*u_xx - u**2*u_x", end=2.0, step=0.005)),
    Known("Burgers–Fisher", 2, 0, _line("u_t = u_xx - u*u_x + u*(1-u)", 16.0, 3.0, size=0.4, mean=0.5)),
    Known("Korteweg–de Vries", 4, 0, _line("u_t = -u*u_x - u_xxx", 32.0, 10.0, 0.01)),
    Known("modified Korteweg–de Vries", 3, 0, _line("u_t = -6*u**2*u_x - u_xxx", 24.0, 3.0, 0.004)),
    Known("Gardner", 3, 0, _line("u_t = -3*u*u_x - 3*u**2*u_x - u_xxx", 24.0, 4.0, 0.004)),
    Known("Korteweg–de Vries–Burgers", 3, 0, _line("u_t = u_xx - u*u_x - u_xxx", 24.0, 6.0)),
    Known("Kuramoto–Sivashinsky", 3, 0, _line("u_t = -u*u_x - u_xx - u_xxxx", 32.0, 16.0, 0.02, times=120)),
    Known("the same for a height", 4, 0, _line("u_t = -u_xx - u_xxxx - 0.5*u_x**2", 32.0, 12.0, 0.02, times=120)),
    Known("Benney–Lin", 3, 0, _line("u_t = -u*u_x - u_xxx - 0.3*u_xx - 0.3*u_xxxx", 32.0, 10.0, 0.01, times=120)),
    Known("Kawahara", 3, 0, _line("u_t = -u*u_x - u_xxx + u_xxxxx", 32.0, 6.0, 0.005, points=64, times=120)),
    Known("Fisher", 2, 0, _line("u_t = u_xx + u - u**2", 16.0, 3.0, size=0.4, mean=0.5)),
    Known("Allen–Cahn", 2, 0, _line("u_t = u_xx + u - u**3", 16.0, 3.0)),
    Known("Nagumo", 2, 0, _line("u_t = u_xx + u*(1-u)*(u-0.3)", 16.0, 4.0, size=0.5, mean=0.4)),
    Known("heat with a cubic sink", 3, 0, _line("u_t = u_xx - u**3", 16.0, 3.0, size=1.5)),
    Known("heat with a square sink", 3, 0, _line("u_t = u_xx - u**2", 16.0, 3.0, size=0.6, mean=1.5)),
    Known("porous medium", 4, 0, _line("u_t = u*u_xx + u_x**2", 12.0, 1.5, 0.002, size=0.3, mean=1.2)),
    Known("diffusion by the square", 4, 0, _line("u_t = u**2*u_xx + 2*u*u_x**2", 12.0, 1.5, 0.002, size=0.3, mean=1.1)),
    Known("thin film", 4, 0, _line("u_t = -u*u_xxxx - u_x*u_xxx", 16.0, 3.0, 0.002, size=0.2, mean=1.0, points=64)),
    Known("Cahn–Hilliard", 2, 0, _line("u_t = -u_xxxx - u_xx + 3*u**2*u_xx + 6*u*u_x**2", 24.0, 3.0, 0.004, size=0.6,
                                       points=64)),
    Known("Swift–Hohenberg", 2, 0, _line("u_t = -0.5*u - 2*u_xx - u_xxxx - u**3", 24.0, 3.0, points=64)),
    Known("diffusion along a map", 3, 0, _line("u_t = u_xx + u*u_x**2", 12.0, 2.0, 0.005, size=0.7)),
    _second("wave", "u_xx", 5, 3, end=6.0),
    _second("Klein–Gordon", "u_xx - u", 4, 0, end=6.0),
    _second("φ⁴", "u_xx + u - u**3", 3, 0, end=5.0),
    _second("cubic wave", "u_xx - u**3", 4, 0, end=6.0, size=1.2),
    _second("sine-Gordon", "u_xx - sin(u)", 3, 0, library="sin(u)", end=6.0, size=1.5),
    _second("Liouville", "u_xx - exp(u)", 4, 0, library="exp(u)", end=2.0),
    _second("telegraph", "u_xx - u_t", 3, 2, end=5.0),
    _second("Boussinesq", "u_xx - u_xxxx + u*u_xx + u_x**2", 3, 0, end=3.0, length=24.0),
    Known("nonlinear Schrödinger", 4, 0, _pair("u_t = -v_xx - 2*(u**2+v**2)*v; v_t = u_xx + 2*(u**2+v**2)*u", end=1.0,
                                              step=0.002)),
    Known("Schrödinger", 5, 4, _pair("u_t = -v_xx; v_t = u_xx", end=2.0)),
    Known("Ginzburg–Landau", 3, 0, _pair("u_t = u + u_xx - v_xx - (u**2+v**2)*(u+0.5*v); "
                                         "v_t = v + v_xx + u_xx - (u**2+v**2)*(v-0.5*u)", end=2.0)),
    Known("FitzHugh–Nagumo", 2, 0, _pair("u_t = u_xx + u - u**3 - v; v_t = 0.2*v_xx + 0.3*u - 0.2*v + 0.1", end=4.0,
                                        size=0.8)),
    Known("Brusselator", 2, 0, _pair("u_t = u_xx + 1 - 3*u + u**2*v; v_t = 2*v_xx + 2*u - u**2*v", end=2.0, size=0.3,
                                    mean=(1.0, 2.0))),
    Known("predators and prey", 2, 0, _pair("u_t = u_xx + u - u*v; v_t = 0.5*v_xx - v + u*v", end=3.0, size=0.3,
                                           mean=(1.0, 1.0))),
    Known("Hirota–Satsuma", 3, 0, _pair("u_t = 0.5*u_xxx + 3*u*u_x - 6*v*v_x; v_t = -v_xxx - 3*u*v_x", end=1.0,
                                       step=0.002, size=0.3, length=24.0)),
    Known("heat in the plane", 6, 3, _plane("u_t = u_xx + u_yy", length=12.0, end=2.0)),
    Known("a cubic sink in the plane", 5, 0, _plane("u_t = u_xx + u_yy - u**3", length=12.0, size=1.2)),
)  # fmt: skip
