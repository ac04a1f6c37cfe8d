"""Names under noise: every algebra of the catalogue, in random linear coordinates, with perturbed generators.

    python -m benchmarks.names --output docs/names.md

Each algebra is conjugated by random matrices P of condition number at most 100 (Gaussian ones, and ones with singular
values log-uniform in [1, 100]), every generator PAP⁻¹ is perturbed by a random matrix of the stated relative Frobenius
norm, and the noise is not told to the program. A name counts as right if it or one of its aliases is the true one, up
to the order of summands; R and so(2) are one Lie algebra.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from symfind.lie.algebras.algebra import algebra_of_matrices
from symfind.lie.algebras.classify import AlgebraReport, identify
from symfind.lie.groups.catalogue import parse_group

F64 = torch.float64


@dataclass(frozen=True)
class Entry:
    """An algebra of the catalogue: its name and a faithful representation ``(k, d, d)``."""

    name: str
    matrices: Tensor


def unit(n: int, i: int, j: int) -> Tensor:
    """E_ij."""
    e = torch.zeros(n, n, dtype=F64)
    e[i, j] = 1.0
    return e


def real_form(matrix: Tensor) -> Tensor:
    """A complex matrix acting on (Re z, Im z)."""
    return torch.cat([torch.cat([matrix.real, -matrix.imag], 1), torch.cat([matrix.imag, matrix.real], 1)])


def with_identity(generators: Tensor) -> Tensor:
    return torch.cat([generators, torch.eye(generators.shape[1], dtype=F64)[None]])


def affine(linear: Tensor) -> Tensor:
    """A linear algebra and the translations, as homogeneous matrices."""
    k, n, _ = linear.shape
    out = torch.zeros(k + n, n + 1, n + 1, dtype=F64)
    out[:k, :n, :n] = linear
    out[k + torch.arange(n), torch.arange(n), n] = 1.0
    return out


def unitary(p: int, q: int) -> Tensor:
    """su(p, q) on R^(2n)."""
    n = p + q
    sign = [1.0] * p + [-1.0] * q
    out = []
    for i in range(n):
        for j in range(i + 1, n):
            s = sign[i] * sign[j]
            out += [(unit(n, i, j) - s * unit(n, j, i)) + 0j, 1j * (unit(n, i, j) + s * unit(n, j, i))]
    out += [1j * (unit(n, i, i) - unit(n, i + 1, i + 1)) for i in range(n - 1)]
    return torch.stack([real_form(a) for a in out])


def special_linear_complex(n: int) -> Tensor:
    """sl(n, C) on R^(2n)."""
    basis = parse_group(f"sl{n}").generators
    return torch.stack([real_form(a + 0j) for a in basis] + [real_form(1j * a) for a in basis])


def heisenberg(n: int) -> Tensor:
    """Row, column and corner of strictly upper triangular (n + 2) × (n + 2) matrices."""
    m = n + 2
    rows = [unit(m, 0, i) for i in range(1, m - 1)] + [unit(m, i, m - 1) for i in range(1, m - 1)]
    return torch.stack([*rows, unit(m, 0, m - 1)])


def galilei(n: int) -> Tensor:
    """Rotations, boosts x → x + vt, translations and time shifts on (x, t, 1)."""
    m = n + 2
    rotations = torch.zeros(n * (n - 1) // 2, m, m, dtype=F64)
    if n > 1:
        rotations[:, :n, :n] = parse_group(f"so{n}").generators
    rest = [unit(m, i, n) for i in range(n)] + [unit(m, i, n + 1) for i in range(n)] + [unit(m, n, n + 1)]
    return torch.cat([rotations, torch.stack(rest)])


def upper_triangular(n: int) -> Tensor:
    return torch.stack([unit(n, i, j) for i in range(n) for j in range(i, n)])


def diagonal(n: int) -> Tensor:
    return torch.stack([unit(n, i, i) for i in range(n)])


def direct_sum(*parts: Tensor) -> Tensor:
    """Blocks on the diagonal."""
    d = sum(p.shape[1] for p in parts)
    out, at = [], 0
    for p in parts:
        block = torch.zeros(p.shape[0], d, d, dtype=F64)
        block[:, at : at + p.shape[1], at : at + p.shape[1]] = p
        out.append(block)
        at += p.shape[1]
    return torch.cat(out)


def catalogue() -> Iterator[Entry]:
    """Every algebra whose name is promised, up to dimension 15, and sums of them."""

    def group(name: str) -> Tensor:
        return parse_group(name).generators

    one = torch.ones(1, 1, 1, dtype=F64)
    yield Entry("R", with_identity(torch.zeros(0, 2, 2, dtype=F64)))
    yield Entry("so(2)", group("so2"))
    for n in (2, 3, 5, 9):
        yield Entry(f"R^{n}", diagonal(n))
    for n in (2, 3, 4):
        yield Entry(f"R^{n}", group(f"translations{n}"))
    yield Entry("so(2) + so(2)", direct_sum(group("so2"), group("so2")))
    yield Entry("co(2)", with_identity(group("so2")))
    for n in (3, 4, 5, 6):
        for p in range(n // 2 + 1):
            text = f"so({n})" if p == 0 else f"so({p},{n - p})"
            yield Entry(text, group(text))
            if n < 6:
                yield Entry(text.replace("so", "co"), with_identity(group(text)))
    for n in (2, 3, 4):
        yield Entry(f"sl({n},R)", group(f"sl{n}"))
        for p in range(n // 2 + 1):
            yield Entry(f"su({n})" if p == 0 else f"su({p},{n - p})", unitary(p, n - p))
    for n in (2, 3):
        yield Entry(f"gl({n},R)", group(f"gl{n}"))
        yield Entry(f"u({n})", group(f"u{n}"))
    yield Entry("sl(2,C)", special_linear_complex(2))
    yield Entry("sp(2,R)", group("sp2"))
    yield Entry("sp(4,R)", group("sp4"))
    for n in (2, 3, 4, 5):
        for p in range(n // 2 + 1):
            text = f"{n}" if p == 0 else f"{p},{n - p}"
            yield Entry(f"e({text})", affine(group(f"so({text})")))
            if n <= 4 and text != "1,1":
                yield Entry(f"sim({text})", affine(with_identity(group(f"so({text})"))))
    for n in (1, 2, 3):
        yield Entry(f"aff({n})", affine(group(f"gl{n}")))
    for n in (2, 3):
        yield Entry(f"saff({n})", affine(group(f"sl{n}")))
    for n in range(1, 8):
        yield Entry(f"heis({n})", heisenberg(n))
    for n in range(1, 5):
        yield Entry(f"galilei({n})", galilei(n))
    for n in range(2, 6):
        yield Entry(f"borel({n})", upper_triangular(n))
    yield Entry("so(3) + so(3)", direct_sum(group("so3"), group("so3")))
    yield Entry("so(3) + R", direct_sum(group("so3"), one))
    yield Entry("so(3) + R^2", direct_sum(group("so3"), diagonal(2)))
    yield Entry("sl(2,R) + R", direct_sum(group("sl2"), one))
    yield Entry("so(3) + sl(2,R)", direct_sum(group("so3"), group("sl2")))
    yield Entry("so(1,3) + so(2)", direct_sum(group("so(1,3)"), group("so2")))
    yield Entry("su(3) + so(3)", direct_sum(unitary(0, 3), group("so3")))
    yield Entry("e(2) + so(3)", direct_sum(affine(group("so2")), group("so3")))
    yield Entry("e(2) + e(2)", direct_sum(affine(group("so2")), affine(group("so2"))))
    yield Entry("heis(1) + R", direct_sum(heisenberg(1), one))
    yield Entry("aff(1) + aff(1)", direct_sum(affine(one), affine(one)))
    yield Entry("e(3) + so(3)", direct_sum(affine(group("so3")), group("so3")))


def random_coordinates(d: int, rng: torch.Generator, condition: float, *, logarithmic: bool) -> Tensor:
    """P ``(d, d)`` with condition number at most ``condition``."""
    while True:
        p = torch.randn(d, d, generator=rng, dtype=F64)
        if logarithmic:
            u, _, v = torch.linalg.svd(p)
            sizes = (torch.rand(d, generator=rng, dtype=F64) * math.log(condition)).exp()
            return u @ torch.diag(sizes) @ v
        if float(torch.linalg.cond(p)) <= condition:
            return p


def perturbed(matrices: Tensor, noise: float, rng: torch.Generator, *, logarithmic: bool) -> Tensor:
    """PAP⁻¹ of norm one and a perturbation of norm ``noise``, for every A."""
    p = random_coordinates(matrices.shape[1], rng, 100.0, logarithmic=logarithmic)
    moved = p @ matrices @ torch.linalg.inv(p)
    moved = moved / moved.flatten(1).norm(dim=1)[:, None, None]
    error = torch.randn(moved.shape, generator=rng, dtype=F64)
    return moved + noise * error / error.flatten(1).norm(dim=1)[:, None, None]


def summands(name: str) -> tuple[str, ...]:
    """The summands in alphabetical order, circles counted as lines."""
    parts = []
    for part in name.split(" + "):
        power = int(part[2:]) if part.startswith("R^") else 1
        parts += ["R"] * power if part.startswith("R^") or part in ("R", "so(2)") else [part]
    return tuple(sorted(parts))


def verdict(report: AlgebraReport, truth: str) -> str:
    """The word "right", "open" (unidentified) or "wrong"."""
    if report.name == "unidentified":
        return "open"
    names = {summands(name) for name in (report.name, *report.aliases)}
    return "right" if summands(truth) in names or _isomorphic(truth, report) else "wrong"


# Names that the catalogue writes in another way than the program does.
_SAME = {"co(2)": "R^2", "sim(1)": "aff(1)", "galilei(1)": "heis(1)"}


def _isomorphic(truth: str, report: AlgebraReport) -> bool:
    other = _SAME.get(truth)
    return other is not None and summands(other) in {summands(n) for n in (report.name, *report.aliases)}


def trial(entry: Entry, noise: float, seed: int, *, logarithmic: bool) -> tuple[str, str]:
    """Verdict and name of one random conjugation."""
    rng = torch.Generator().manual_seed(seed)
    report = identify(algebra_of_matrices(perturbed(entry.matrices, noise, rng, logarithmic=logarithmic)))
    return verdict(report, entry.name), report.name


def measure(trials: int, noises: Sequence[float], say: Callable[[str], None]) -> tuple[list[str], dict[str, int]]:
    """Table rows, and the number of trials of each verdict at each noise."""
    rows, totals = [], {f"{noise:g} {v}": 0 for noise in noises for v in ("right", "open", "wrong")}
    for entry in catalogue():
        cells = []
        for noise in noises:
            for logarithmic in (False, True):
                found = [trial(entry, noise, seed, logarithmic=logarithmic) for seed in range(trials)]
                counts = {v: sum(f[0] == v for f in found) for v in ("right", "open", "wrong")}
                for v, count in counts.items():
                    totals[f"{noise:g} {v}"] += count
                wrong = sorted({name for v, name in found if v == "wrong"})
                tally = f"{counts['right']} / {counts['open']} / {counts['wrong']}"
                cells.append(tally + "".join(f" {w}" for w in wrong))
        k, d, _ = entry.matrices.shape
        rows.append(f"| {entry.name} | {k} | {d} | " + " | ".join(cells) + " |")
        say(rows[-1])
    return rows, totals


def document(trials: int, noises: Sequence[float], rows: Sequence[str], totals: dict[str, int], command: str) -> str:
    """The text of docs/names.md."""
    head = "| algebra | dim | matrices | " + " | ".join(
        f"{noise:g}, {kind}" for noise in noises for kind in ("Gaussian", "log-uniform")
    ) + " |"  # fmt: skip
    summary = [
        f"- noise {noise:g}: {totals[f'{noise:g} right']} right, {totals[f'{noise:g} open']} unidentified, "
        f"{totals[f'{noise:g} wrong']} wrong"
        for noise in noises
    ]
    lines = [
        "# Names under noise",
        "",
        f"Written by `{command}`.",
        "",
        " ".join((__doc__ or "").split("\n\n")[2].split()),
        f"{trials} conjugations of each kind; cells count right / unidentified / wrong.",
        "",
        *summary,
        "",
        head,
        "|---" * (3 + 2 * len(noises)) + "|",
        *rows,
        "",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the suite and write the table."""
    parser = argparse.ArgumentParser(description="names of Lie algebras under random conjugations and noise")
    parser.add_argument("--trials", type=int, default=20, help="conjugations of each kind")
    parser.add_argument("--noise", type=float, nargs="+", default=[1e-6, 1e-3], help="relative perturbations")
    parser.add_argument("--output", type=Path, default=None, help="file to write; standard output otherwise")
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    rows, totals = measure(given.trials, given.noise, lambda row: print(row, flush=True))
    command = f"python -m benchmarks.names --trials {given.trials} --noise {' '.join(f'{v:g}' for v in given.noise)}"
    text = document(given.trials, given.noise, rows, totals, command + " --output docs/names.md")
    if given.output is None:
        print(text)
    else:
        given.output.write_text(text, encoding="utf-8")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
