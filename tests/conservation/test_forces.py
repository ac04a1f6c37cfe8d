"""Fields that are gradients, without divergence, Hamiltonian, and those that are not; by rows and by a Jacobian."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from symfind import api
from symfind.conservation.forces import Judged, judged_rows
from symfind.conservation.hamiltonian import poisson_matrix
from symfind.data.hdf5 import write
from symfind.errors import InputError, UsageError
from symfind.options.of_verbs import ForcesOptions

F64 = torch.float64


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=F64)


def gradient(x: Tensor) -> Tensor:
    """∇ of x²y + y³/3, by hand."""
    return torch.stack([2 * x[:, 0] * x[:, 1], x[:, 0] ** 2 + x[:, 1] ** 2], 1)


def said(x: Tensor, y: Tensor) -> dict[str, Judged]:
    return {j.kind: j for j in judged_rows(x, y, None, poisson_matrix("canonical", 2), 0.05, 0, ("x", "y"))}


def test_a_gradient_is_one_and_with_a_curl_it_is_none() -> None:
    x = normal(500, 2, 1)
    noise = 0.01 * normal(500, 2, 2)
    found = said(x, gradient(x) + noise)
    assert found["conservative"].verdict == "certified" and found["divergence-free"].verdict == "refuted"
    turned = said(x, gradient(x) + torch.stack([-x[:, 1], x[:, 0]], 1) + noise)["conservative"]
    # The curl of the added field is 2: its two slopes differ by that.
    assert turned.verdict == "refuted" and turned.row is not None and "∂F_x/∂y" in turned.slopes


def test_a_pendulum_is_hamiltonian_until_it_is_damped() -> None:
    x = normal(500, 2, 3)
    y = torch.stack([x[:, 1], -x[:, 0].sin()], 1)
    free = said(x, y)
    assert [free[k].verdict for k in ("conservative", "divergence-free", "hamiltonian")] == [
        "refuted",
        "certified",
        "certified",
    ]
    damped = said(x, y - 0.3 * torch.stack([0 * x[:, 0], x[:, 1]], 1))
    assert damped["hamiltonian"].verdict == damped["divergence-free"].verdict == "refuted"


class Curl(torch.nn.Module):
    """Ax: a gradient iff A is symmetric."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T


@pytest.mark.parametrize(("skew", "verdict"), [(0.0, "certified"), (0.01, "approximate"), (1.0, "refuted")])
def test_the_jacobian_of_a_model_decides(tmp_path: Path, skew: float, verdict: str) -> None:
    matrix = torch.tensor([[1.0, 2.0 - skew], [2.0 + skew, -3.0]])
    torch.jit.script(Curl(matrix)).save(str(tmp_path / "m.pt"))
    found = api.forces(ForcesOptions(source=str(tmp_path / "m.pt"), sample="normal", shape=(2,), n_samples=100))
    assert found.fields[0].verdict == verdict
    # ‖½(A − Aᵀ)‖/‖A‖ and |tr A|/(√2 ‖A‖) of the matrix itself.
    a = matrix.double()
    assert found.fields[0].defect == pytest.approx(float((0.5 * (a - a.T)).norm() / a.norm()), abs=1e-6)
    assert found.fields[1].defect == pytest.approx(2.0 / (2**0.5 * float(a.norm())), abs=1e-6)


def test_files_are_read_and_what_is_no_field_of_vectors_is_told(tmp_path: Path) -> None:
    x = normal(200, 2, 4)
    write(tmp_path / "d.h5", {"x": x.numpy(), "dx": gradient(x).numpy()}, {"names": ("u", "v")})
    found = api.forces(ForcesOptions(source=str(tmp_path / "d.h5")))
    assert found.names == ("u", "v") and found.fields[0].verdict == "certified"
    write(tmp_path / "e.h5", {"x": x.numpy(), "y": x[:, :1].numpy()}, {})
    with pytest.raises(InputError, match="a vector at each x"):
        api.forces(ForcesOptions(source=str(tmp_path / "e.h5")))
    write(tmp_path / "p.h5", {"x": x.numpy()}, {})
    with pytest.raises(UsageError, match="kind points"):
        api.forces(ForcesOptions(source=str(tmp_path / "p.h5")))
