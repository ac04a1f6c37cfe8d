"""Lie groups: catalogue, Haar measure, representations, intertwiners, invariants."""
