"""Hostile inputs and faults, and how a run of the command line on them has to end."""
