"""Certified, undecided, refuted: bounds on the relative defect that hold for directions chosen from the same data."""
