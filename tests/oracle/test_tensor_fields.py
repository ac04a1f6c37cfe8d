"""Tensor fields at points: Killing fields of metrics, fields that preserve forms and densities, and bad components."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest
import torch
from oracle_files import ask, certified, file_of, normal
from torch import Tensor

from symfind.errors import InputError, SymfindError, UsageError
from symfind.fields.catalogue import make_space
from symfind.fits.geometry import Moments, input_geometry
from symfind.schema.store import to_json
from symfind.tensor_actions import tensor_type


def uniform(low: float, high: float, n: int, seed: int) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def box(*sides: tuple[float, float], n: int = 800) -> Tensor:
    return torch.stack([uniform(*side, n, seed) for seed, side in enumerate(sides)], 1)


def conformal(factor: Tensor, d: int = 2) -> Tensor:
    return factor[:, None, None] * torch.eye(d, dtype=torch.float64)


def sphere(x: Tensor) -> Tensor:
    """The unit sphere in stereographic coordinates."""
    return conformal(4 / (1 + x.square().sum(1)) ** 2)


def saved(folder: Path, name: str, x: Tensor, y: Tensor) -> Path:
    return file_of(folder / f"{name}.h5", "function", x=x, y=y)


class Metric(torch.nn.Module):
    """The metrics of the table as models, exact."""

    def __init__(self, chart: str) -> None:
        super().__init__()
        self.chart = chart

    def forward(self, x: Tensor) -> Tensor:
        a, b = x[:, 0], x[:, 1]
        one, zero = torch.ones_like(a), torch.zeros_like(a)
        if self.chart == "stereographic":
            first = 4 / (1 + a * a + b * b) ** 2
            second = first
        elif self.chart == "angles":
            first, second = one, torch.sin(a) ** 2
        elif self.chart == "half-plane":
            first = 1 / b**2
            second = first
        elif self.chart == "cartesian":
            first, second = one, one
        elif self.chart == "polar":
            first, second = one, a**2
        else:
            first, second, zero = 1 + 0.5 * torch.sin(a + b), 1 + 0.4 * torch.cos(2 * b - a), 0.2 * a * b
        return torch.stack([first, zero, second], 1)


CHARTS = [
    ("stereographic", ((-1.5, 1.5), (-1.5, 1.5)), {1: 1, 2: 3}),
    ("angles", ((0.5, 2.6), (0.0, 5.0)), {1: 1, 2: 1, 3: 1}),
    ("half-plane", ((-1.0, 1.0), (0.5, 2.0)), {1: 2, 2: 3}),
    ("cartesian", ((-1.5, 1.5), (-1.5, 1.5)), {1: 3, 2: 3}),
    ("polar", ((0.5, 2.0), (0.0, 5.0)), {1: 1, 2: 1}),
    ("generic", ((-1.5, 1.5), (-1.5, 1.5)), {1: 0, 2: 0}),
]
FAST = (("stereographic", 2), ("half-plane", 1), ("cartesian", 1), ("generic", 1))
TABLE = [
    pytest.param(
        chart, sides, degree, count, id=f"{chart}-{degree}",
        marks=[] if (chart, degree) in FAST else [pytest.mark.slow],
    )
    for chart, sides, counts in CHARTS
    for degree, count in counts.items()
]  # fmt: skip


@pytest.mark.parametrize(("chart", "sides", "degree", "count"), TABLE)
def test_killing_fields_of_a_metric_that_is_a_model(
    tmp_path: Path, chart: str, sides: tuple[tuple[float, float], ...], degree: int, count: int
) -> None:
    data = file_of(tmp_path / "x.h5", "points", x=box(*sides, n=300))
    torch.jit.trace(Metric(chart).double(), torch.rand(5, 2).double() + 1).save(str(tmp_path / "g.pt"))
    report = ask(tmp_path / "g.pt", data=str(data), output_type="metric", space=f"polynomial:{degree}")
    assert len(certified(report)) == count
    assert all(g.defect < 1e-10 for g in certified(report))
    following = report.spectrum[count]
    assert following.lower is not None and following.lower > 0.08
    names = {"stereographic": {2: "so(3)"}, "half-plane": {1: "aff(1)", 2: "sl(2,R)"}, "cartesian": {1: "e(2)"}}
    assert report.algebra.name == names.get(chart, {}).get(degree, report.algebra.name)


def test_killing_fields_of_the_sphere_from_its_metric_at_points(tmp_path: Path) -> None:
    x = box((-1.2, 1.2), (-1.2, 1.2))
    report = ask(saved(tmp_path, "sphere", x, sphere(x)), output_type="metric", space="polynomial:2")
    assert (len(certified(report)), report.algebra.name) == (3, "so(3)")


def test_a_generic_metric_at_points_has_none(tmp_path: Path) -> None:
    x = box((-1.2, 1.2), (-1.2, 1.2))
    report = ask(saved(tmp_path, "generic", x, Metric("generic")(x)), output_type="metric", space="affine")
    assert report.generators == ()
    assert report.spectrum[0].lower is not None and report.spectrum[0].lower > 0.1


def test_conformal_scaling_is_told_from_isometry(tmp_path: Path) -> None:
    """g = e^{0.2 x} (dx² + dy²): along ∂x it grows by a tenth of its size and more over the data."""
    x = box((-1.5, 1.5), (-1.5, 1.5))
    report = ask(saved(tmp_path, "g", x, conformal((0.3 * x[:, 0]).exp())), output_type="metric", space="translations")
    assert [g.expression for g in certified(report)] == ["∂y"]
    assert len(report.generators) == 1


def divergence_free(d: int, degree: int) -> int:
    """Polynomial fields of at most this degree, less the polynomials that their divergence can be."""
    return d * comb(d + degree, d) - comb(d + degree - 1, d)


@pytest.mark.parametrize(
    ("d", "space", "count"),
    [
        (2, "linear", 3),
        pytest.param(2, "affine", 5, marks=pytest.mark.slow),
        pytest.param(2, "polynomial:2", 9, marks=pytest.mark.slow),
        pytest.param(3, "linear", 8, marks=pytest.mark.slow),
        pytest.param(3, "affine", 11, marks=pytest.mark.slow),
    ],
)
def test_fields_that_preserve_volume(tmp_path: Path, d: int, space: str, count: int) -> None:
    degree = {"affine": 1, "polynomial:2": 2}.get(space)
    assert degree is None or divergence_free(d, degree) == count
    x = normal(300, d)
    report = ask(saved(tmp_path, "rho", x, torch.ones(300, dtype=torch.float64)), output_type="density", space=space)
    assert len(certified(report)) == count


@pytest.mark.parametrize(("space", "count"), [("affine", 5), pytest.param("polynomial:2", 9, marks=pytest.mark.slow)])
def test_symplectic_fields_of_the_plane(tmp_path: Path, space: str, count: int) -> None:
    x = normal(300, 2)
    form = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64).expand(300, 2, 2)
    assert len(certified(ask(saved(tmp_path, "w", x, form), output_type="two-form", space=space))) == count


@pytest.mark.slow
def test_symplectic_fields_of_four_dimensions_of_unequal_size(tmp_path: Path) -> None:
    """sp(4) has 10; the second oscillator is 400 times smaller in action, and counts as much."""
    x = normal(400, 4) * torch.tensor([1.0, 0.05, 1.0, 0.05], dtype=torch.float64)
    form = torch.zeros(4, 4, dtype=torch.float64)
    form[0, 2] = form[1, 3] = 1.0
    form = (form - form.T).expand(400, 4, 4)
    report = ask(saved(tmp_path, "w", x, form), output_type="two-form", space="linear")
    assert (len(certified(report)), report.algebra.name) == (10, "sp(4,R)")


def test_of_the_symplectic_fields_the_oscillator_keeps_so2(tmp_path: Path) -> None:
    x = normal(300, 2)
    report = ask(saved(tmp_path, "w", x, torch.ones(300, dtype=torch.float64)), output_type="two-form", space="linear")
    (tmp_path / "sp.json").write_text(to_json(report))
    flow = file_of(tmp_path / "f.h5", "flow", x=x, dx=torch.stack([x[:, 1], -x[:, 0]], 1))
    (only,) = certified(ask(flow, space=str(tmp_path / "sp.json")))
    assert only.expression in ("x ∂y − y ∂x", "y ∂x − x ∂y")


def test_a_covector_without_one_component(tmp_path: Path) -> None:
    """L_ξ dx = d(ξ_x): the x component must be constant, 4 of 6 affine fields."""
    x = normal(300, 2)
    y = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(300, 2)
    assert len(certified(ask(saved(tmp_path, "w", x, y), output_type="covector", space="affine"))) == 4


def test_a_vector_field_has_its_centraliser(tmp_path: Path) -> None:
    x = normal(300, 2)
    y = torch.stack([-x[:, 1], x[:, 0]], 1)
    report = ask(saved(tmp_path, "v", x, y), output_type="vector", space="linear")
    assert len(certified(report)) == 2  # the rotation and the scaling commute with the rotation


def test_a_field_with_some_constants_in_its_space_is_not_trivial(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text('fields:\n  - ["0", "1"]\n  - ["x", "y"]\n')
    x = box((-1.5, 1.5), (-1.5, 1.5))
    path = saved(tmp_path, "g", x, conformal(1 + x[:, 0] / 2 + x[:, 0] ** 2 / 5))
    report = ask(path, output_type="metric", space=str(tmp_path / "s.yaml"))
    assert len(certified(report)) == 1 and not report.space.trivial


@pytest.mark.parametrize("name", ["metric", "two-form", "vector", "covector", "tensor:1,1", "density"])
def test_sizes_do_not_depend_on_units(name: str) -> None:
    """H of components in turned and stretched coordinates is the transformed H, as a Gram matrix of the components."""
    kind = tensor_type(name)
    assert kind is not None
    d = 2
    action = kind.on(d, {"metric": 3, "two-form": 1, "density": 1, "tensor:1,1": 4}.get(name, 2))
    x, y = normal(200, d), normal(200, len(action.indices), seed=1)
    a = torch.tensor([[2.0, 0.7], [-0.3, 5.0]], dtype=torch.float64)
    log = torch.linalg.eig(a)
    generator = (log.eigenvectors @ torch.diag(log.eigenvalues.log()) @ torch.linalg.inv(log.eigenvectors)).real
    turn = torch.linalg.matrix_exp(torch.einsum("abij,ij->ab", action.representation, generator))
    sizes = []
    for points, values in ((x, y), (x @ a.T, y @ turn.T)):
        moments = Moments(d)
        moments.add(points)
        root = action.root([values[:, None]], input_geometry(moments, 1).inputs)
        sizes.append((values @ root).square().sum(1))
    torch.testing.assert_close(sizes[0], sizes[1], rtol=1e-8, atol=1e-10)


X = normal(100, 2)
ONE, ZERO = torch.ones_like(X[:, 0]), torch.zeros_like(X[:, 0])
EYE = torch.eye(2, dtype=torch.float64).expand(100, 2, 2)
NO_METRIC = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64).expand(100, 2, 2)


@pytest.mark.parametrize(
    ("y", "options", "error", "words"),
    [
        (NO_METRIC, {"output_type": "metric"}, InputError, "not symmetric"),
        (EYE, {"output_type": "two-form"}, InputError, "not alternating"),
        (torch.diag_embed(torch.stack([ONE, ZERO], 1)), {"output_type": "metric"}, InputError, "singular"),
        (torch.diag_embed(torch.stack([ONE, X[:, 0]], 1)), {"output_type": "metric"}, InputError, "between"),
        (X, {"output_type": "metric"}, InputError, r"\(N, 2, 2\) or \(N, 3\)"),
        (X[:, 0], {"output_type": "form:3"}, InputError, "is zero"),
        (X[:, 0] * 0, {"output_type": "density"}, InputError, "zero in every row"),
        (EYE, {"output_type": "metrik"}, UsageError, "did you mean metric"),
        (EYE, {"output_type": "metric", "output_action": "free"}, UsageError, "does not go with"),
    ],
)
def test_components_that_are_none(
    tmp_path: Path, y: Tensor, options: dict[str, str], error: type[SymfindError], words: str
) -> None:
    with pytest.raises(error, match=words):
        ask(saved(tmp_path, "bad", X, y), space="linear", **options)


def test_tensors_are_of_function_data_on_one_space(tmp_path: Path) -> None:
    flow = file_of(tmp_path / "f.h5", "flow", x=X, dx=X)
    with pytest.raises(UsageError, match="kind flow"):
        ask(flow, output_type="vector")
    several = saved(tmp_path, "k", normal(50, 2, 3), normal(50, 3))
    with pytest.raises(UsageError, match="--acts-on all"):
        ask(several, output_type="vector")
    flat = saved(tmp_path, "flat", torch.stack([X[:, 0], 2 * X[:, 0]], 1), EYE)
    with pytest.raises(InputError, match="flat of dimension 1"):
        ask(flat, output_type="metric", space="affine")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "no report"),
        (json.dumps({"generators": [], "source": {"names": ["x", "y"]}}), "no generator of the report is certified"),
        (
            json.dumps({
                "generators": [{"verdict": "certified", "input_action": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}],
                "source": {"names": ["x", "y", "z"]},
            }),
            "do not act on points of 2",
        ),
    ],
)  # fmt: skip
def test_reports_that_span_no_space(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=words):
        make_space(str(tmp_path / "r.json"), 2, ("x", "y"))
