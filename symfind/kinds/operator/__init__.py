"""Maps between fields on a grid."""

DEFAULT_SPACE = "affine"
"""The candidates when none are named."""
