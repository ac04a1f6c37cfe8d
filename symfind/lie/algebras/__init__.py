"""Lie algebras: structure, names, canonical bases."""
