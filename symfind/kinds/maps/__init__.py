"""Functions, maps, flows and trained models: F with a Lie derivative."""
