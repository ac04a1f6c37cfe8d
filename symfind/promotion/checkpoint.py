"""The state of a training in a file, so that it can go on after an interruption with the same numbers."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from symfind.data.files import appearing_whole
from symfind.errors import InputError

EpochNumbers = tuple[int, float, float, float, float]


@dataclass(frozen=True)
class Stage:
    """A finished training: its best state, the validation error of that, and what was seen on the way."""

    state: dict[str, Tensor]
    validation: float
    epochs: tuple[EpochNumbers, ...]


@dataclass(frozen=True)
class Begun:
    """A training that was interrupted."""

    held: Mapping[str, Any]

    def restore(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        generator: torch.Generator,
    ) -> tuple[int, tuple[float, dict[str, Tensor]], list[EpochNumbers]]:
        """Put everything back; the next step, the best state and the epochs so far."""
        module.load_state_dict(self.held["module"])
        optimizer.load_state_dict(self.held["optimizer"])
        schedule.load_state_dict(self.held["schedule"])
        generator.set_state(self.held["generator"])
        epochs: list[EpochNumbers] = [tuple(e) for e in self.held["epochs"]]
        return self.held["step"], (self.held["best"], self.held["best_module"]), epochs


class Checkpoint:
    """Finished stages, and the one under way.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    resume
        Whether to go on from what the file holds.
    settings
        What the numbers depend on; a file of other settings is refused.

    Raises
    ------
    InputError
        The file cannot be read, or is of another training.
    """

    def __init__(self, path: Path | None, *, resume: bool, settings: str) -> None:
        self._path = path
        self._held: dict[str, Any] = {"settings": settings, "done": {}, "now": None}
        if path is None or not resume or not path.exists():
            return
        try:
            held = torch.load(path, weights_only=True)
            same = held["settings"] == settings
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, ValueError, pickle.UnpicklingError):
            raise InputError(f"{path}: no checkpoint of symfind promote; give another --checkpoint") from None
        if not same:
            raise InputError(
                f"{path}: was written with other data or options; repeat those, or leave --resume out to begin anew"
            )
        self._held = held

    def finished(self, name: str) -> Stage | None:
        """The stage, if it was finished."""
        held = self._held["done"].get(name)
        return None if held is None else Stage(held["state"], held["validation"], tuple(map(tuple, held["epochs"])))

    def begun(self, name: str) -> Begun | None:
        """The stage, if it was interrupted."""
        now = self._held["now"]
        return Begun(now) if now is not None and now["name"] == name else None

    def keep(
        self,
        name: str,
        step: int,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        generator: torch.Generator,
        best: tuple[float, dict[str, Tensor]],
        epochs: list[EpochNumbers],
    ) -> None:
        """Keep a stage under way."""
        if self._path is None:
            return
        self._held["now"] = {
            "name": name,
            "step": step,
            "module": dict(module.state_dict()),
            "optimizer": optimizer.state_dict(),
            "schedule": {k: v for k, v in schedule.state_dict().items() if k != "lr_lambdas"} | {"lr_lambdas": [None]},
            "generator": generator.get_state(),
            "best": best[0],
            "best_module": best[1],
            "epochs": [list(e) for e in epochs],
        }
        self._write()

    def finish(self, name: str, stage: Stage) -> Stage:
        """Keep a finished stage, and give it back."""
        self._held["done"][name] = {
            "state": stage.state,
            "validation": stage.validation,
            "epochs": [list(e) for e in stage.epochs],
        }
        self._held["now"] = None
        self._write()
        return stage

    def _write(self) -> None:
        if self._path is not None:
            with appearing_whole(self._path) as part:
                torch.save(self._held, part)
