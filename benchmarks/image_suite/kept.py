"""Results kept line by line as they come, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Kept:
    """A file of JSON lines, each ``{"key": …, "value": …}``; without a file, results are held in memory.

    Attributes
    ----------
    path
        The file.
    held
        Key → value.
    """

    path: Path | None
    held: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is there."""
        if self.path is not None and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.held[json.dumps(entry["key"])] = entry["value"]

    def get(self, key: list[Any], compute: Callable[[], Any]) -> Any:
        """The value under ``key``, computed and written down if it is not there."""
        name = json.dumps(key)
        if name not in self.held:
            self.held[name] = compute()
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "value": self.held[name]}) + "\n")
        return self.held[name]
