"""Run the notebooks of docs/notebooks and keep what their cells show: ``python docs/write_notebooks.py [NAME …]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).with_name("notebooks")


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with what its cells show now; a cell that raises ends it with that error."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, record_timing=False).execute()
    notebook.metadata.get("language_info", {}).pop("version", None)
    return notebook


def main() -> None:
    """Run the notebooks that are named, or all."""
    asked = [FOLDER / f"{name.removesuffix('.ipynb')}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    for path in asked:
        nbformat.write(executed(path), path)
        print(path.name)


if __name__ == "__main__":
    main()
