"""Methods that fit a model with as much symmetry as the data allow."""
