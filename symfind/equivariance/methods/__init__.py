"""Methods that make a model equivariant, one file each."""
