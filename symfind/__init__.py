"""symfind."""
