"""Torch modules for use in training code."""
