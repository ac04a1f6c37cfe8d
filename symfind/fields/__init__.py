"""Vector-field spaces: what a generator may look like."""
