"""Weights and roots of matrix algebras, what generators close to, and the representations they are."""
