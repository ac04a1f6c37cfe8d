"""From stored reports and typed matrices to a named algebra; whatever cannot be used ends with one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from symfind import api
from symfind.errors import InputError
from symfind.lie.groups.catalogue import parse_group
from symfind.schema.algebra import Algebra
from symfind.schema.document import Report
from symfind.schema.store import to_hdf5, to_json


def typed(path: Path, **document: object) -> str:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def matrices(name: str) -> list[object]:
    return list(parse_group(name).generators.tolist())


@pytest.mark.parametrize(
    ("group", "name", "dimension"),
    [("so3", "so(3)", 3), ("so13", "so(1,3)", 6), ("sl2", "sl(2,R)", 3), ("gl2", "gl(2,R)", 4), ("se2", "e(2)", 3)],
)
def test_matrices_of_the_catalogue_are_named(tmp_path: Path, group: str, name: str, dimension: int) -> None:
    report = api.identify(typed(tmp_path / "g.yaml", generators=matrices(group)))
    assert (report.algebra.name, report.algebra.dimension) == (name, dimension)
    assert len(report.certified) == dimension and all(g.defect is None for g in report.generators)
    assert any("no data stand behind" in note for note in report.notes)
    assert Report.read(report.to_plain(), "again") == report


def test_names_and_noise_can_be_given(tmp_path: Path) -> None:
    rotation = [[[0.0, -1.0], [1.0, 0.0]]]
    report = api.identify(typed(tmp_path / "g.yaml", generators=rotation, names=["u", "v"], noise=1e-4))
    assert report.generators[0].expression == "u ∂v − v ∂u"
    assert report.algebra.name == "so(2)" and report.algebra.noise == pytest.approx(1e-4)
    assert [v.expression for v in report.algebra.invariants] == ["u² + v²"]


def test_at_too_much_noise_nothing_is_said(tmp_path: Path) -> None:
    algebra = api.identify(typed(tmp_path / "g.yaml", generators=matrices("so3"), noise=0.4)).algebra
    assert algebra.name == "unidentified" and "errors of up to 0.4" in algebra.reason
    assert algebra.killing_signature is None and algebra.preserved_forms == () and algebra.compact is None


def test_generators_that_are_not_closed_are_not_named(tmp_path: Path) -> None:
    # Two turns of R³ without their bracket, the third.
    algebra = api.identify(typed(tmp_path / "g.yaml", generators=matrices("so3")[:2])).algebra
    assert algebra.name == "unidentified" and "not closed" in algebra.reason


def test_random_matrices_are_unidentified(tmp_path: Path) -> None:
    random = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)).tolist()
    assert api.identify(typed(tmp_path / "g.yaml", generators=random)).algebra.name == "unidentified"


@pytest.mark.parametrize("ending", [".json", ".h5"])
def test_a_stored_report_is_identified_anew(tmp_path: Path, rotation_report: Report, ending: str) -> None:
    stored = replace(rotation_report, algebra=Algebra(dimension=1))
    path = tmp_path / f"r{ending}"
    path.write_bytes(to_hdf5(stored) if ending == ".h5" else to_json(stored).encode())
    report = api.identify(str(path))
    assert report.algebra.name == "so(2)" and report.algebra.compact is True
    assert report.source == stored.source and report.generators == stored.generators


def test_homogeneous_matrices_of_a_report_are_affine_fields(tmp_path: Path, rotation_report: Report) -> None:
    generators = tuple(
        replace(rotation_report.generators[0], input_action=g) for g in parse_group("se2").generators.tolist()
    )
    stored = replace(rotation_report, generators=generators, algebra=Algebra(dimension=3, noise=1e-9))
    path = tmp_path / "r.json"
    path.write_text(to_json(stored))
    algebra = api.identify(str(path)).algebra
    assert algebra.name == "e(2)" and len(algebra.preserved_forms[0].matrix) == 2


def test_polynomial_fields_of_a_report_are_bracketed(tmp_path: Path, rotation_report: Report) -> None:
    # ∂x, x ∂x, x² ∂x are sl(2, R).
    source = replace(rotation_report.source, names=("x",))
    exponents = [[0], [1], [2]]
    actions = [{"exponents": exponents, "coefficients": [[float(i == j)] for j in range(3)]} for i in range(3)]
    generators = tuple(replace(rotation_report.generators[0], input_action=a) for a in actions)
    stored = replace(rotation_report, source=source, generators=generators, algebra=Algebra(dimension=3, noise=1e-9))
    path = tmp_path / "r.json"
    path.write_text(to_json(stored))
    algebra = api.identify(str(path)).algebra
    assert algebra.name == "sl(2,R)" and algebra.killing_signature == (2, 1)


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ({"generators": []}, "empty"),
        ({"generators": [[[1.0, 2.0]]]}, "1 × 2, expected a square"),
        ({"generators": [[[1.0, 2.0], [3.0]]]}, "not a list of rows"),
        ({"generators": [[[1.0]], [[1.0, 0.0], [0.0, 1.0]]]}, "the first is 1 × 1"),
        ({"generators": [[[float("nan")]]]}, "not finite"),
        ({"generators": [[[0.0]]]}, "zero"),
        ({"generators": [[["a"]]]}, "not a list of rows"),
        ({"generators": [[[1.0]], [[2.0]]]}, "2 generators span 1"),
        ({"generators": [[[1.0]]], "names": ["x", "y"]}, "expected 1 names"),
        ({"generators": [[[1.0]]], "noise": 2.0}, "noise"),
        ({"generators": [[[1.0]]], "scale": 2.0}, "unknown key 'scale'"),
        ({"matrices": [[[1.0]]]}, "no `generators:`"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(tmp_path: Path, document: dict[str, object], hint: str) -> None:
    with pytest.raises(InputError) as fault:
        api.identify(typed(tmp_path / "g.yaml", **document))
    assert hint in str(fault.value) and "\n" not in str(fault.value)


def test_files_that_are_something_else(tmp_path: Path, rotation_report: Report) -> None:
    for content in (b"generators: [", b"\xff\xfe\x00", b""):
        (tmp_path / "f").write_bytes(content)
        with pytest.raises(InputError, match="give a report"):
            api.identify(str(tmp_path / "f"))
    with pytest.raises(InputError, match="cannot be read"):
        api.identify(str(tmp_path / "missing"))
    undecided = replace(rotation_report.generators[0], verdict="undecided")
    (tmp_path / "r.json").write_text(to_json(replace(rotation_report, generators=(undecided,))))
    with pytest.raises(InputError, match="no certified generator"):
        api.identify(str(tmp_path / "r.json"))
