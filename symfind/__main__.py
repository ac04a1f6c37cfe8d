"""``python -m symfind`` is the command ``symfind``."""

from symfind.cli.main import run

run()
