"""Methods that find generators."""
