"""Judging by prediction: an exactly symmetric model that explains rows it has not seen (DESIGN §9)."""
