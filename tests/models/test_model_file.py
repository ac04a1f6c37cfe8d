"""What a model file is, and what it would run, is found without running it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model_zoo as zoo
import pytest
import torch

from symfind.data.archive import foreign_globals
from symfind.errors import InputError
from symfind.models.export_audit import is_plain_size
from symfind.models.model import load_model
from symfind.models.model_file import ModelFormat, audited


def model_format(path: Path, *, trust: bool = False) -> ModelFormat:
    with audited(path, trust=trust) as file:
        return file.format


Edit = Callable[[bytes], bytes]


def rewritten(source: Path, target: Path, edits: dict[str, Edit], added: dict[str, bytes] | None = None) -> Path:
    """Copy a zip with some members changed (by the end of their names) and some added to its folder."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            data = old.read(name)
            for ending, edit in edits.items():
                data = edit(data) if name.endswith(ending) else data
            new.writestr(name, data)
        folder = old.namelist()[0].partition("/")[0]
        for name, data in (added or {}).items():
            new.writestr(f"{folder}/{name}", data)
    return target


def in_json(change: Callable[[Any], None]) -> Edit:
    def edit(data: bytes) -> bytes:
        description = json.loads(data)
        change(description)
        return json.dumps(description).encode()

    return edit


class Harmful:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_formats(tmp_path: Path) -> None:
    network = zoo.seeded(zoo.OutOfOrder)
    assert model_format(zoo.script(network, tmp_path / "a.pt")) == "torchscript"
    assert model_format(zoo.freeze(network, tmp_path / "b.pt")) == "torchscript"
    assert model_format(zoo.export(network, tmp_path / "c.pt2", 3)) == "torch.export"
    (tmp_path / "d.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert model_format(tmp_path / "d.h5") == "hdf5"


@pytest.mark.parametrize(
    ("network", "word"), [(zoo.Saving, "torch.save"), (zoo.Waking, "__setstate__"), (zoo.Printing, "print")]
)
def test_code_that_reaches_out_is_refused_unless_trusted(
    network: type[torch.nn.Module], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = zoo.script(network().eval(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="--trust-model") as caught:
        load_model(path)
    assert word in str(caught.value)
    assert not (tmp_path / "stolen.pt").exists()
    assert load_model(path, trust=True).bind((3,)).output_shape == (3,)


@pytest.mark.parametrize(
    "line",
    [
        b"    torch . save(x, 'f')\n",
        b"    t = torch\n    t.save(x, 'f')\n",
        b"    getattr(torch, 'save')(x, 'f')\n",
        b"    getattr(torch, '\\x73ave')(x, 'f')\n",
        b"    y = torch.from_file('/etc/hostname', False, 9)\n",
        b"    y = ops.image.read_file('/etc/hostname')\n",
        b"    y = __torch__.torch.classes.dist_rpc.WorkerInfo('a', 1)\n",
    ],
)
def test_spellings_of_the_same_thing(line: bytes, tmp_path: Path) -> None:
    whole = zoo.script(zoo.seeded(zoo.OutOfOrder), tmp_path / "whole.pt")
    model_format(whole)
    path = rewritten(whole, tmp_path / "model.pt", {"model_zoo.py": lambda code: code + line})
    with pytest.raises(InputError, match="refused"):
        model_format(path)
    assert model_format(path, trust=True) == "torchscript"


def test_members_that_hide_behind_others_are_found(tmp_path: Path) -> None:
    whole = zoo.script(zoo.seeded(zoo.OutOfOrder), tmp_path / "whole.pt")
    with zipfile.ZipFile(whole) as archive:
        code = next(name for name in archive.namelist() if name.endswith("model_zoo.py")).partition("/")[2]
    path = rewritten(whole, tmp_path / "model.pt", {}, {code.upper(): b"harmless"})
    with pytest.raises(InputError, match="two members of one name"):
        model_format(path)


def test_pickled_module_is_never_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"a": Harmful(trace)}, tmp_path / "model.pt")
    for trust in (False, True):
        with pytest.raises(InputError, match="pickle can run any program"):
            load_model(tmp_path / "model.pt", trust=trust)
    assert not trace.exists()


def test_globals_are_listed_without_unpickling(tmp_path: Path) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert foreign_globals(pickle.dumps(Harmful(tmp_path / "trace"), protocol=protocol))
    assert foreign_globals(b"\xff\xff")
    assert foreign_globals(pickle.dumps([1, "torch", {"a": 2.0}], protocol=2)) == []
    assert not (tmp_path / "trace").exists()


def saved(thing: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("member", ["data/sample_inputs/model.pt", "data/constants/model.pt", "data/weights/model.pt"])
def test_pickles_inside_an_export_hold_tensors_only(member: str, tmp_path: Path) -> None:
    whole = zoo.export(zoo.seeded(zoo.OutOfOrder), tmp_path / "whole.pt2", 3)
    trace = tmp_path / "trace"
    harmful = saved(Harmful(trace))
    if member.endswith("sample_inputs/model.pt"):
        path = rewritten(whole, tmp_path / "model.pt2", {member: lambda _: harmful})
    else:
        path = rewritten(whole, tmp_path / "model.pt2", {}, {member: harmful})
    with pytest.raises(InputError, match="a pickle that imports"):
        load_model(path)
    assert not trace.exists()


def test_pickled_weight_named_by_the_configuration_is_looked_into(tmp_path: Path) -> None:
    whole = zoo.export(zoo.seeded(zoo.OutOfOrder), tmp_path / "whole.pt2", 3)

    def pickled(config: Any) -> None:
        config["config"]["last.weight"] |= {"use_pickle": True, "path_name": "odd_name"}

    path = rewritten(
        whole,
        tmp_path / "model.pt2",
        {"model_weights_config.json": in_json(pickled)},
        {"data/weights/odd_name": saved(Harmful(tmp_path / "trace"))},
    )
    with pytest.raises(InputError, match="a pickle that imports"):
        load_model(path)
    assert not (tmp_path / "trace").exists()


def node(description: Any) -> Any:
    return description["graph_module"]["graph"]["nodes"][0]


def expression(description: Any) -> Any:
    sizes = description["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
    return sizes[0]["as_expr"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: node(d).update(target="torch.os.system"), "operator"),
        (lambda d: node(d).update(target="torch.load"), "operator"),
        (lambda d: node(d).update(target="torch.ops.aten.save.default"), "operator"),
        (lambda d: node(d).update(target="_operator.attrgetter"), "operator"),
        (lambda d: expression(d).update(expr_str="__import__('os').system('true')"), "arithmetic"),
        (lambda d: expression(d).update(expr_str="Add('__import__(\"os\")', 1)"), "arithmetic"),
        (lambda d: d.update(guards_code=["print(1)"]), "guards"),
        (lambda d: d["range_constraints"].update({"__import__('os')": {"min_val": 0, "max_val": 1}}), "symbol"),
    ],
)
def test_descriptions_that_the_loader_would_run(change: Callable[[Any], None], word: str, tmp_path: Path) -> None:
    whole = zoo.export(zoo.seeded(zoo.OutOfOrder), tmp_path / "whole.pt2", 3)
    path = rewritten(whole, tmp_path / "model.pt2", {"models/model.json": in_json(change)})
    with pytest.raises(InputError, match=word):
        load_model(path)


@pytest.mark.parametrize(
    "size", ["3", "s0", "2*s0 + 1", "Symbol('s77', positive=True, integer=True)", "Max(1, s0 - 2)"]
)
def test_plain_sizes(size: str) -> None:
    assert is_plain_size(size)


@pytest.mark.parametrize(
    "size",
    ["open('x')", "s0.real", "Symbol('__import__')", "Integer('1')", "(lambda: 1)()", "[1]", "x if 1 else 2", "1 +"],
)
def test_sizes_that_are_not_plain(size: str) -> None:
    assert not is_plain_size(size)
