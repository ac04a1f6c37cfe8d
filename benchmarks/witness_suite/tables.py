"""Outcomes as the tables of docs/recovery.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from recovery_suite.document import share, table

from witness_suite.outcome import LEAST_ETA, Outcome
from witness_suite.tolerance import curve

# Systems that have a symmetry without a rescaling of time, as the peer counts them.
PEER = ("hopf", "oscillator", "symmetric top", "onto a sphere")
# What is asked of the sixty-two, by noise.
ASKED = {0.0: "≥ 90 %", 0.01: "≥ 85 %", 0.05: "≥ 70 %", 0.1: "told"}


def seconds(outcomes: Sequence[Outcome]) -> str:
    """Median and largest."""
    values = [o.seconds for o in outcomes if o.seconds == o.seconds]
    return f"median {np.median(values):.1f}, largest {max(values):.1f}" if values else "none"


def missed(outcomes: Sequence[Outcome]) -> str:
    """Every run that is not exact, with what was said."""
    rows = [
        [o.name, o.kind, f"{100 * o.noise:g}", f"{o.rows:,}", f"{o.certified} of {o.dimension}", o.verdict, o.fit]
        for o in outcomes
        if not o.exact or o.false
    ]
    return table(["case", "kind", "noise %", "N", "certified", "said", "general fit"], rows) if rows else "None."


def symmetries(outcomes: Sequence[Outcome]) -> str:
    """Exact symmetries: certified, false, refuted, by noise."""
    rows = []
    for noise in sorted({o.noise for o in outcomes}):
        at = [o for o in outcomes if o.noise == noise]
        rows.append([f"whole algebra certified, noise {100 * noise:g} %", ASKED.get(noise, "told"),
                     share(sum(o.exact for o in at), len(at))])  # fmt: skip
    misses = [o for o in outcomes if not o.exact]
    sharp = [o.cosine for o in outcomes if o.exact and o.noise <= 0.01 and o.rows >= 2000 and o.cosine == o.cosine]
    detected = [min(o.certified, o.dimension) / o.dimension for o in outcomes if o.dimension]
    rows += [
        ["false or wrong directions", "0", share(sum(o.false for o in outcomes), len(outcomes))],
        ["refuted though exact", "0", share(sum(o.refuted for o in misses), len(misses)) + " of what was missed"],
        ["approximate though exact", "told", share(sum(o.approximate > 0 for o in misses), len(misses))],
        ["mean share of the dimension certified", "told", f"{np.mean(detected):.3f}" if detected else "none"],
        ["smallest principal cosine, noise ≤ 1 %, N ≥ 2,000", "≥ 0.9999",
         f"{min(sharp):.6f}, median {np.median(sharp):.6f}" if sharp else "none"],
        ["crashes", "0", str(sum(bool(o.crash) for o in outcomes))],
        ["seconds", "told", seconds(outcomes)],
    ]  # fmt: skip
    return table(["measure", "asked", "reached"], rows)


def attacks(outcomes: Sequence[Outcome]) -> str:
    """False certificates by family, those that count apart from those that are told."""
    rows = []
    for family in dict.fromkeys(o.family for o in outcomes):
        of = [o for o in outcomes if o.family == family]
        counted = [o for o in of if o.counted]
        rest = [o for o in of if not o.counted and o.false]
        told = ", ".join(f"{o.eta:.3f}" for o in sorted(rest, key=lambda o: -o.eta)[:6])
        rows.append([family, str(len(of)), share(sum(o.false for o in counted), len(counted)),
                     f"{len(rest)} (η {told})" if rest else "0", str(sum(o.wrongly_approximate for o in of)),
                     str(sum(o.approximate > 0 for o in of))])  # fmt: skip
    counted = [o for o in outcomes if o.counted]
    rows.append(["**all**", str(len(outcomes)), share(sum(o.false for o in counted), len(counted)),
                 str(sum(o.false and not o.counted for o in outcomes)),
                 str(sum(o.wrongly_approximate for o in outcomes)),
                 str(sum(o.approximate > 0 for o in outcomes))])  # fmt: skip
    head = ["family", "attacks", f"false, η ≥ {LEAST_ETA:g} and seen by neighbours", "false, the rest",
            "approximate with η > δ", "approximate"]  # fmt: skip
    wrong = [o for o in outcomes if o.false]
    detail = [
        [o.name, f"{100 * o.noise:g}", f"{o.rows:,}", f"{o.certified}, at most {o.dimension}", f"{o.eta:.4f}",
         "yes" if o.visible else "no", o.algebra]
        for o in wrong
    ]  # fmt: skip
    named = table(["attack", "noise %", "N", "certified", "η", "seen by neighbours", "named"], detail)
    return table(head, rows) + ("\n\nEvery false certificate:\n\n" + named if wrong else "")


def dynamics(outcomes: Sequence[Outcome]) -> str:
    """The 240 settings: false certificates, detection by noise."""
    with_symmetry = [o for o in outcomes if o.dimension]

    def detection(of: Sequence[Outcome]) -> str:
        return f"{np.mean([o.certified >= o.dimension and not o.false for o in of]):.3f}" if of else ""

    noises = sorted({o.noise for o in outcomes})
    rows = [
        ["settings", "240", str(len(outcomes))],
        ["false certificates", "0", share(sum(o.false for o in outcomes), len(outcomes))],
        ["detection, all settings with a symmetry", "≥ 0.8", f"{detection(with_symmetry)} ({len(with_symmetry)})"],
        ["detection, the peer's four systems", "0.484 (the peer)",
         detection([o for o in with_symmetry if o.family in PEER])],
        *([f"detection at noise {100 * n:g} %", "told", detection([o for o in with_symmetry if o.noise == n])]
          for n in noises),
        ["refuted though exact", "0", str(sum(o.refuted for o in with_symmetry))],
        ["seconds", "told", seconds(outcomes)],
    ]  # fmt: skip
    systems = list(dict.fromkeys(o.family for o in outcomes))
    detail = []
    for system in systems:
        of = [o for o in outcomes if o.family == system]
        cells = []
        for n in noises:
            at = [o for o in of if o.noise == n]
            hits = sum(o.exact for o in at)
            cells.append(f"{hits} of {len(at)}")
        detail.append([system, str(of[0].dimension), *cells, str(sum(o.false for o in of))])
    head = ["system", "dimension", *(f"exact, {100 * n:g} %" for n in noises), "false"]
    return table(["measure", "asked", "reached"], rows) + "\n\n" + table(head, detail)


def section(part: str, outcomes: Sequence[Outcome]) -> str:
    """The text of one part."""
    if part == "dynamics":
        return dynamics(outcomes)
    if part == "tolerance":
        return curve(outcomes)
    if part in ("attacks", "points"):
        kept = [o for o in outcomes if o.dimension and o.eta != o.eta]
        broken = [o for o in outcomes if o.eta == o.eta]
        parts = [attacks(broken)] if broken else []
        if kept:
            parts += [symmetries(kept), missed(kept)]
        return "\n\n".join(parts)
    return symmetries(outcomes) + "\n\n" + missed(outcomes)
