"""Write docs/licences.md: what symfind needs to run, each with its licence, as the installed packages say."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

TARGET = Path(__file__).with_name("licences.md")


def needed(name: str, found: dict[str, tuple[str, str]]) -> None:
    """Add a package and all that it needs, without extras."""
    try:
        package = distribution(name)
    except PackageNotFoundError:  # only on another system
        return
    key = package.metadata["Name"].lower()
    if key in found:
        return
    classified = [
        c.rpartition(" :: ")[2] for c in package.metadata.get_all("Classifier") or () if c.startswith("License")
    ]
    stated = package.metadata.get("License-Expression") or (package.metadata.get("License") or "").partition("\n")[0]
    found[key] = (
        package.version,
        stated if 0 < len(stated) <= 120 else ", ".join(classified) or "see its file of licences",
    )
    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed(requirement.name, found)


def licences() -> str:
    """The table."""
    found: dict[str, tuple[str, str]] = {}
    needed("symfind", found)
    rows = [f"| {name} | {found[name][1]} |" for name in sorted(found)]
    head = "# Licences\n\nOf symfind and all that it needs to run (`make licences` writes this page).\n"
    return "\n".join([head, "| package | licence |", "| :--- | :--- |", *rows, ""])


if __name__ == "__main__":
    TARGET.write_text(licences(), encoding="utf-8")
