"""What is handed on, read by the library it is for, and checked there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from symfind import api
from symfind.errors import InputError
from symfind.lie.groups.catalogue import parse_group
from symfind.lie.groups.notation import parse_representation
from symfind.schema.store import to_json

F64 = torch.float64


def report(path: Path, group: str, formula: str) -> str:
    """A report whose certified generators are a representation in turned coordinates."""
    made = parse_group(group)
    m = parse_representation(made, formula).drho(made.generators)
    d = m.shape[1]
    q = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(3), dtype=F64)).Q
    (path / "g.yaml").write_text(yaml.safe_dump({"generators": (q @ m @ q.T).tolist()}), encoding="utf-8")
    (path / "r.json").write_text(to_json(api.identify(str(path / "g.yaml"))), encoding="utf-8")
    return str(path / "r.json")


def run(source: str, to: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(api.export(source, to=to).decode(), names)
    return names


def test_numpy_reads_generators_and_constants(tmp_path: Path) -> None:
    with np.load(io.BytesIO(api.export(report(tmp_path, "so3", "V"), to="numpy"))) as stored:
        g, f = stored["generators"], stored["structure_constants"]
    bracket = np.einsum("iab,jbc->ijac", g, g)
    # Fields have the bracket of matrices with the sign turned.
    assert np.allclose(bracket.swapaxes(0, 1) - bracket, np.einsum("ijk,kab->ijab", f, g), atol=1e-8)


def test_sympy_closes_the_algebra_exactly(tmp_path: Path) -> None:
    sympy = pytest.importorskip("sympy")
    (tmp_path / "g.yaml").write_text(yaml.safe_dump({"generators": parse_group("so13").generators.tolist()}))
    (tmp_path / "r.json").write_text(to_json(api.identify(str(tmp_path / "g.yaml"))), encoding="utf-8")
    g = run(str(tmp_path / "r.json"), "sympy")["generators"]
    eta = sympy.diag(1, -1, -1, -1)
    assert len(g) == 6 and all(a.T * eta + eta * a == sympy.zeros(4) for a in g)


@pytest.mark.slow  # importing e3nn takes seconds
def test_e3nn_turns_as_the_data_do(tmp_path: Path) -> None:
    pytest.importorskip("e3nn")
    made = run(report(tmp_path, "so3", "1x2+1x1"), "e3nn")
    assert made["irreps"].dim == 8 and {(i.l, m) for m, i in made["irreps"]} == {(2, 1), (1, 1)}
    q, e = made["change"], made["standard"](made["generators"])
    # Turns of the data, in e3nn's basis, are its D of one rotation: that which they are on the vector.
    turn = torch.linalg.matrix_exp(torch.einsum("i,iab->ab", torch.tensor([0.3, -0.5, 0.9], dtype=F64), e))
    theirs = q @ turn @ torch.linalg.inv(q)
    rotation = theirs[-3:, -3:] if made["irreps"][0].ir.l == 2 else theirs[:3, :3]
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=F64), atol=1e-8)
    assert torch.allclose(made["irreps"].D_from_matrix(rotation).double(), theirs, atol=1e-5)


@pytest.mark.slow  # importing pysindy takes seconds
def test_pysindy_keeps_to_equivariant_dynamics(tmp_path: Path) -> None:
    ps = pytest.importorskip("pysindy")
    made = run(report(tmp_path, "so3", "V"), "pysindy")
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1), dtype=F64).numpy()
    theta = np.asarray(made["library"].fit(x).transform(x))
    c = made["constraint_lhs"]
    assert c.shape[1] == 3 * theta.shape[1] and ps is not None
    null = np.linalg.svd(c)[2][np.linalg.matrix_rank(c) :]
    # Rotations leave x alone, of all quadratic fields of three dimensions.
    assert null.shape[0] == 1
    field = theta @ null[0].reshape(3, -1).T
    assert np.allclose(field / field[0, 0] * x[0, 0], x, atol=1e-8)


def test_emlp_reads_the_group(tmp_path: Path) -> None:
    pytest.importorskip("emlp")
    group = run(report(tmp_path, "so3", "V"), "emlp")["group"]
    assert group.lie_algebra.shape == (3, 3, 3)


def test_what_a_library_has_no_word_for_ends_with_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of whole degrees"):
        api.export(report(tmp_path, "so13", "V"), to="e3nn")
    path = tmp_path / "empty.json"
    found = api.discover(x=torch.randn(200, 2, dtype=F64, generator=torch.Generator().manual_seed(0)), kind="points")
    path.write_text(to_json(found), encoding="utf-8")
    if not found.certified:
        with pytest.raises(InputError, match="nothing to hand on"):
            api.export(str(path), to="numpy")
