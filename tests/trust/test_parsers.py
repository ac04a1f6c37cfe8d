"""Property tests: whatever a parser is given, it returns what was asked for or raises an error of one line."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.reliability_suite.cases import damaged
from symfind.data.mapping import mapping_from
from symfind.data.zip_layout import ArchiveFault, ArchiveLimits, members_of, unpacked
from symfind.errors import InputError, SymfindError
from symfind.fields.expressions import parse_expression
from symfind.kinds.field.equation import parse_equation
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.schema.document import Report
from symfind.schema.store import from_hdf5, from_json, read_report, to_hdf5, to_json
from symfind.small_input import json_of, yaml_of
from symfind.untrusted_text import shown

FUZZED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TOKENS = (
    "x y u u_t u_xx + - * / ** ^ ( ) = ; 1 0 2.5 1e400 9999 sin exp log , . _ é \x00 \x1b \n [ ] { } & ! : # ~ |".split(
        " "
    )
)
WORDS = st.lists(st.sampled_from([*TOKENS, " "]), max_size=30).map("".join)
ATOMS = "V 1 2 3 9 x ^ * + ( ) T , ⊗ det L image regular points 1o 3/2 ⊕ é".split()
WORDS_OF_REPRESENTATIONS = st.lists(st.sampled_from(ATOMS), max_size=12).map("".join)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@contextlib.contextmanager
def refused_in_one_line() -> Any:
    try:
        yield
    except SymfindError as error:
        first, *drawing = str(error).split("\n")
        assert len(drawing) <= 2 and len(first) < 3000
        assert shown(first) == first


@FUZZED
@given(WORDS)
def test_formulas(text: str) -> None:
    with refused_in_one_line():
        formula = parse_expression(text, ("x", "y"))
        x = torch.linspace(-1, 1, 5, dtype=torch.float64)
        assert formula({"x": x, "y": x}).shape == (5,)


@FUZZED
@given(WORDS)
def test_equations(text: str) -> None:
    with refused_in_one_line():
        assert parse_equation(text, ("t", "x"), ("u",)).order >= 1


@FUZZED
@given(WORDS_OF_REPRESENTATIONS, st.sampled_from(["so3", "o3", "d4", "so3 x s3", "se3"]))
def test_representations(text: str, group: str) -> None:
    with refused_in_one_line():
        assert parse_representation(parse_group(group), text).dim <= 2**20


@FUZZED
@given(st.lists(st.sampled_from("so su gl sp s c d x ( ) , 1 3 99 é - e se".split()), max_size=8).map("".join))
def test_groups(text: str) -> None:
    with refused_in_one_line():
        parse_group(text)


@FUZZED
@given(WORDS | st.text(max_size=60))
def test_yaml(text: str) -> None:
    with refused_in_one_line():
        yaml_of(text, "f", "give YAML")


@FUZZED
@given(WORDS | PLAIN.map(json.dumps))
def test_json(text: str) -> None:
    with refused_in_one_line():
        json_of(text, "f", "give JSON")


@FUZZED
@given(PLAIN | st.dictionaries(st.sampled_from(["x", "y", "t", "kind", "names", "grid", "units"]), PLAIN, max_size=4))
def test_mappings(content: Any) -> None:
    with refused_in_one_line():
        mapping_from(content, "f")


@FUZZED
@given(data=st.data())
def test_reports(rotation_report: Report, data: st.DataObject) -> None:
    plain = json.loads(to_json(rotation_report))
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(plain)))
        plain[key] = data.draw(PLAIN)
    with refused_in_one_line():
        report = from_json(json.dumps(plain), "f")
        assert from_json(to_json(report), "f") == report
        assert from_hdf5(to_hdf5(report), "f").to_plain().keys() == report.to_plain().keys()


@FUZZED
@given(st.integers(0, 10**9))
def test_damaged_reports_in_hdf5(rotation_report: Report, tmp_path: Path, seed: int) -> None:
    (tmp_path / "r.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + damaged(to_hdf5(rotation_report), random.Random(seed))[8:])
    with refused_in_one_line():
        read_report(str(tmp_path / "r.h5"))


def archive() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name in ("m/data.pkl", "m/code/a.py", "m/version"):
            made.writestr(zipfile.ZipInfo(name), name.encode() * 9)
    return held.getvalue()


@FUZZED
@given(st.integers(0, 10**9))
def test_layouts_of_archives(seed: int) -> None:
    """What is read has the content that was stored, or nothing is."""
    rng = random.Random(seed)
    content = archive()
    for _ in range(rng.randrange(1, 3)):
        content = damaged(content, rng) or b"\0"
    try:
        file = io.BytesIO(content)
        for member in members_of(file, ArchiveLimits()):
            assert b"".join(unpacked(file, member)) == member.name.encode() * 9
    except ArchiveFault as fault:
        assert len(str(fault)) < 1000


# What broke a parser once.
@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000, "a: 2026-99-99", "a: !!int 'x'", "a: &a [*a]", "[" * 100_000, "a: 0x" + "f" * 3000,
        "a: !!binary '%'", "? [a]\n: b", "a: !!bool x", "\ud800",
    ],
)  # fmt: skip
def test_yaml_that_broke_readers(text: str) -> None:
    with pytest.raises(InputError) as told:
        yaml_of(text, "f", "give YAML")
    assert "\n" not in str(told.value) and len(str(told.value)) < 2500


@pytest.mark.parametrize(
    "text",
    [
        "1/0*x",
        "0**-1",
        "9**9**9**9",
        "(-1)**0.5*x",
        "1e400*x",
        "9" * 400 + "*x",
        "+".join(["x"] * 700),
        "-" * 1500 + "x",
    ],
)
def test_formulas_that_broke_readers(text: str, tmp_path: Path) -> None:
    with pytest.raises(SymfindError):
        parse_expression(text, ("x",))


def test_a_long_sum_is_read() -> None:
    one = torch.ones(1, dtype=torch.float64)
    assert float(parse_expression("+".join(["x"] * 150), ("x",))({"x": one})) == 150.0
