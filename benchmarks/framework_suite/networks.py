"""Networks between fields, trained here in seconds on heat with a quadratic term: translations, or a border."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.framework_suite.case import Case
from benchmarks.framework_suite.operators import found_in
from symfind.api import sample
from symfind.kinds.reading import open_dataset

_SECTION = "Networks between fields"
_STEPS, _BATCH, _WIDTH, _WAVES = 120, 16, 8, 8
_GRID = "x=-1:1 periodic, y=-1:1 periodic"


class FourierOperator(nn.Module):
    """Two layers h ↦ gelu(Wh + F⁻¹R F h) with R on the lowest waves, between pointwise maps (Li et al. 2021)."""

    def __init__(self, width: int, waves: int) -> None:
        super().__init__()
        self.waves = waves
        self.lift, self.project = nn.Conv2d(1, width, 1), nn.Conv2d(width, 1, 1)
        self.mix = nn.ModuleList([nn.Conv2d(width, width, 1) for _ in range(2)])
        self.real = nn.Parameter(torch.randn(2, width, width, 2 * waves, waves) / width)
        self.imaginary = nn.Parameter(torch.randn(2, width, width, 2 * waves, waves) / width)

    def forward(self, x: Tensor) -> Tensor:
        """Fields ``(n, 1, k, k)`` to fields."""
        h, n, m = self.lift(x), x.shape[-1], self.waves
        for i, mix in enumerate(self.mix):
            hat = torch.fft.rfft2(h)
            low = torch.cat([hat[:, :, :m, :m], hat[:, :, n - m :, :m]], 2)
            low = torch.einsum("nixy,ioxy->noxy", low, torch.complex(self.real[i], self.imaginary[i]))
            out = torch.zeros_like(hat)
            out[:, :, :m, :m], out[:, :, n - m :, :m] = low[:, :, :m], low[:, :, m:]
            h = nn.functional.gelu(mix(h) + torch.fft.irfft2(out, s=[n, n]))
        projected: Tensor = self.project(h)
        return projected


def convolutional(padding: str) -> nn.Module:
    """Three convolutions of width 5 with gelu between."""

    def layer(a: int, b: int) -> nn.Module:
        return nn.Conv2d(a, b, 5, padding=2, padding_mode=padding)

    return nn.Sequential(layer(1, _WIDTH), nn.GELU(), layer(_WIDTH, _WIDTH), nn.GELU(), layer(_WIDTH, 1))


def _trained(make: Callable[[], nn.Module], verb: str, *more: str) -> Callable[[Path], Sequence[str]]:
    def arguments(folder: Path) -> Sequence[str]:
        data, path = folder / "waves.h5", folder / "network.pt"
        sample("heat-operator-waves", data)
        held = open_dataset(data).take(torch.arange(256))
        x, v = (held[role].float() / float(held[role].std()) for role in ("x", "y"))
        y = v + 0.3 * v**2
        torch.manual_seed(0)
        network = make()
        optimiser = torch.optim.Adam(network.parameters(), 4e-3)
        for _ in range(_STEPS):
            rows = torch.randint(len(x), (_BATCH,))
            loss = (network(x[rows]) - y[rows]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit says that it is deprecated
            torch.jit.save(torch.jit.script(network.eval()), str(path))
        if verb == "enforce":
            return ["enforce", str(path), "--data", str(data), *more]
        return ["discover", str(data), "--model", str(path), *more]

    return arguments


def _translations(report: dict[str, Any]) -> tuple[str, bool]:
    certified, said = found_in(report)
    return f"{', '.join(certified) or 'none'}{said}", certified == ["∂x", "∂y"]


def _none(report: dict[str, Any]) -> tuple[str, bool]:
    certified, said = found_in(report)
    return f"{', '.join(certified) or 'none'}{said}", not certified


def _exact(document: dict[str, Any]) -> tuple[str, bool]:
    before, after = document["error_before"]["largest"], document["error_after"]["largest"]
    loss = [document[name]["value"] for name in ("loss_before", "loss_after")]
    return f"error {before:.2g} before, {after:.2g} after; mse {loss[0]:.2g}, {loss[1]:.2g}", after < 1e-6


CASES: tuple[Case, ...] = (
    Case(_SECTION, "Fourier neural operator", _trained(lambda: FourierOperator(_WIDTH, _WAVES), "discover"),
         "the translations", _translations),
    Case(_SECTION, "CNN, circular padding", _trained(lambda: convolutional("circular"), "discover"),
         "the translations", _translations),
    Case(_SECTION, "CNN, zero padding", _trained(lambda: convolutional("zeros"), "discover"), "none", _none),
    Case(_SECTION, "CNN, circular padding, enforced",
         _trained(lambda: convolutional("circular"), "enforce", "--group", "translations+d4", "--grid", _GRID),
         "exact under shifts, turns by 90° and flips", _exact),
)  # fmt: skip
