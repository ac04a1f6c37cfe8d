"""Distributions with and without symmetry: what is certified, and at what cost.

    python benchmarks/distributions.py --seeds 500 501 --output /tmp/distributions.md

Every distribution is drawn in random coordinates of condition 5 with a random origin. Truths are those of the formulas:
the dimension of the algebra, and, where the density is not kept, η of the largest algebra that coarse test functions
take it for (`large` where it has no closed form and is far above the tolerance).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from symfind.api import discover
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema.document import Report

Draw = Callable[[int, np.random.Generator], np.ndarray]
TOLERANCE = 0.05
# What a test of neighbours can see among the rows of a case; below it nothing is asked.
VISIBLE = 0.4 * TOLERANCE


@dataclass(frozen=True)
class Case:
    """A distribution in d dimensions with an algebra of ``dimension``, broken from the one it resembles by ``eta``."""

    name: str
    d: int
    dimension: int
    draw: Draw
    eta: float | None = 0.0


def shell(n: int, d: int, rng: np.random.Generator, width: float = 0.15) -> np.ndarray:
    """Radius 1 + width·normal, direction uniform."""
    v = rng.normal(size=(n, d))
    radius = np.abs(1 + width * rng.normal(size=(n, 1)))
    return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True) * radius)


def angles(n: int, rng: np.random.Generator, k: int, a: float) -> np.ndarray:
    """Of density 1 + a cos kθ."""
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < n:
        t = rng.uniform(0, 2 * np.pi, 2 * n)
        kept.append(t[rng.random(2 * n) < (1 + a * np.cos(k * t)) / (1 + a)])
    return np.concatenate(kept)[:n]


def ring(angle: np.ndarray, rng: np.random.Generator, width: float = 0.1) -> np.ndarray:
    """Radius 1 + width·normal at given angles."""
    radius = 1 + width * rng.normal(size=len(angle))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def uniform(n: int, rng: np.random.Generator) -> np.ndarray:
    """Angles."""
    return rng.uniform(0, 2 * np.pi, n)


def modulated(k: int, a: float) -> Case:
    """η² = χ²/(1 + χ²) with χ² = a²/2."""
    eta = (a * a / 2 / (1 + a * a / 2)) ** 0.5
    return Case(f"ring, {k}-fold, {a}", 2, 0, lambda n, rng: ring(angles(n, rng, k, a), rng), eta)


def bump(width: float, share: float) -> Case:
    """χ² = share²·(Σ_{k≠0} e^{−k²w²})."""
    k = np.arange(1, 400)
    chi2 = share**2 * 2 * float(np.exp(-((k * width) ** 2)).sum())

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        t, in_bump = uniform(n, rng), rng.random(n) < share
        return ring(np.where(in_bump, 0.7 + width * rng.normal(size=n), t), rng)

    return Case(f"ring, bump of {width}, {share}", 2, 0, draw, (chi2 / (1 + chi2)) ** 0.5)


def blobs(name: str, centres: np.ndarray, width: float) -> Case:
    """A mixture of equal normal blobs."""

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        chosen = centres[rng.integers(len(centres), size=n)]
        return np.asarray(chosen + width * rng.normal(size=chosen.shape))

    return Case(f"{name}, blobs of {width}", centres.shape[1], 0, draw, None)


def bump_on_shell(d: int, width: float) -> Case:
    """A twentieth of the rows in a blob on a shell, about whose axis so(d − 1) is left."""

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        x, in_bump = shell(n, d, rng), rng.random(n) < 0.05
        x[in_bump] = np.eye(d)[0] + width * rng.normal(size=(int(in_bump.sum()), d))
        return x

    return Case(f"shell d{d}, bump of {width}", d, (d - 1) * (d - 2) // 2, draw, None)


def polygon(k: int) -> np.ndarray:
    """Corners on the unit circle."""
    t = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(t), np.sin(t)], 1)


def icosahedron() -> np.ndarray:
    """Twelve corners on the unit sphere."""
    g = (1 + 5**0.5) / 2
    corners = [np.roll([0.0, a, b * g], s) for a in (-1, 1) for b in (-1, 1) for s in range(3)]
    return np.array(corners) / np.hypot(1, g)


def cell24() -> np.ndarray:
    """Twenty-four corners on the unit sphere of four dimensions."""
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    return np.concatenate([axes, np.array([[(i >> b & 1) - 0.5 for b in range(4)] for i in range(16)])])


def tube(n: int, rng: np.random.Generator) -> np.ndarray:
    """A torus in space, of radii 2 and 0.7."""
    t, s, q = uniform(n, rng), uniform(n, rng), 0.7 + 0.1 * rng.normal(size=n)
    return np.stack([(2 + q * np.cos(s)) * np.cos(t), (2 + q * np.cos(s)) * np.sin(t), q * np.sin(s)], 1)


def relative(k: int, a: float) -> Draw:
    """Two rings whose angles differ by one of density 1 + a cos kθ: the common turn is left."""

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        t = uniform(n, rng)
        return np.hstack([ring(t + angles(n, rng, k, a), rng), 1.5 * ring(t, rng)])

    return draw


def traceless(n: int, rng: np.random.Generator) -> np.ndarray:
    """Symmetric matrices of eigenvalues s(1.1, −0.2, −0.9), s = 1 + normal/10, in an orthonormal basis of theirs."""
    q = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    m = np.einsum("nij,j,nkj->nik", q, np.array([1.1, -0.2, -0.9]), q) * (1 + 0.1 * rng.normal(size=(n, 1, 1)))
    off = 2**0.5 * np.stack([m[:, 0, 1], m[:, 0, 2], m[:, 1, 2]], 1)
    return np.hstack([off, np.stack([(m[:, 0, 0] - m[:, 1, 1]) / 2**0.5, 1.5**0.5 * m[:, 2, 2]], 1)])


def latitudes(n: int, rng: np.random.Generator) -> np.ndarray:
    """A shell with twelve-fold bands of latitude, kept by so(2)."""
    x = shell(4 * n, 3, rng)
    angle = np.arccos(x[:, 2] / np.linalg.norm(x, axis=1))
    return x[rng.random(4 * n) < (1 + 0.8 * np.cos(12 * angle)) / 1.8][:n]


def cubic(n: int, rng: np.random.Generator) -> np.ndarray:
    """Normal, times the cubic harmonic of degree four."""
    x = rng.normal(size=(3 * n, 3))
    quartic = (x**4).sum(1) / (x**2).sum(1) ** 2
    return x[rng.random(3 * n) < 0.5 + 0.75 * (quartic - 1 / 3)][:n]


def spiral(n: int, rng: np.random.Generator) -> np.ndarray:
    """Six-fold about each circle, its phase running with the radius."""
    r = np.abs(1 + 0.25 * rng.normal(size=n))
    t = angles(n, rng, 6, 0.5) + 8 * r
    return np.stack([r * np.cos(t), r * np.sin(t)], 1)


def exact_cases() -> list[Case]:
    """Kept by a compact algebra."""
    out = [Case(f"normal d{d}", d, d * (d - 1) // 2, lambda n, r, d=d: r.normal(size=(n, d))) for d in (2, 3, 4, 5)]
    out += [Case(f"shell d{d}", d, d * (d - 1) // 2, lambda n, r, d=d: shell(n, d, r)) for d in (2, 3, 4, 5)]
    heavy = lambda n, r: r.normal(size=(n, 3)) / np.sqrt(r.chisquare(4, size=(n, 1)) / 4)  # noqa: E731
    return [
        *out,
        Case("thin ring", 2, 1, lambda n, r: ring(uniform(n, r), r, 0.02)),
        Case("thin shell d3", 3, 3, lambda n, r: shell(n, 3, r, 0.02)),
        Case("ring and gamma", 3, 1, lambda n, r: np.hstack([shell(n, 2, r), r.gamma(4, 0.5, (n, 1))])),
        Case("two rings", 4, 2, lambda n, r: np.hstack([shell(n, 2, r), 1.5 * shell(n, 2, r, 0.2)])),
        Case("tube", 3, 1, tube),
        Case("shell and exponential", 4, 3, lambda n, r: np.hstack([shell(n, 3, r), r.exponential(size=(n, 1))])),
        Case("student t, 4 degrees", 3, 3, heavy),
        Case("two shells", 3, 3, lambda n, r: shell(n, 3, r, 0.1) * np.where(r.random((n, 1)) < 0.5, 1, 2.5)),
        Case("common turn of two rings", 4, 1, relative(1, 0.8)),
        Case("spin 2 orbits", 5, 3, traceless),
    ]


def broken_cases() -> list[Case]:
    """Broken by structure of every width."""
    nine = lambda n, r: np.hstack([ring(angles(n, r, 9, 0.5), r), 1.5 * ring(uniform(n, r), r)])  # noqa: E731
    gammas = lambda n, r: np.stack([r.gamma(2.0 + i, 1, n) for i in range(4)], 1)  # noqa: E731
    return [
        *(modulated(k, a) for k in (2, 3, 5, 8, 12, 16, 25, 40) for a in (0.1, 0.3, 0.9)),
        *(bump(w, e) for w in (0.05, 0.15, 0.5) for e in (0.02, 0.05)),
        *(blobs(f"polygon {k}", polygon(k), w) for k, w in ((6, 0.1), (12, 0.1), (20, 0.05), (30, 0.05))),
        *(blobs("icosahedron", icosahedron(), w) for w in (0.12, 0.25, 0.35)),
        *(blobs("24-cell", cell24(), w) for w in (0.15, 0.3)),
        *(bump_on_shell(d, w) for d in (3, 4) for w in (0.1, 0.3)),
        *(Case(f"cube d{d}", d, 0, lambda n, r, d=d: r.uniform(-1, 1, (n, d)), None) for d in (2, 3, 5)),
        Case("gammas", 4, 0, gammas, None),
        Case("two rings, one 9-fold", 4, 1, nine, None),
        Case("two rings, 7-fold together", 4, 1, relative(7, 0.6), None),
        Case("bands of latitude", 3, 1, latitudes, None),
        Case("cubic normal", 3, 0, cubic, None),
        Case("spiral", 2, 0, spiral, None),
    ]


def coordinates(d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of condition five and an origin."""
    left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    return left * np.exp(np.linspace(0, 1, d) * np.log(5.0)) @ right, rng.normal(size=d)


def report_of(case: Case, n: int, seed: int, folder: Path) -> tuple[Report, float]:
    """The report on a draw, and its processor seconds."""
    rng = np.random.default_rng([seed, zlib.crc32(case.name.encode())])
    matrix, origin = coordinates(case.d, rng)
    path = folder / "points.h5"
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "points"
        file["x"] = case.draw(n, rng) @ matrix.T + origin
    start = time.process_time()
    report = discover(DiscoverOptions(source=str(path)))
    return report, time.process_time() - start


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[500])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--only", default="", help="part of a name")
    parser.add_argument("--part", choices=("exact", "broken"))
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    lines = [
        "| distribution | algebra | η | rows | seed | certified | listed | defect | processor seconds |",
        "|" + "---|" * 9,
    ]
    right = {"exact": [0, 0], "false": [0, 0], "refuted": [0, 0]}
    with tempfile.TemporaryDirectory() as folder:
        parts = {"exact": exact_cases(), "broken": broken_cases()}
        for case in parts.get(asked.part) or [c for part in parts.values() for c in part]:
            for seed in asked.seeds if asked.only in case.name else ():
                report, seconds = report_of(case, asked.rows, seed, Path(folder))
                certified = len(report.certified)
                first = report.spectrum[0]
                bounds = "" if first.upper is None else f" [{first.lower:.3f}, {first.upper:.3f}]"
                listed = ", ".join(sorted({g.verdict for g in report.generators}))
                eta = "large" if case.eta is None else f"{case.eta:.3f}" if case.eta else ""
                shown = f"{first.defect:.3f}{bounds}"
                lines.append(
                    f"| {case.name} | {case.dimension} | {eta} | {asked.rows:,} | {seed} | {certified} | {listed} "
                    f"| {shown} | {seconds:.1f} |"
                )
                print(lines[-1], flush=True)
                if case.eta == 0.0:
                    right["exact"][0] += certified == case.dimension
                    right["exact"][1] += 1
                    right["refuted"][0] += not report.generators
                    right["refuted"][1] += 1
                if case.eta is None or case.eta == 0.0 or case.eta >= VISIBLE:
                    right["false"][0] += certified > case.dimension
                    right["false"][1] += 1
    lines += ["", f"exact algebras certified: {right['exact'][0]} of {right['exact'][1]}",
              f"exact algebras refuted: {right['refuted'][0]} of {right['refuted'][1]}",
              f"more certified than holds: {right['false'][0]} of {right['false'][1]}"]  # fmt: skip
    print("\n".join(lines[-3:]))
    if asked.output is not None:
        asked.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
