"""Finite symmetries: candidates, and their relative defect."""
