"""Conserved quantities and invariants."""
