"""The comparison of settings: equal verdicts pass, one that differs is told."""

import pytest

from benchmarks import machines


def report(verdict: str) -> dict[str, object]:
    generators = [{"verdict": verdict, "expression": "x ∂y − y ∂x", "defect": 1e-13}]
    return machines.verdicts({"generators": generators, "algebra": {"dimension": 1, "name": "so(2)"}})


@pytest.mark.parametrize("other", ["certified", "undecided"])
def test_a_verdict_that_differs_is_told(
    other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machines, "tell_effects", lambda: None)
    monkeypatch.setattr(machines, "asked_of_samples", lambda: {"disc.h5": ("discover", "disc.h5")})
    monkeypatch.setattr(machines, "_report", lambda _, setting: report(other if setting == "old" else "certified"))
    assert machines.compare_samples() == (other != "certified")
    assert ("old: ['undecided: x ∂y − y ∂x']" in capsys.readouterr().out) == (other != "certified")


def test_a_setting_takes_the_place_of_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert "MKL_CBWR" not in machines.environment("here")
    assert machines.environment("old")["MKL_CBWR"] == "COMPATIBLE"
