"""Labelled images: fields that leave the labels valid."""

DEFAULT_SPACE = "image-affine"
"""The candidates when none are named."""
