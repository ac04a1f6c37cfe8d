"""``python -m symfind`` is the command ``symfind``."""

from symfind.cli.main import process

process()
