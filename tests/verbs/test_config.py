"""Options declared once: what they accept, and the reference that is written from them."""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symfind
from symfind.errors import UsageError
from symfind.options.of_files import SampleOptions
from symfind.options.of_verbs import DiscoverOptions
from symfind.options.option import ComputeOptions, Options, read_settings

ROOT = Path(__file__).parents[2]


@given(st.floats())
def test_the_tolerance_is_inside_the_open_unit_interval(value: float) -> None:
    accepted = math.isfinite(value) and 0 < value < 1
    if accepted:
        assert DiscoverOptions(source="x", tolerance=value).tolerance == value
    else:
        with pytest.raises(UsageError, match="--tolerance"):
            DiscoverOptions(source="x", tolerance=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", 2**63),
        ("seed", 1.5),
        ("seed", True),
        ("device", "gpu"),
        ("shape", ()),
        ("shape", (3, 0)),
        ("max_rows", 0),
        ("close", 1),
        ("source", None),
        ("kind", "functions"),
    ],
)
def test_what_an_option_does_not_accept(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is ") as caught:
        DiscoverOptions(**({"source": "x", "sample": "normal"} | {name: value}))  # type: ignore[arg-type]
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


def test_settings_state_every_option_defaults_included() -> None:
    settings = DiscoverOptions(source="x", sample="normal", shape=[2, 3]).settings()  # type: ignore[arg-type]
    assert set(settings) == {f.name for f in fields(DiscoverOptions)}
    assert (settings["shape"], settings["tolerance"], settings["space"]) == ((2, 3), 0.05, None)


def test_a_sample_needs_a_file() -> None:
    with pytest.raises(UsageError, match="OUT is missing"):
        SampleOptions(name="cube")


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("1.5E+2", 150.0), ("0.1", 0.1), ("1e-3x", "1e-3x")])
def test_numbers_in_yaml_are_what_people_mean(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"tolerance: {text}\n")
    assert read_settings(str(path), ["tolerance"]) == {"tolerance": value}


def test_every_option_has_a_help() -> None:
    def declared(options: type[Options]) -> list[type[Options]]:
        return [options, *(deeper for child in options.__subclasses__() for deeper in declared(child))]

    for options in declared(ComputeOptions) + declared(Options):
        for f in fields(options):
            assert f.metadata["help"].endswith("."), f"{options.__name__}.{f.name}"


def test_the_reference_of_the_commands_is_current() -> None:
    spec = importlib.util.spec_from_file_location("write_commands", ROOT / "docs" / "write_commands.py")
    assert spec is not None and spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.TARGET.read_text(encoding="utf-8") == writer.reference(), "run python docs/write_commands.py"


def test_the_package_offers_the_verbs() -> None:
    assert set(symfind.__all__) <= set(dir(symfind))
    assert symfind.DiscoverOptions is DiscoverOptions
    assert not hasattr(symfind, "no_such_name")
