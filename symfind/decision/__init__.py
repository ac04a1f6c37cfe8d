"""Evidence to finding: certified, undecided or refuted, by bounds that hold for directions chosen from the data."""
