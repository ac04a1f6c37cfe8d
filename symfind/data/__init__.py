"""Data on disk as rows, read in chunks."""
