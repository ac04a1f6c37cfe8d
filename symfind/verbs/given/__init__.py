"""What a caller gives in place of a model file that is ready: weights and their class, one of several outputs."""
