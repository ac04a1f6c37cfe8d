"""Equivariant networks that are fitted: what they are made of, and what they learn from."""
