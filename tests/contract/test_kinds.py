"""Every kind of data: a file of it is recognised and read, a known case certified, noise not, the report rendered."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from symfind.api import discover, inspect
from symfind.data.hdf5 import write
from symfind.equivariance.methods.registry import METHODS
from symfind.errors import UsageError
from symfind.kinds.inspection import Inspection
from symfind.kinds.reading import open_dataset
from symfind.kinds.registry import KINDS
from symfind.names import CONSERVED_KINDS, KIND_NAMES, METHOD_NAMES, PROMOTED_KINDS
from symfind.options.of_verbs import ConserveOptions, DiscoverOptions, PromoteOptions
from symfind.render.formats import FORMATS
from symfind.schema.document import Report

ROOT = Path(__file__).parents[2]

Arrays = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """Arrays whose algebra is known, arrays without any, and the options that ask."""

    known: Callable[[], Arrays]
    name: str
    noise: Callable[[], Arrays]
    options: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def function() -> Arrays:
    x = normal(600, 3)
    r = x.square().sum(1)
    return {"x": x, "y": r + 0.1 * r.square()}


def no_function() -> Arrays:
    return {"x": normal(600, 3), "y": normal(600, seed=1)}


def linear_map() -> Arrays:
    """Diag(2, 3): what commutes with it is diagonal."""
    x = normal(600, 2)
    return {"x": x, "x_next": x * torch.tensor([2.0, 3.0], dtype=torch.float64)}


def noisy_map() -> Arrays:
    return {"x": normal(600, 2), "x_next": normal(600, 2, seed=1)}


def flow() -> Arrays:
    """(1 − r²)x: the turn of the plane, which is compact, and no scaling of space or time."""
    x = normal(600, 2)
    return {"x": x, "dx": (1 - x.square().sum(1, keepdim=True)) * x}


def noisy_flow() -> Arrays:
    return {"x": normal(600, 2), "dx": normal(600, 2, seed=1)}


def points() -> Arrays:
    """A normal distribution of the plane: its turn."""
    return {"x": normal(20_000, 2)}


def skewed_points() -> Arrays:
    """Exponential along both axes with unlike rates: no affine flow preserves a corner."""
    x = -torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).log()
    return {"x": x * torch.tensor([1.0, 2.0], dtype=torch.float64)}


def pairs() -> Arrays:
    """A turn by 0.7 about the third axis."""
    x = normal(200, 3)
    c, s = math.cos(0.7), math.sin(0.7)
    turn = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return {"x": x, "x_moved": x @ turn.T}


def unlike_pairs() -> Arrays:
    return {"x": normal(200, 3), "x_moved": normal(200, 3, seed=1)}


def fields() -> Arrays:
    """Σ a exp(−k²t) sin(kx + p), exact solutions of the heat equation."""
    t = torch.linspace(0.0, 1.0, 48, dtype=torch.float64)
    x = torch.arange(32, dtype=torch.float64) * 2 * math.pi / 32
    k = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    size, phase = normal(2, 6, 4, seed=1)
    waves = torch.sin(k * x[:, None] + 3 * phase[:, None])
    return {"u": torch.einsum("rk,tk,rxk->rtx", size, torch.exp(-k.square() * t[:, None]), waves), "t": t, "x": x}


def fields_of_no_equation() -> Arrays:
    """Smooth waves whose every frequency is drawn anew in every trajectory: they obey no equation together."""
    given = fields()
    t, x = given["t"], given["x"]
    size, phase, pace = normal(3, 6, 4, seed=2)
    k = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    angle = k * x[:, None] + 3 * phase[:, None, None] + 6 * pace[:, None, None] * t[:, None, None]
    return {**given, "u": torch.einsum("rk,rtxk->rtx", size, torch.sin(angle))}


LINE = -1 + 2 * torch.arange(64, dtype=torch.float64) / 64


def operators() -> Arrays:
    """Heat for a while on a circle: its translation."""
    waves = torch.pi * torch.fft.fftfreq(64, 1 / 64, dtype=torch.float64)
    hat = torch.fft.fft(normal(150, 1, 64)) * (waves.abs() < 9.5 * torch.pi)
    return {"x": torch.fft.ifft(hat).real, "y": torch.fft.ifft(hat * torch.exp(-0.005 * waves**2)).real, "grid_x": LINE}


def noisy_operators() -> Arrays:
    return {**operators(), "y": normal(150, 1, 64, seed=3)}


def images() -> Arrays:
    """A thick or a thin bar at random angles; a judge by brightness keeps what a turn keeps."""
    g = torch.Generator().manual_seed(0)
    y = torch.randint(2, (2000,), generator=g)
    angle = math.pi * torch.rand(2000, 1, generator=g, dtype=torch.float64)
    at = torch.linspace(-1, 1, 12, dtype=torch.float64)
    x, up = (grid.flatten() for grid in torch.meshgrid(at, -at, indexing="xy"))
    along, across = angle.cos() * x + angle.sin() * up, -angle.sin() * x + angle.cos() * up
    width = torch.where(y == 1, 0.35, 0.12).double()[:, None]
    image = torch.exp(-((along / 0.5) ** 4) - (across / width) ** 2)
    return {"x": image.reshape(2000, 1, 12, 12), "y": y}


def unlabelled_images() -> Arrays:
    return {"x": images()["x"][:300], "y": torch.randint(2, (300,), generator=torch.Generator().manual_seed(1))}


class Brightness(torch.nn.Module):
    """Two classes told apart by the mean of the image."""

    def forward(self, x: Tensor) -> Tensor:
        total = x.flatten(1).mean(1, keepdim=True) - 0.1
        return torch.cat([-total, total], 1)


CASES: Mapping[str, Case] = {
    "function": Case(function, "so(3)", no_function),
    "map": Case(linear_map, "R^2", noisy_map),
    "flow": Case(flow, "so(2)", noisy_flow),
    # The upper bound of a defect of zero is 0.04 to 0.06 with so many points, according to which rows are drawn.
    "points": Case(points, "so(2)", skewed_points, {"tolerance": 0.1}),
    "pairs": Case(pairs, "so(2)", unlike_pairs),
    "field": Case(
        fields, "4", fields_of_no_equation, {"equation": "u_t - u_xx = 0", "bootstrap": 40}, {"periodic": ("x",)}
    ),
    "operator": Case(operators, "R", noisy_operators, {"bootstrap": 40}, {"periodic": ("x",)}),
    "image": Case(images, "so(2)", unlabelled_images, {"space": "image-rotation"}),
}  # fmt: skip


def stored(folder: Path, name: str, arrays: Arrays, stated: bool = True) -> Path:
    path = folder / f"{name}.h5"
    kind = {"kind": name} if stated else {}
    write(path, {role: array.numpy() for role, array in arrays.items()}, {**kind, **CASES[name].attributes})
    return path


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == set(KINDS.names)


@pytest.fixture(scope="module", params=KINDS.names)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def report(name: str, folder: Path) -> Report:
    options = dict(CASES[name].options)
    if name == "image":
        torch.jit.script(Brightness()).save(str(folder / "judge.pt"))
        options["model"] = str(folder / "judge.pt")
    return discover(DiscoverOptions(source=str(stored(folder, name, CASES[name].known())), **options))


def test_a_file_is_recognised_by_what_it_holds(name: str, folder: Path) -> None:
    path = stored(folder, f"{name}", CASES[name].known(), stated=False)
    dataset = open_dataset(path)
    assert dataset.kind == name
    role = KINDS[name].input_role
    assert dataset.n_rows == dataset.take(torch.arange(dataset.n_rows))[role].shape[0]


def test_inspect_asks_its_questions(name: str, folder: Path) -> None:
    found = inspect(str(stored(folder, name, CASES[name].known())))
    assert isinstance(found, Inspection) and found.kind == name
    asked = [q.question for q in found.questions]
    assert asked[: len(KINDS[name].questions)] == [question for question, _ in KINDS[name].questions]
    assert asked


def test_the_known_case_is_certified(name: str, report: Report) -> None:
    assert report.source.kind == name
    assert report.certified
    assert CASES[name].name in (report.algebra.name, str(report.algebra.dimension))
    assert CASES[name].options.get("space") or report.space.name.startswith(KINDS[name].space)


def test_nothing_is_certified_on_noise(name: str, folder: Path) -> None:
    source = stored(folder, f"{name}", CASES[name].noise())
    assert not discover(DiscoverOptions(source=str(source), **CASES[name].options)).certified


def test_the_report_is_rendered_in_every_format(report: Report) -> None:
    for form in FORMATS:
        assert form.encode(report)


def test_methods_that_do_not_go_with_it_are_refused_before_anything_is_computed(name: str, folder: Path) -> None:
    source = str(stored(folder, name, CASES[name].known()))
    for method in set(METHOD_NAMES()) - {"auto", *KINDS[name].methods}:
        with pytest.raises(UsageError, match=f"--method {method} does not go with {name} data; take "):
            discover(DiscoverOptions(source=source, method=method))
    if not KINDS[name].tensors:
        with pytest.raises(UsageError, match="--output-type"):
            discover(DiscoverOptions(source=source, output_type="vector"))


def test_a_kind_takes_one_way_to_its_evidence(name: str) -> None:
    kind = KINDS[name]
    assert kind.examine is None or kind.weigh is None
    assert (kind.question is None) == (kind.examine is not None)
    assert kind.judges_models == (kind.question is not None and kind.question(None).target is not None)
    assert not kind.conserved or kind.judges_models


def test_the_options_take_every_kind_and_method_and_no_other() -> None:
    for kind in KIND_NAMES():
        assert DiscoverOptions(source="x.h5", kind=kind).kind == kind
    for method in METHOD_NAMES():
        assert DiscoverOptions(source="x.h5", method=method).method == method
    for kind in PROMOTED_KINDS():
        assert PromoteOptions(data="x.h5", kind=kind).kind == kind
    for kind in CONSERVED_KINDS():
        assert ConserveOptions(source="x.h5", kind=kind).kind == kind
    for options in ({"kind": "poinst"}, {"method": "tangents"}):
        with pytest.raises(UsageError, match="did you mean"):
            DiscoverOptions(source="x.h5", **options)


def test_the_options_know_the_names_of_the_registries_from_the_start() -> None:
    """Asked of a process of its own, which imports the options alone and no torch."""
    program = (
        "import sys\nfrom symfind.options.of_verbs import DiscoverOptions, EnforceOptions\nfrom symfind import names\n"
        "print(*(','.join(part()) for part in (names.KIND_NAMES, names.PROMOTED_KINDS, names.CONSERVED_KINDS, "
        "names.METHOD_NAMES, names.ENFORCEMENT_NAMES)))\nassert not {'torch', 'h5py', 'numpy'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    kinds, promoted, conserved, methods, ways = (part.split(",") for part in ran.stdout.split())
    assert kinds == sorted(KINDS.names)
    assert promoted == sorted(kind.name for kind in KINDS if kind.promoted)
    assert conserved == sorted(kind.name for kind in KINDS if kind.conserved)
    assert methods == ["auto", *sorted({method for kind in KINDS for method in kind.methods})]
    assert ways == ["auto", *METHODS.names]
