"""Write .ci/hashes.txt: of every pin of constraints.txt that CI needs the digest of the file that pip takes here.

The digests are those of wheels for this system and this Python, which its first line names; pip asks its index.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".ci" / "hashes.txt"
# What builds the package itself, in an environment of its own: pinned by its digest as the others are.
_BUILD = ("hatchling", "editables")


def pins() -> list[str]:
    """The lines ``name==version`` of constraints.txt above its first comment: CI does without those below."""
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").partition("#")[0].split()


def _asked(*arguments: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", str(report), *arguments], check=True)
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return found


def hashes() -> str:
    """The lines, as ``pip install --require-hashes -r`` reads them."""
    found = [*_asked("--no-deps", *pins()), *_asked("-c", str(ROOT / "constraints.txt"), *_BUILD)]
    lines = {
        f"{item['metadata']['name']}=={item['metadata']['version'].partition('+')[0]} "
        f"--hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"
        for item in found
    }
    version = ".".join(platform.python_version_tuple()[:2])
    head = f"# {platform.system()} {platform.machine()}, Python {version}; written by docs/write_hashes.py"
    return "\n".join([head, *sorted(lines, key=str.lower), ""])


if __name__ == "__main__":
    TARGET.write_text(hashes(), encoding="utf-8")
