"""The parts of docs/images.md, each a table of results that are kept as they come."""
