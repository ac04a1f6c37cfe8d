"""Symmetries of differential equations as learned fields."""
