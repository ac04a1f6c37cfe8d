"""The command line as a user meets it: streams, files, formats, exit codes, one line for whatever fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import h5py
import pytest

import symfind
from symfind.cli import main
from symfind.errors import InputError, NumericalError
from symfind.options.of_verbs import DiscoverOptions
from symfind.schema import store
from symfind.schema.document import Report


@dataclass
class Ended:
    """How a run of the command line ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run the command line in this process, standard output being a pipe."""

    def ended(*arguments: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["symfind", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main.run()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        return Ended(int(exit_.value.code or 0), out.decode("utf-8", "surrogateescape"), err.decode())

    return ended


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, rotation_report: Report) -> Iterator[ModuleType]:
    """A stand-in for the verbs, which remembers the options it was given."""
    fake = ModuleType("symfind.api")
    fake.given = []  # type: ignore[attr-defined]

    def discover(options: DiscoverOptions, progress: object = None) -> Report:
        fake.given.append(options)  # type: ignore[attr-defined]
        return replace(rotation_report, settings=options.settings())

    fake.discover = discover  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "symfind.api", fake)
    monkeypatch.setattr(symfind, "api", fake, raising=False)
    yield fake


@pytest.fixture
def stored(tmp_path: Path, lorentz_report: Report) -> Path:
    path = tmp_path / "lorentz.json"
    path.write_text(store.to_json(lorentz_report), encoding="utf-8")
    return path


def test_a_pipe_gets_json_and_only_json(run: Run, api: ModuleType) -> None:
    ended = run("discover", "disc.h5")
    assert ended.status == 0
    assert json.loads(ended.out)["schema"] == "symfind.report/1"
    assert ended.err == "warning: a warning\n"


def test_quiet_says_nothing(run: Run, api: ModuleType) -> None:
    assert run("discover", "disc.h5", "--quiet").err == ""


@pytest.mark.parametrize(
    ("ending", "begins"),
    [(".json", b"{\n"), (".h5", b"\x89HDF"), (".md", b"# Continuous"), (".html", b"<!doctype html>")],
)
def test_the_ending_chooses_the_format(run: Run, api: ModuleType, tmp_path: Path, ending: str, begins: bytes) -> None:
    path = tmp_path / f"r{ending}"
    ended = run("discover", "disc.h5", "--output", str(path))
    assert (ended.status, ended.out) == (0, "")
    assert f"wrote {path}" in ended.err
    assert path.read_bytes().startswith(begins)


@pytest.mark.parametrize("form", ["json", "table", "markdown", "html"])
def test_a_format_can_be_asked_for(run: Run, stored: Path, tmp_path: Path, form: str) -> None:
    ended = run("report", str(stored), "--format", form)
    assert ended.status == 0 and "px ∂py − py ∂px" in ended.out
    path = tmp_path / "r.txt"
    assert run("report", str(stored), "--format", form, "--output", str(path)).status == 0
    assert path.read_text(encoding="utf-8") == ended.out


def test_an_unknown_ending_or_folder_is_refused_beforehand(run: Run, api: ModuleType, tmp_path: Path) -> None:
    ended = run("discover", "disc.h5", "-o", str(tmp_path / "r.pdf"))
    assert ended.status == 2 and ".json, .h5, .hdf5, .md, .html" in ended.err
    assert api.given == [] and list(tmp_path.iterdir()) == []
    ended = run("discover", "disc.h5", "-o", str(tmp_path / "none" / "r.json"))
    assert ended.status == 3 and "no such folder" in ended.err and api.given == []


def test_reports_are_converted_without_loss(run: Run, stored: Path, tmp_path: Path) -> None:
    hdf5 = tmp_path / "r.h5"
    assert run("report", str(stored), "--output", str(hdf5)).status == 0
    assert store.read_report(str(hdf5)) == store.read_report(str(stored))


def test_a_dash_is_standard_input_and_output(run: Run, stored: Path) -> None:
    ended = run("report", "-", "--output", "-", "--format", "json", stdin=stored.read_bytes())
    assert ended.status == 0 and ended.out == stored.read_text(encoding="utf-8")
    hdf5 = store.to_hdf5(store.read_report(str(stored)))
    assert run("report", "-", stdin=hdf5).out == ended.out


def test_nothing_certified_is_status_4_only_on_request(
    run: Run, api: ModuleType, rotation_report: Report, tmp_path: Path
) -> None:
    api.discover = lambda options, progress=None: replace(rotation_report, generators=())  # type: ignore[attr-defined]
    assert run("discover", "disc.h5").status == 0
    path = tmp_path / "r.json"
    ended = run("discover", "disc.h5", "--require-symmetry", "-o", str(path))
    assert ended.status == 4 and "no generator is certified" in ended.err
    assert store.read_report(str(path)).certified == ()


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("disc.h5: 3 values are NaN; remove them"), 3, "symfind: disc.h5: 3 values are NaN; remove them\n"),
        (NumericalError("no convergence; raise --bootstrap"), 1, "symfind: no convergence; raise --bootstrap\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ZeroDivisionError("a\nb"),
            1,
            "symfind: ZeroDivisionError: a b (a fault of symfind: SYMFIND_DEBUG=1 shows where)\n",
        ),
    ],
)
def test_whatever_fails_is_one_line_a_status_and_no_file(
    run: Run, api: ModuleType, tmp_path: Path, error: BaseException, status: int, line: str
) -> None:
    def discover(options: DiscoverOptions, progress: object) -> Report:
        raise error

    api.discover = discover  # type: ignore[attr-defined]
    ended = run("discover", "disc.h5", "-o", str(tmp_path / "r.json"))
    assert (ended.status, ended.out, ended.err) == (status, "", line)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_shows_its_trace_on_request(run: Run, api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMFIND_DEBUG", "1")
    api.discover = lambda options, progress: 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "argv", ["symfind", "discover", "disc.h5"])
    with pytest.raises(ZeroDivisionError):
        main.run()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["discver", "x"], "discover"),
        (["discover", "x", "--tolerence", "0.1"], "--tolerance"),
        (["discover"], "SOURCE is missing"),
        (["discover", "x", "--kind", "flw"], "did you mean flow"),
        (["discover", "x", "--tolerance", "nan"], "--tolerance is nan"),
        (["discover", "x", "--alpha", "1"], "--alpha is 1.0, expected a number above 0 and below 1"),
        (["discover", "x", "--seed", "-5"], "--seed is -5, expected a whole number of at least 0"),
        (["discover", "x", "--seed", "x"], "--seed"),
        (["discover", "x", "--shape", "2,a"], "such as 3 or 2,4"),
        (["discover", "x", "--shape", "2"], "--shape goes with --sample"),
        (["discover", "x", "--data", "d.h5", "--sample", "normal"], "give one of them"),
        (["discover", "x", "--format", "jsn"], "did you mean json"),
        (["inspect", "x", "y"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_one_line_with_the_remedy(run: Run, api: ModuleType, arguments: list[str], hint: str) -> None:
    ended = run(*arguments)
    assert ended.status == 2 and ended.out == "" and api.given == []
    assert hint in ended.err and ended.err.count("\n") == 1


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(
    run: Run, api: ModuleType, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "source: disc.h5\ntolerance: 1e-3\nalpha: 0.1\noutput-name: z\nsample: normal\nshape: [2, 3]\nclose: yes\n"
        "mapping: {x: events/p, t: {start: 0.0, step: 0.1}}\nquiet: true\n"
    )
    ended = run("discover", "--config", str(config), "--alpha", "0.05")
    assert (ended.status, ended.err) == (0, "")
    (options,) = api.given
    assert options.alpha == 0.05  # equals the default, but the command line said it
    assert (options.source, options.tolerance, options.output_name) == ("disc.h5", 1e-3, "z")
    default = DiscoverOptions(source="z.h5").bootstrap
    assert (options.shape, options.close, options.bootstrap) == ((2, 3), True, default)
    assert options.mapping == {"x": "events/p", "t": {"start": 0.0, "step": 0.1}}
    assert run("discover", "other.h5", "--config", str(config)).status == 0
    assert api.given[-1].source == "other.h5"


@pytest.mark.parametrize(
    ("text", "status", "hint"),
    [
        ("tolerence: 0.1", 2, "did you mean tolerance?"),
        ("tolerance: high", 2, "--tolerance is 'high', expected a number"),
        ("alpha: .nan", 2, "--alpha"),
        ("close: 3", 2, "expected true or false"),
        ("- a", 3, "holds no mapping"),
        ("a: [", 3, "not YAML at line"),
        ("\x00", 3, "not YAML"),
    ],
)
def test_a_bad_configuration_is_one_line(
    run: Run, api: ModuleType, tmp_path: Path, text: str, status: int, hint: str
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(text)
    ended = run("discover", "x", "--config", str(config))
    assert ended.status == status and hint in ended.err and ended.err.count("\n") == 1
    assert run("discover", "x", "--config", str(tmp_path / "none.yaml")).status == 3


def test_no_arguments_are_help(run: Run) -> None:
    ended = run()
    assert ended.status == 0 and ended.err == ""
    for verb in ("discover", "inspect", "report", "sample", "identify", "groups"):
        assert verb in ended.out


def test_every_option_of_discover_is_on_the_command_line(run: Run, api: ModuleType) -> None:
    assert run("discover", "x").status == 0
    assert api.given == [DiscoverOptions(source="x")]


def _process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "symfind", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["discover", "--help"], ["--version"], ["discover", "--sed", "1"]])
def test_help_and_usage_errors_import_neither_torch_nor_h5py(arguments: list[str]) -> None:
    ended = _process(*arguments)
    imported = {line.rsplit("|", 1)[-1].strip() for line in ended.stderr.splitlines() if "import time" in line}
    assert "typer" in imported  # the measurement works
    assert not imported & {"torch", "h5py", "numpy", "scipy", "matplotlib", "yaml"}
    assert arguments != ["--help"] or "rich" not in imported  # it takes as long as all the rest of the help


def test_importing_symfind_imports_nothing_heavy() -> None:
    code = "import sys, symfind; print(sorted({'torch', 'h5py', 'numpy', 'typer', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_reader_that_has_seen_enough_ends_the_run_quietly(stored: Path) -> None:
    command = f"'{sys.executable}' -m symfind report '{stored}' | head -c 1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    # A pipe holds 64 KiB, so a short report may be written before the reader has gone.
    assert ended.stdout == "{0\n" and ended.stderr == ""


def test_a_broken_pipe_is_no_error(stored: Path, tmp_path: Path) -> None:
    report = store.read_report(str(stored))
    large = tmp_path / "large.json"
    large.write_text(store.to_json(replace(report, warnings=("w" * 1_000_000,))), encoding="utf-8")
    command = f"'{sys.executable}' -m symfind report --quiet '{large}' | head -c 1; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "{0\n" and ended.stderr == ""


def test_a_full_disk_is_one_line(run: Run, stored: Path) -> None:
    ended = run("report", str(stored), "--format", "json", "--output", "/dev/full")
    assert ended.status == 3 and "No space left" in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize("arguments", ["--help", "report '{}' --quiet"])
def test_standard_output_that_is_full_or_closed_is_no_traceback(stored: Path, arguments: str) -> None:
    command = f"'{sys.executable}' -m symfind {arguments.format(stored)}"
    for where in (">/dev/full", ">&-", "| true"):
        ended = subprocess.run(["bash", "-c", f"{command} {where}"], capture_output=True, text=True, timeout=60)
        assert ended.stderr.count("\n") <= 1 and "Traceback" not in ended.stderr, (where, ended.stderr)


def test_sample_to_standard_output(run: Run, api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def sample(name: str, out: str, seed: int = 0, **sizes: int) -> None:
        with h5py.File(out, "w") as file:
            file.attrs["seen"] = f"{name} {seed} {sizes}"

    api.sample = sample  # type: ignore[attr-defined]
    ended = run("sample", "cube", "-", "--rows", "7", "--seed", "3")
    assert ended.status == 0
    content = ended.out.encode("utf-8", "surrogateescape")
    assert h5py.File(io.BytesIO(content)).attrs["seen"] == "cube 3 {'rows': 7}"


@dataclass(frozen=True)
class Item:
    name: str
    shape: tuple[int, ...]
    fault: str | None = None


@dataclass(frozen=True)
class Content:
    kind: str
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


def test_inspect_and_groups_print_what_the_interface_returns(run: Run, api: ModuleType) -> None:
    items = (Item("x", (3, 2)), Item("y", (3,)))
    api.inspect = lambda path: Content("function", items)  # type: ignore[attr-defined]
    api.groups = lambda: items  # type: ignore[attr-defined]
    assert json.loads(run("inspect", "f.h5").out)["items"][0] == {"name": "x", "shape": [3, 2], "fault": None}
    assert json.loads(run("groups").out)[1] == {"name": "y", "shape": [3], "fault": None}
    table = run("inspect", "f.h5", "--format", "table").out
    assert table.split() == "kind function items name shape x (3, 2) y (3,)".split()
    refused = run("groups", "--format", "html")
    assert refused.status == 2 and "use --format json or table" in refused.err
