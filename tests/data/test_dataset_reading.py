"""Rows by role: blocks, subsets, kinds, mappings, and data that cannot be used."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from symfind.data.mapping import Axis, RoleMapping, Selection, mapping_from, read_mapping
from symfind.errors import InputError, UsageError
from symfind.kinds.reading import open_dataset


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


def store(path: Path, attributes: dict[str, object] | None = None, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        for name, data in datasets.items():
            file[name] = data
    return path


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        dataset = open_dataset(path, **options)  # type: ignore[arg-type]
        for _ in dataset.blocks():
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


X = np.arange(60.0).reshape(20, 3)


def test_function_rows_keep_their_shapes(path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 2, 4))
    dataset = open_dataset(store(path, x=x, y=x[:, 0, 0], group=np.repeat([7, 2, 5], 10)))
    assert (dataset.kind, dataset.n_rows) == ("function", 30)
    assert dataset.shapes == {"x": (30, 2, 4), "y": (30,), "group": (30,)}
    assert "inferred from the names" in dataset.inferred
    (block,) = dataset.blocks()
    assert torch.equal(block["x"], torch.from_numpy(x))
    assert block["y"].shape == (30,)
    assert block["group"].dtype == torch.int64
    groups = dataset.groups
    assert groups is not None
    assert groups.tolist() == [7] * 10 + [2] * 10 + [5] * 10


def test_no_groups(path: Path) -> None:
    assert open_dataset(store(path, x=X, y=X)).groups is None


@pytest.mark.parametrize(
    ("roles", "kind"),
    [
        (("x", "y"), "function"),
        (("x", "x_next"), "map"),
        (("x", "dx"), "flow"),
        (("x",), "points"),
        (("x", "y", "x_next"), "map"),
    ],
)
def test_kind_is_inferred_from_names(path: Path, roles: tuple[str, ...], kind: str) -> None:
    assert open_dataset(store(path, **dict.fromkeys(roles, X))).kind == kind


def test_kind_asked_overrides_mapping_overrides_attribute(path: Path) -> None:
    store(path, {"kind": "function"}, x=X, y=X)
    assert open_dataset(path).inferred == "kind function, from the file's attribute"
    mapping = RoleMapping(kind="points")
    assert open_dataset(path, mapping=mapping).kind == "points"
    assert open_dataset(path, mapping=mapping, kind="function").kind == "function"
    # as points, y is not one of the roles
    assert set(open_dataset(path, kind="points").shapes) == {"x"}


def test_unknown_kind_names_the_nearest(path: Path) -> None:
    store(path, {"kind": "flwo"}, x=X, dx=X)
    with pytest.raises(UsageError, match="did you mean flow"):
        open_dataset(path, kind="flwo")
    assert "--kind" in refusal(path)
    assert open_dataset(path, kind="flow").kind == "flow"


@pytest.mark.parametrize(
    ("datasets", "kind"),
    [({"x": np.zeros((4, 1, 8, 8)), "y": np.zeros(4, dtype=np.int64)}, "image"), ({"x": X, "x_moved": X}, "pairs")],
)
def test_images_and_pairs_are_recognised(path: Path, datasets: dict[str, np.ndarray], kind: str) -> None:
    assert open_dataset(store(path, **datasets)).kind == kind


def test_rows_that_are_no_fields_are_declined_as_fields(path: Path) -> None:
    store(path, x=X, y=X)
    with pytest.raises(InputError, match="at least 8 are needed to differentiate"):
        open_dataset(path, kind="operator")


def test_a_single_coordinate_is_a_line(path: Path) -> None:
    dataset = open_dataset(store(path, x=X[:, 0], y=X[:, 1]))
    assert dataset.shapes == {"x": (20, 1), "y": (20,)}
    assert next(dataset.blocks())["x"].shape == (20, 1)


def test_numbers_of_any_width_and_order(path: Path) -> None:
    for dtype in (">f8", "<f4", "f2", "i1", ">i4", "u2", "u8", "?"):
        data = (X % 2).astype(dtype)
        dataset = open_dataset(store(path, x=data))
        block = next(dataset.blocks(dtype=torch.float32))
        assert block["x"].dtype == torch.float32
        assert torch.equal(block["x"].double(), torch.from_numpy(X % 2))


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 400),
    chunk=st.integers(1, 500),
    rows=st.integers(1, 300),
    bounds=st.tuples(st.integers(0, 400), st.integers(0, 400)),
    compression=st.sampled_from([None, "gzip"]),
)
def test_blocks_cover_the_range_once_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    n: int,
    chunk: int,
    rows: int,
    bounds: tuple[int, int],
    compression: str | None,
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "data.h5"
    x = np.arange(2.0 * n).reshape(n, 2)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=x, chunks=(min(chunk, n), 2), compression=compression)
    start, stop = min(bounds), max(bounds)
    blocks = [block["x"] for block in open_dataset(path).blocks(rows=rows, start=start, stop=stop)]
    expected = torch.from_numpy(x[start:stop])
    assert torch.equal(torch.cat([torch.empty(0, 2, dtype=torch.float64), *blocks]), expected)


def test_blocks_are_whole_chunks_and_bounded(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((5000, 2)), chunks=(300, 2))
    sizes = [len(block["x"]) for block in open_dataset(path).blocks(rows=1000)]
    assert sizes[:-1] == [900] * 5
    store(path, x=np.zeros((9, 4_000_000), dtype="i1"))  # 32 MB a row in float64
    assert [len(block["x"]) for block in open_dataset(path).blocks()] == [4, 4, 1]  # 128 MiB


def test_take_returns_those_rows(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(30_000.0), chunks=(1000,))
    dataset = open_dataset(path)
    index = torch.tensor([0, 3, 3, 999, 1000, 15_000, 29_999])
    assert torch.equal(dataset.take(index)["x"][:, 0], index.double())
    for wrong in ([3, 2], [-1, 2], [30_000], []):
        with pytest.raises(ValueError, match="ascend"):
            dataset.take(torch.tensor(wrong, dtype=torch.int64))


@pytest.mark.parametrize("n", [1, 10, 60, 90, 99])
def test_sample_is_uniform_without_replacement(path: Path, n: int) -> None:
    dataset = open_dataset(store(path, x=np.arange(100.0)))
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(100)
    repeats = 200
    for _ in range(repeats):
        drawn = dataset.sample(n, generator)["x"][:, 0].long()
        assert len(drawn) == n
        assert (drawn.diff() > 0).all()
        counts[drawn] += 1
    # each count is binomial(200, n/100); 5 standard deviations, and one more for n = 1
    p = n / 100
    assert (counts - repeats * p).abs().max() <= 5 * (repeats * p * (1 - p)) ** 0.5 + 1


def test_sample_of_all_rows_and_seed(path: Path) -> None:
    dataset = open_dataset(store(path, x=X))
    everything = dataset.sample(50, torch.Generator().manual_seed(1))
    assert torch.equal(everything["x"], torch.from_numpy(X))
    first, second = (dataset.sample(5, torch.Generator().manual_seed(3))["x"] for _ in range(2))
    assert torch.equal(first, second)


def test_nan_is_counted_and_located(path: Path) -> None:
    x = X.copy()
    x[7, 2] = np.nan
    x[9, 0] = np.inf
    y = np.ones(20)
    y[3] = -np.inf
    store(path, x=x, y=y)
    message = refusal(path)
    assert "3 of 80 numbers are NaN or infinite, the first is x[7, 2]" in message
    with pytest.raises(InputError, match="3 of 80"):
        open_dataset(path).validate()
    with pytest.raises(InputError, match="3 of 80"):
        open_dataset(path).take(torch.tensor([7]))


def test_large_finite_numbers_are_no_fault(path: Path) -> None:
    dataset = open_dataset(store(path, x=np.full((50, 3), 1e60)))
    dataset.validate()
    assert next(dataset.blocks())["x"].max() == 1e60
    with pytest.raises(InputError, match="too large for torch.float32"):
        next(dataset.blocks(dtype=torch.float32))


def test_numbers_without_squares_are_named_with_what_to_do(path: Path) -> None:
    with pytest.raises(InputError, match="store it in units in which it is of size 1"):
        next(open_dataset(store(path, x=np.full((50, 3), 1e308))).blocks())


def test_lengths_that_do_not_match(path: Path) -> None:
    assert "x has 20 rows, y has 19" in refusal(store(path, x=X, y=X[:19]))
    assert "same shape" in refusal(store(path, x=X, dx=X[:, :2]))
    assert "group" in refusal(store(path, x=X, y=X, group=np.zeros(20)))


def test_missing_roles_say_what_is_there_and_how_to_name_it(path: Path) -> None:
    store(path, positions=X, energy=X[:, 0])
    message = refusal(path)
    assert "'energy', 'positions'" in message
    assert "--input" in message
    message = refusal(path, kind="function", input="positions")
    assert "there is no y" in message
    assert "--output-name" in message
    assert "x and dx, or x and t" in refusal(path, kind="flow", input="positions")
    assert open_dataset(path, input="positions", output_name="energy").kind == "function"


def test_faulty_role_is_never_passed_over(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = X
        file["y"] = h5py.ExternalLink("elsewhere.h5", "/y")
    assert "external link" in refusal(path)


def test_nested_paths(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["run/1/q"] = X
        file["run/1/e"] = X[:, 0]
    dataset = open_dataset(path, input="run/1/q", output_name="/run/1/e")
    assert dataset.shapes == {"x": (20, 3), "y": (20,)}


def test_names_and_units(path: Path) -> None:
    dataset = open_dataset(store(path, {"names": "a, b, c", "units": "m / s"}, x=X))
    assert dataset.names == ("a", "b", "c")
    assert dataset.units == ("m / s",)
    assert dataset.warnings == ()
    dataset = open_dataset(store(path, {"names": ["a", "b"], "units": ["m", "s"]}, x=X))
    assert dataset.names is dataset.units is None
    assert len(dataset.warnings) == 2
    assert "3 coordinates" in dataset.warnings[0]
    assert open_dataset(path, mapping=RoleMapping(names=("u", "v", "w"))).names == ("u", "v", "w")
    assert "2, x has 3 coordinates" in refusal(path, mapping=RoleMapping(names=("u", "v")))


def test_mapping_of_columns_and_stacks(path: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "kind: function\n"
        "x: {dataset: table, columns: [2, 0]}\n"
        "y: [parts/a, parts/b]\n"
        "names: [third, first]\n"
        "units: km\n"
    )
    with h5py.File(path, "w") as file:
        file["table"] = X
        file["parts/a"] = X[:, 0]
        file["parts/b"] = X[:, 1]
    dataset = open_dataset(path, mapping=mapping)
    assert dataset.names == ("third", "first")
    block = next(dataset.blocks())
    assert torch.equal(block["x"], torch.from_numpy(X[:, [2, 0]]))
    assert torch.equal(block["y"], torch.from_numpy(X[:, :2]))
    assert "its shape is (20, 3)" in refusal(path, mapping=RoleMapping(roles={"x": Selection(("table",), (3,))}))
    both = RoleMapping(roles={"x": Selection(("table", "parts/a"))})
    assert "must agree" in refusal(path, mapping=both)
    content = {"x": {"dataset": "table", "columns": [2, 0]}}  # as a mapping stands inside a configuration
    assert torch.equal(next(open_dataset(path, mapping=content).blocks())["x"], block["x"])
    assert "did you mean 'names'" in refusal(path, mapping={"name": ["a"]})


def test_mapping_of_an_axis() -> None:
    mapping = mapping_from({"x": "q", "t": {"start": 0, "step": 0.1}}, "m.yaml")
    assert mapping.roles == {"x": Selection(("q",)), "t": Axis(0.0, 0.1)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"xnext": "a"}, "did you mean 'x_next'"),
        ({"outputs": "a"}, "expected one of"),
        ({"x": 3}, "expected a dataset's path"),
        ({"x": []}, "expected a dataset's path"),
        ({"x": {"dataset": "a", "columns": [-1]}}, "expected a dataset's path"),
        ({"x": {"dataset": "a", "column": [1]}}, "expected a dataset's path"),
        ({"x": {"start": 0, "step": 1}}, "only t can be"),
        ({"t": {"start": 0, "step": 0}}, "expected a positive number"),
        ({"kind": 1}, "expected a name"),
        ({"names": [1, 2]}, "expected a list of words"),
        ([], "expected a mapping"),
        (None, "expected a mapping"),
    ],
)
def test_mapping_faults(content: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        mapping_from(content, "m.yaml")
    assert str(caught.value).startswith("m.yaml")


def test_mapping_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_mapping(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("x: [a\n y: }")
    with pytest.raises(InputError, match="not YAML") as caught:
        read_mapping(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_digest_is_that_of_the_file(path: Path) -> None:
    store(path, x=X)
    assert open_dataset(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_examples_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    exec(text.split("```python\n")[1].split("```")[0], {})
    assert open_dataset("data.h5").shapes == {"x": (1000, 3), "y": (1000,)}
    (tmp_path / "mapping.yaml").write_text(text.split("```yaml\n")[1].split("```")[0])
    with h5py.File("foreign.h5", "w") as file:
        for name in ("px", "py", "pz"):
            file[f"state/{name}"] = X[:, 0]
        file["table"] = np.zeros((20, 7))
        file["run"] = np.arange(20)
    dataset = open_dataset("foreign.h5", mapping="mapping.yaml")
    assert (dataset.kind, dataset.names, dataset.units) == ("flow", ("px", "py", "pz"), ("GeV",))
    assert dataset.shapes == {"x": (20, 3), "dx": (20, 3), "group": (20,)}
