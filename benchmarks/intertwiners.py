"""Seconds to solve for bases of intertwiners: symfind beside emlp and e3nn, each solve in a fresh process.

    python benchmarks/intertwiners.py --output docs/intertwiners.md

needs the ``bench`` extra. Imports are not timed. Every solve is cold: a new process, caches on disk off. Dimensions,
equivariance under random group elements and the angle between the spans are computed here, from the matrices of the
group alone, by code that neither library shares.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

INVARIANTS = {
    # name: (symfind group, formula, emlp group, (p, q))
    "SO(3), T(4)": ("so3", "V^4", "SO(3)", (4, 0)),
    "SO(3), T(5)": ("so3", "V^5", "SO(3)", (5, 0)),
    "SO(3), T(6)": ("so3", "V^6", "SO(3)", (6, 0)),
    "SO(3), T(7)": ("so3", "V^7", "SO(3)", (7, 0)),
    "SO(5), T(4)": ("so5", "V^4", "SO(5)", (4, 0)),
    "SO(1,3), T(2,2)": ("so13", "T(2,2)", "SO13p()", (2, 2)),
}
MIXED = "SO(3), 10T0+10T1+5T2 → same"
MIXED_FORMULA = "10T(0)+10T(1)+5T(2)"
EXPECTED = {"SO(3), T(4)": 3, "SO(3), T(5)": 6, "SO(3), T(6)": 15, "SO(3), T(7)": 36, "SO(5), T(4)": 3,
            "SO(1,3), T(2,2)": 4, MIXED: 475}  # fmt: skip
RANKS = (3, 4, 5)


def ours(case: str) -> tuple[float, torch.Tensor]:
    from symfind.lie.groups.catalogue import parse_group
    from symfind.lie.groups.intertwiners import intertwiners
    from symfind.lie.groups.invariant_cache import InvariantCache
    from symfind.lie.groups.notation import parse_representation

    name, formula = INVARIANTS[case][:2] if case in INVARIANTS else ("so3", MIXED_FORMULA)
    start = time.perf_counter()
    group = parse_group(name)
    target = parse_representation(group, formula)
    source = parse_representation(group, "1") if case in INVARIANTS else target
    space = intertwiners(source, target, InvariantCache(None))
    elapsed = time.perf_counter() - start
    return elapsed, space.basis().flatten(1).mT


def emlp(case: str) -> tuple[float, torch.Tensor]:
    import emlp.groups
    import numpy
    from emlp.reps import T

    name, (p, q) = INVARIANTS[case][2:] if case in INVARIANTS else ("SO(3)", (0, 0))
    start = time.perf_counter()
    group = eval(name, vars(emlp.groups))  # noqa: S307 (a literal of this file)
    if case in INVARIANTS:
        basis = T(p, q)(group).equivariant_basis()
    else:
        representation = (10 * T(0) + 10 * T(1) + 5 * T(2))(group)
        basis = (representation >> representation).equivariant_basis()
    getattr(basis, "block_until_ready", lambda: None)()
    elapsed = time.perf_counter() - start
    if case not in INVARIANTS:
        basis = basis @ numpy.eye(basis.shape[1], dtype=numpy.float32)
    return elapsed, torch.from_numpy(numpy.array(basis, dtype=numpy.float64))


def decomposition_by_symfind(rank: int) -> tuple[float, torch.Tensor]:
    from symfind.lie.groups.catalogue import parse_group
    from symfind.lie.groups.clebsch_gordan import isotypic_parts
    from symfind.lie.groups.notation import parse_representation

    start = time.perf_counter()
    parts = isotypic_parts(parse_representation(parse_group("so3"), f"V^{rank}"))
    q = torch.cat([u for p in parts for u in p.basis], 1)
    return time.perf_counter() - start, q


def decomposition_by_e3nn(rank: int) -> tuple[float, torch.Tensor]:
    from e3nn import o3

    letters = "ijklmn"[:rank]
    start = time.perf_counter()
    product = o3.ReducedTensorProducts(letters, **dict.fromkeys(letters, "1o"))
    q = product.change_of_basis.flatten(1).mT
    return time.perf_counter() - start, q.double()


def worker(library: str, case: str, path: str) -> None:
    """One cold solve in this process: seconds on standard output, the basis in ``path``."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if case.isdigit():
        __import__("e3nn.o3" if library == "e3nn" else "symfind.lie.groups.clebsch_gordan")
        seconds, basis = (decomposition_by_e3nn if library == "e3nn" else decomposition_by_symfind)(int(case))
    else:
        __import__("emlp.reps" if library == "emlp" else "symfind.lie.groups.intertwiners")
        seconds, basis = (emlp if library == "emlp" else ours)(case)
    torch.save(basis, path)
    print(json.dumps({"seconds": seconds}))


def solve(library: str, case: str, repeats: int) -> tuple[float, torch.Tensor]:
    """Median seconds of ``repeats`` fresh processes, and the basis of the last."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "basis.pt")
        for _ in range(repeats):
            command = [sys.executable, __file__, "--worker", library, case, path]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{library} failed on {case}:\n{done.stderr[-2000:]}")
            seconds.append(json.loads(done.stdout.strip().splitlines()[-1])["seconds"])
        return statistics.median(seconds), torch.load(path, weights_only=True)


def elements(case: str) -> list[torch.Tensor]:
    """Random elements of the case's group, from nothing but matrix exponentials."""
    rng = torch.Generator().manual_seed(11)
    n = 5 if case.startswith("SO(5)") else 4 if case.startswith("SO(1") else 3
    out = []
    for _ in range(3):
        a = torch.randn(n, n, dtype=torch.float64, generator=rng) * 0.5
        a = a - a.mT
        if case.startswith("SO(1"):
            a[0, 1:] = -a[0, 1:]
        out.append(torch.linalg.matrix_exp(a))
    return out


def power(matrices: list[torch.Tensor]) -> torch.Tensor:
    out = torch.ones(1, 1, dtype=torch.float64)
    for m in matrices:
        out = torch.kron(out, m.contiguous())
    return out


def equivariance_error(case: str, basis: torch.Tensor) -> float:
    """Max over g and basis elements of ‖ρ_out(g)W − Wρ_in(g)‖ / (‖ρ_out(g)‖ + ‖ρ_in(g)‖)‖W‖."""
    worst = 0.0
    for g in elements(case):
        if case == MIXED:
            rho = torch.block_diag(*[torch.eye(1, dtype=torch.float64)] * 10, *[g] * 10, *[torch.kron(g, g)] * 5)
            w = basis.mT.reshape(-1, 85, 85)
            difference, size = torch.linalg.matrix_norm(rho @ w - w @ rho), 2.0
            error = difference / torch.linalg.matrix_norm(w)
        else:
            up, down = INVARIANTS[case][3]
            rho = power([g] * up + [torch.linalg.inv(g).mT] * down)
            size = float(torch.linalg.matrix_norm(rho, 2)) + 1.0 if rho.shape[0] < 700 else 2.0
            error = torch.linalg.vector_norm(rho @ basis - basis, dim=0) / torch.linalg.vector_norm(basis, dim=0)
        worst = max(worst, float(error.max()) / size)
    return worst


def span_sine(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest sine of an angle between two spans."""
    qa, qb = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return float(torch.linalg.matrix_norm(qa - qb @ (qb.mT @ qa), 2))


def block_error(rank: int, q: torch.Tensor, axes: list[int]) -> float:
    """Off-block part of Qᵀρ(g)Q: entries between spans that should not mix; blocks found from Qᵀρ(h)Q itself."""
    worst = 0.0
    pattern = None
    for g in elements("SO(3)"):
        g = g[axes][:, axes]
        m = q.mT @ power([g] * rank) @ q
        # Entries of irreducible blocks are of size one; 1e-4 is above float32 rounding and below those.
        mask = m.abs() > 1e-4
        pattern = mask if pattern is None else pattern | mask
        worst = max(worst, float((m * ~pattern).abs().max()))
    reach = pattern.double()
    for _ in range(6):
        reach = ((reach @ reach) > 0).double()
    if int(reach.sum(1).max()) > 2 * rank + 1:
        return float("nan")
    return worst


def seconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def report(repeats: int) -> str:
    versions = {p: importlib.metadata.version(p) for p in ("emlp", "jax", "six", "e3nn", "torch", "numpy")}
    lines = [
        "# Intertwiners: speed and accuracy",
        "",
        "Written by `python benchmarks/intertwiners.py --output docs/intertwiners.md`, which runs all libraries in "
        "turn on the same machine. Do not edit by hand.",
        "",
        f"Each number is the median of {repeats} solves, each in a fresh process with nothing cached; imports are not "
        "counted. symfind runs its small solves on one thread, the others as they choose, in the precision they choose "
        "(float32).",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        + ", ".join(f"{k} {v}" for k, v in versions.items())
        + f". Load average of the machine when the run began: {os.getloadavg()[0]:.1f}.",
        "",
        "## Bases of invariants and of intertwiners",
        "",
        "Error: the largest ‖ρ_out(g)W − Wρ_in(g)‖ / (‖ρ_out(g)‖ + ‖ρ_in(g)‖)‖W‖ over basis elements W and three "
        "random g. Angle: the sine between the two spans. Each basis is timed in its library's own form (10T0+10T1+5T2 "
        "as blocks) and made dense afterwards.",
        "",
        "| case | dimension (expected) | symfind s | emlp s | ratio | symfind error | emlp error | angle |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, expected in EXPECTED.items():
        mine, basis = solve("symfind", case, repeats)
        theirs, other = solve("emlp", case, repeats)
        dimension = f"{basis.shape[1]} / {other.shape[1]} ({expected})"
        lines.append(
            f"| {case} | {dimension} | {seconds(mine)} | {seconds(theirs)} | {theirs / mine:.0f} | "
            f"{equivariance_error(case, basis):.1e} | {equivariance_error(case, other):.1e} | "
            f"{span_sine(basis, other):.0e} |"
        )
        print(lines[-1], file=sys.stderr)
    lines += [
        "",
        "Dimensions are symfind's / emlp's.",
        "",
        "## Complete decomposition of T(k) of SO(3) into irreducible parts",
        "",
        "Beside `e3nn.o3.ReducedTensorProducts`. Error: the largest entry of Qᵀρ(g)Q outside the irreducible blocks.",
        "",
        "| rank | symfind s | e3nn s | ratio | symfind error | e3nn error | symfind ‖QᵀQ − 1‖ |",
        "|---|---|---|---|---|---|---|",
    ]
    for rank in RANKS:
        mine, q = solve("symfind", str(rank), repeats)
        theirs, p = solve("e3nn", str(rank), repeats)
        if q.shape != p.shape:
            raise SystemExit(f"rank {rank}: {tuple(q.shape)} beside {tuple(p.shape)}")
        unit = float((q.mT @ q - torch.eye(len(q), dtype=torch.float64)).abs().max())
        # e3nn orders degree 1 as (y, z, x).
        mine_error, their_error = block_error(rank, q, [0, 1, 2]), block_error(rank, p, [1, 2, 0])
        lines.append(
            f"| {rank} | {seconds(mine)} | {seconds(theirs)} | {theirs / mine:.1f} | {mine_error:.1e} | "
            f"{their_error:.1e} | {unit:.1e} |"
        )
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="docs/intertwiners.md", help="file that is written")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes a case")
    parser.add_argument("--worker", nargs=3, metavar=("LIBRARY", "CASE", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    text = report(options.repeats)
    Path(options.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
