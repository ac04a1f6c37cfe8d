"""Fits that stand for F, the features they are linear in, and the metrics of the data."""
