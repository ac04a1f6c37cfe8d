"""Pages in a browser: nothing reaches beyond a window of 400, 900 or 1,400 pixels, formulas are typeset."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from symfind.render.html import to_html
from symfind.schema.coverage import Drawn
from symfind.schema.document import Invariant, Report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")
WIDTHS = (400, 900, 1400)

# Windows narrower than 500 pixels there are none without a screen: a frame of that width stands for one.
_MEASURED = """<!doctype html><body>{frames}<pre id="out"></pre><script>
onload = () => {{
  const out = [];
  for (const frame of document.querySelectorAll("iframe")) {{
    const page = frame.contentDocument, width = frame.clientWidth;
    const every = "h1, h2, p, dl, dd, dd math, td.certified, td.refuted, figure, main > svg, footer";
    const beyond = [...page.querySelectorAll(every)]
      .filter((e) => e.getBoundingClientRect().right > width + 0.5).length;
    const sub = page.querySelector("msub");
    const low = sub ? sub.lastElementChild.getBoundingClientRect().bottom > sub.firstElementChild
      .getBoundingClientRect().bottom - 1 : false;
    out.push([width, page.documentElement.scrollWidth, beyond, low ? 1 : 0].join(","));
  }}
  document.getElementById("out").textContent = "measured " + out.join(" ");
}};
</script>"""


def measured(page: str, folder: Path) -> list[tuple[int, int, int, int]]:
    """Width of the frame, width of what is in it, elements beyond its edge, whether indices stand low."""
    content = html.escape(page, quote=True)
    frames = "".join(f'<iframe width="{w}" height="900" style="border:0" srcdoc="{content}"></iframe>' for w in WIDTHS)
    (folder / "page.html").write_text(_MEASURED.format(frames=frames), encoding="utf-8")
    ended = subprocess.run(
        [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
         "--virtual-time-budget=4000", "--dump-dom", (folder / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = re.search(r"measured ([\d, ]+)", ended.stdout)
    assert found, ended.stderr[-500:]
    return [tuple(map(int, part.split(","))) for part in found[1].split()]  # type: ignore[misc]


@pytest.fixture
def crowded(lorentz_report: Report) -> Report:
    """Every part of a page at its widest: a long expression, a long path, wide matrices, pictures."""
    rows = tuple((5.0 + i % 7, float(i % 5), float(i % 3), i / 20) for i in range(60))
    boost = ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    first = replace(
        lorentz_report.generators[0],
        expression=" + ".join(f"{i}.25 px{i} ∂py{i}" for i in range(2, 20)),
        input_action=boost,
    )
    generators = (first, *(replace(g, input_action=boost) for g in lorentz_report.generators[1:]))
    algebra = replace(
        lorentz_report.algebra,
        invariants=(
            Invariant(expression="E² − px² − py² − pz²", degree=2),
            Invariant(expression=f"f({', '.join(f'E{i}² − px{i}² − py{i}² − pz{i}²' for i in range(1, 6))})", degree=2),
        ),
    )
    source = replace(lorentz_report.source, path="/data/" + "a_long_name_without_a_break" * 6 + ".h5")
    return replace(
        lorentz_report, generators=generators, algebra=algebra, source=source, drawn=Drawn(rows=rows),
        settings=lorentz_report.settings | {"equation": "x" * 300}, warnings=("w" * 200,),
    )  # fmt: skip


@needs_browser
def test_nothing_reaches_beyond_the_window_and_indices_stand_low(crowded: Report, tmp_path: Path) -> None:
    for width, content, beyond, low in measured(to_html(crowded), tmp_path):
        assert content <= width, f"{content} pixels in a window of {width}"
        assert beyond == 0 and low == 1


@needs_browser
def test_what_is_too_wide_is_seen_to_be(crowded: Report, tmp_path: Path) -> None:
    page = to_html(crowded).replace("<main>", '<main><div style="width:2000px">wide</div>')
    assert all(content > width for width, content, _, _ in measured(page, tmp_path))
