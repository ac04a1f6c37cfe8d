"""Reports as JSON and HDF5: nothing is lost, equal content is equal bytes, damage is one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.errors import InputError
from symfind.schema import store
from symfind.schema.document import Report, SpectrumEntry

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=json_values)
@settings(max_examples=60, deadline=None)
def test_every_json_value_survives_both_formats(value: object, rotation_report: Report) -> None:
    report = replace(rotation_report, extra={"from a later version": value})
    assert store.from_json(store.to_json(report), "r") == report
    again = store.from_hdf5(store.to_hdf5(report), "r")
    assert again == report
    # timing is outside of equality and HDF5 sorts it, so the bytes are compared with it made equal
    assert store.to_json(replace(again, timing={})) == store.to_json(replace(report, timing={}))


def test_the_fixed_names_are_written_in_order(rotation_report: Report) -> None:
    plain = json.loads(store.to_json(rotation_report))
    fixed = "schema source settings environment space spectrum generators algebra coverage warnings timing".split()
    assert [key for key in plain if key in fixed] == fixed
    assert plain["schema"] == "symfind.report/1"
    assert set(plain["spectrum"][0]) == {"defect", "lower", "upper"}
    generator = "expression defect lower upper verdict reach coefficients input_action output_action".split()
    assert set(generator) <= set(plain["generators"][0])
    algebra = (
        "dimension name aliases closure killing_signature center_dimension derived_dimensions semisimple "
        "solvable compact structure_constants preserved_forms"
    ).split()
    assert set(algebra) <= set(plain["algebra"])


def test_equal_content_is_equal_bytes_whatever_the_order_and_the_container(rotation_report: Report) -> None:
    one = replace(rotation_report, settings={"a": 1, "b": 2.5}, timing={})
    other = replace(
        rotation_report,
        settings={"b": np.float64(2.5), "a": np.int64(1)},
        spectrum=(
            {"defect": np.float64(1e-13), "lower": -0.0, "upper": 2e-13},
            SpectrumEntry(defect=0.7, lower=0.6, upper=0.8),
            {"defect": 0.9},
        ),
        timing={"fit": 9.0},
    )
    assert one == other
    assert store.to_json(one) == store.to_json(replace(other, timing={}))


def test_no_number_outside_json_is_ever_written(rotation_report: Report) -> None:
    report = replace(
        rotation_report,
        spectrum=[SpectrumEntry(defect=math.nan, lower=-math.inf, upper=math.inf)],
        settings={"limit": math.inf, "list": [1, math.nan]},
    )
    plain = json.loads(store.to_json(report), parse_constant=lambda name: pytest.fail(name))
    assert plain["spectrum"] == [{"defect": None, "lower": None, "upper": None}]
    assert plain["settings"] == {"limit": None, "list": [1.0, None]}


def test_numbers_read_back_exactly(rotation_report: Report) -> None:
    thirds = [1 / 3, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
    generator = replace(rotation_report.generators[0], coefficients=thirds)
    report = replace(rotation_report, generators=[generator])
    for again in (store.from_json(store.to_json(report), "r"), store.from_hdf5(store.to_hdf5(report), "r")):
        assert list(again.generators[0].coefficients) == thirds


def test_hdf5_is_laid_out_for_other_programs(tmp_path: Path, rotation_report: Report) -> None:
    path = tmp_path / "r.h5"
    store.write_file(str(path), store.to_hdf5(rotation_report))
    with h5py.File(path) as file:
        assert file.attrs["schema"] == "symfind.report/1"
        assert file["spectrum/defect"][:].tolist() == [1e-13, 0.7, 0.9]
        assert math.isnan(file["spectrum/lower"][2])
        assert file["generators/0/input_action"][:].tolist() == [[0.0, -1.0], [1.0, 0.0]]
        assert file["generators/0"].attrs["verdict"] == "certified"


def test_a_long_text_survives_hdf5(rotation_report: Report) -> None:
    report = replace(rotation_report, warnings=["w" * 100_000], extra={"long": "é" * 100_000})
    assert store.from_hdf5(store.to_hdf5(report), "r") == report


def test_a_file_name_that_is_not_unicode_does_no_harm(rotation_report: Report) -> None:
    # Python stands in for undecodable bytes of a file name with lone surrogates, which UTF-8 cannot hold.
    source = replace(rotation_report.source, path="caf\udce9.h5")
    report = replace(rotation_report, source=source)
    content = store.to_json(report).encode("utf-8")
    assert store.from_json(content.decode("utf-8"), "r") == report
    assert store.from_hdf5(store.to_hdf5(report), "r").source.path == r"caf\udce9.h5"


def without(plain: dict[str, object], *keys: str) -> dict[str, object]:
    return {k: v for k, v in plain.items() if k not in keys}


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda r: [], 'no "schema"'),
        (lambda r: {"generators": []}, 'no "schema"'),
        (lambda r: r | {"schema": "symfind.report/2"}, "symfind.report/2"),
        (lambda r: without(r, "space"), "lacks space"),
        (lambda r: without(r, "timing", "source"), "lacks source, timing"),
        (lambda r: r | {"spectrum": 3}, "spectrum is 3"),
        (lambda r: r | {"algebra": {}}, "algebra.dimension is missing"),
        (lambda r: r | {"generators": [r["generators"][0] | {"verdict": "sure"}]}, "generators[0].verdict is 'sure'"),
        (lambda r: r | {"generators": [without(r["generators"][0], "defect")]}, "generators[0].defect is missing"),
        (lambda r: r | {"space": {"name": "linear", "dimension": "four"}}, "space.dimension is 'four'"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(
    spoil: Callable[[dict[str, object]], object], fault: str, tmp_path: Path, rotation_report: Report
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(spoil(rotation_report.to_plain())), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        store.read_report(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and fault in message and "\n" not in message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"{", b"PK\x03\x04", b"\xff\xfe\x00", b"[" * 100_000, b"1e999"])
def test_what_is_no_json_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="a report that symfind wrote$"):
        store.read_report(str(path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        store.read_report(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="directory"):
        store.read_report(str(tmp_path))


def test_a_truncated_hdf5_report_is_refused_wherever_it_is_cut(rotation_report: Report) -> None:
    content = store.to_hdf5(rotation_report)
    for length in range(8, len(content) - 1, len(content) // 25):
        with pytest.raises(InputError, match="^r.h5: "):
            store.from_hdf5(content[:length], "r.h5")


def test_an_hdf5_report_cannot_read_other_files(tmp_path: Path, rotation_report: Report) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.ones(3)
    for name, make in {
        "external link": lambda f: f.__setitem__("z", h5py.ExternalLink(str(secret), "/x")),
        "external storage": lambda f: f.create_dataset("z", (3,), "u1", external=[(str(secret), 0, 3)]),
        "virtual": lambda f: f.create_virtual_dataset("z", _virtual(secret)),
        "huge": lambda f: f.create_dataset("z", (10**12,), "f8", chunks=(1000,)),
        "unwritten": lambda f: f.create_dataset("z", (10,), "f8"),
        "loop": lambda f: f.__setitem__("z", f["/"]),
    }.items():
        path = tmp_path / "r.h5"
        store.write_file(str(path), store.to_hdf5(rotation_report))
        with h5py.File(path, "r+") as file:
            make(file)
        with pytest.raises(InputError, match=r"r\.h5: "):
            pytest.fail(f"{name}: {store.read_report(str(path))}")


def _virtual(secret: Path) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (3,))
    return layout


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    store.write_file(str(path), b"first")
    link = tmp_path / "link.json"
    link.symlink_to(path)
    store.write_file(str(link), b"second")
    assert path.read_bytes() == b"second" and link.is_symlink()
    with pytest.raises(InputError, match="choose another|check the folder"):
        store.write_file(str(tmp_path / "no folder" / "r.json"), b"")
    store.write_file("/dev/null", b"a device stays a device")
    assert not Path("/dev/null").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.json", "r.json"]
