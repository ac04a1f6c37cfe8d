"""What was asked of the machine and cannot be had is refused, never passed over."""

import pytest
import torch

from symfind.errors import UsageError
from symfind.verbs.machine import device_named, environment, on_cpu_in_double
from symfind.verbs.options import EnforceOptions


def test_a_missing_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_named("auto") == device_named("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="sees no GPU"):
        device_named("cuda")


def test_a_verb_of_the_cpu_refuses_another_device_and_type() -> None:
    assert on_cpu_in_double(EnforceOptions(model="m.pt", group="so3"), "enforce") == environment()
    with pytest.raises(UsageError, match="enforce computes on the CPU"):
        on_cpu_in_double(EnforceOptions(model="m.pt", group="so3", device="cuda"), "enforce")
    with pytest.raises(UsageError, match="in float64"):
        on_cpu_in_double(EnforceOptions(model="m.pt", group="so3", dtype="float32"), "enforce")
