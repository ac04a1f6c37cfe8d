"""Solutions of differential equations: the equation, and its point symmetries."""

DEFAULT_SPACE = "point:1"
"""The candidates when none are named."""
