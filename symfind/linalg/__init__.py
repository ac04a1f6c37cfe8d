"""Numerical linear algebra; knows nothing of symmetry."""
