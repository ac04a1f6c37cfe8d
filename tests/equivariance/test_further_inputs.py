"""Models of several inputs: the group acts on the first, the others are held fixed and stay inputs of the file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor, nn

import symfind
from symfind import EnforceOptions, ScoreOptions
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.verbs.given.further_inputs import side_by_side

ROWS = 96
# A turn of the plane of the first two axes, then one of the last two: an element of SO(3) made by hand.
TURN = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]) @ torch.tensor(
    [[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]
)


class Atoms(nn.Module):
    """Positions and kinds of atoms, looked up in a table."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.a, self.b = nn.Embedding(5, 4), nn.Linear(7, 12), nn.Linear(12, 1)

    def forward(self, positions: Tensor, species: Tensor) -> Tensor:
        h = torch.cat([positions, self.table(species)], -1)
        return self.b(torch.tanh(self.a(h)).sum(1))


class Masked(nn.Module):
    """Vectors of which some are there."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(3, 12), nn.Linear(12, 1)

    def forward(self, positions: Tensor, species: Tensor) -> Tensor:
        h = torch.tanh(self.a(positions)).masked_fill(~species.unsqueeze(-1), 0.0)
        return self.b(h.sum(1))


def given(kind: type[nn.Module]) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(4)
    x = torch.randn(ROWS, 3, 3, generator=rng)
    s = torch.randint(5, (ROWS, 3), generator=rng)
    return x, (s if kind is Atoms else s > 1)


def saved(kind: type[nn.Module], folder: Path, ending: str) -> tuple[str, str]:
    model, (x, s) = kind().eval(), given(kind)
    path = folder / f"model{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if ending == ".pt2":
            n = {0: torch.export.Dim("n", min=1)}
            torch.export.save(torch.export.export(model, (x[:3], s[:3]), dynamic_shapes=(n, n)), path)
        else:
            torch.jit.script(model).save(str(path))
    y = x.double().square().sum((1, 2))[:, None]
    write(folder / "data.h5", {"positions": x.double().numpy(), "species": s.numpy(), "y": y.numpy()}, {})
    return str(path), str(folder / "data.h5")


def loaded(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.load(path).module() if path.suffix == ".pt2" else torch.jit.load(str(path))


@pytest.mark.parametrize(
    ("kind", "ending", "method"),
    [
        (Atoms, ".pt", "average"),
        pytest.param(Atoms, ".pt2", "average", marks=pytest.mark.slow),
        (Atoms, ".pt", "frames"),
        (Atoms, ".pt2", "frames"),
        (Atoms, ".pt", "distill"),
        (Masked, ".pt", "frames"),
        pytest.param(Masked, ".pt2", "frames", marks=pytest.mark.slow),
    ],
)
def test_the_file_takes_what_the_model_took_and_is_invariant(
    kind: type[nn.Module], ending: str, method: str, tmp_path: Path
) -> None:
    model, data = saved(kind, tmp_path, ending)
    out = tmp_path / f"out{ending}"
    asked = {"model": model, "data": data, "group": "so3", "rep_out": "1", "output_name": "y", "trust_model": True}
    done = symfind.enforce(EnforceOptions(**asked, method=method, steps=10, force=True), out)  # type: ignore[arg-type]
    assert done.group.rep_in == "3V+3"
    assert any("held fixed: 'species'" in text for text in done.notes)
    x, s = given(kind)
    net = loaded(out)
    with torch.no_grad():
        y, other = net(x[:20], s[:20]), kind().eval()(x[:20], s[:20])
        assert y.shape == other.shape
        scale = float(y.std()) + 1e-6
        assert float((net(x[:20] @ TURN.T, s[:20]) - y).abs().max()) < 1e-3 * max(scale, 0.1)
        assert float((kind().eval()(x[:20] @ TURN.T, s[:20]) - other).abs().max()) > 0.05
        if method != "distill":
            changed = s[:20].roll(1, 0)  # the input that is held fixed still counts
            assert float((net(x[:20], changed) - y).abs().max()) > 1e-2


def test_a_projection_by_permutations_leaves_the_other_input_alone(tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 1)

        def forward(self, x: Tensor, charge: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(torch.cat([x, charge], 1))))

    x, q = torch.randn(40, 4, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        n = {0: torch.export.Dim("n", min=1)}
        program = torch.export.export(Weighted().double(), (x[:3], q[:3]), dynamic_shapes=(n, n))
        torch.export.save(program, tmp_path / "model.pt2")
    write(tmp_path / "d.h5", {"x": x.numpy(), "charge": q.numpy(), "y": x.sum(1, keepdim=True).numpy()}, {})
    asked = {
        "model": str(tmp_path / "model.pt2"),
        "data": str(tmp_path / "d.h5"),
        "group": "s4",
        "rep_out": "1",
        "trust_model": True,
    }
    done = symfind.enforce(EnforceOptions(**asked, method="project", force=True), tmp_path / "out.pt2")  # type: ignore[arg-type]
    assert done.method == "project" and done.group.rep_in == "V+2"
    net = loaded(tmp_path / "out.pt2")
    with torch.no_grad():
        y = net(x[:5], q[:5])
        assert float((net(x[:5, [1, 3, 0, 2]], q[:5]) - y).abs().max()) < 1e-10
        assert float((net(x[:5], q[:5].flip(0)) - y).abs().max()) > 1e-3


def test_what_cannot_be_held_fixed_is_named(tmp_path: Path) -> None:
    model, data = saved(Atoms, tmp_path, ".pt")
    with pytest.raises(UsageError, match=r"takes \(positions, species\); give --data .*'species' can be held fixed"):
        symfind.enforce(EnforceOptions(model=model, group="so3"))
    write(tmp_path / "less.h5", {"positions": given(Atoms)[0].double().numpy()}, {})
    with pytest.raises(InputError, match=r"no rows for 'species'.*--input"):
        symfind.enforce(EnforceOptions(model=model, group="so3", data=str(tmp_path / "less.h5")))
    with pytest.raises(UsageError, match=r"--input names 1; name a dataset for each"):
        symfind.enforce(EnforceOptions(model=model, group="so3", data=data, input="positions"))
    with pytest.raises(UsageError, match=rf"^{model}: a TorchScript module cannot be a part of a torch.export archive"):
        symfind.enforce(
            EnforceOptions(model=model, group="so3", data=data, rep_out="1", method="frames", force=True),
            tmp_path / "out.pt2",
        )
    found = symfind.score(ScoreOptions(model=model, data=data, group="so3", rep_out="1", output_name="y"))
    assert found.error.largest > 0.1  # type: ignore[union-attr]


def test_a_cell_turns_where_the_representation_says_so(tmp_path: Path) -> None:
    class Celled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(15, 12), nn.Linear(12, 1)

        def forward(self, positions: Tensor, cell: Tensor) -> Tensor:
            return self.b(torch.tanh(self.a(torch.cat([positions.flatten(1), cell.flatten(1)], 1))))

    rng = torch.Generator().manual_seed(2)
    x, c = torch.randn(40, 2, 3, generator=rng), torch.randn(40, 3, 3, generator=rng)
    torch.jit.script(Celled()).save(str(tmp_path / "model.pt"))
    write(tmp_path / "d.h5", {"positions": x.double().numpy(), "cell": c.double().numpy()}, {})
    asked = {"model": str(tmp_path / "model.pt"), "data": str(tmp_path / "d.h5"), "group": "so3", "rep_out": "1"}
    symfind.enforce(EnforceOptions(**asked, rep_in="2V+3V", method="frames"), tmp_path / "out.pt")  # type: ignore[arg-type]
    net = loaded(tmp_path / "out.pt")
    with torch.no_grad():
        assert float((net(x @ TURN.T, c @ TURN.T) - net(x, c)).abs().max()) < 1e-5
        assert float((net(x @ TURN.T, c) - net(x, c)).abs().max()) > 1e-2


def test_an_input_without_rows_is_named(tmp_path: Path) -> None:
    class Celled(nn.Module):
        def forward(self, positions: Tensor, cell: Tensor) -> Tensor:
            return (positions @ cell).square().sum((1, 2))[:, None]

    x = torch.randn(9, 2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        n = {0: torch.export.Dim("n", min=1)}
        program = torch.export.export(Celled(), (x, torch.eye(3)), dynamic_shapes=(n, None))
        torch.export.save(program, tmp_path / "model.pt2")
    write(tmp_path / "d.h5", {"positions": x.double().numpy(), "cell": torch.randn(9, 3, 3).double().numpy()}, {})
    with pytest.raises(InputError, match=r"'cell' has no axis of rows; hold it in a buffer"):
        symfind.enforce(
            EnforceOptions(
                model=str(tmp_path / "model.pt2"),
                data=str(tmp_path / "d.h5"),
                group="so3",
                rep_out="1",
                trust_model=True,
            )
        )


def test_rows_keep_their_numbers_in_the_file(tmp_path: Path) -> None:
    """What is said of a row is said of that row of the file, although the inputs are laid side by side in another."""
    model, data = saved(Atoms, tmp_path, ".pt")
    options = ScoreOptions(model=model, data=data, group="so3", rep_out="1", output_name="y", max_rows=20)
    found = side_by_side(options, Path(model), tmp_path)
    assert found is not None and len(found.numbers) == 20
    with h5py.File(tmp_path / "inputs.h5") as file:
        rows = torch.from_numpy(file["x"][()])
    x, s = given(Atoms)
    assert torch.equal(rows[:, :9], x[found.numbers].flatten(1).double())
    assert torch.equal(rows[:, 9:], s[found.numbers].double())
