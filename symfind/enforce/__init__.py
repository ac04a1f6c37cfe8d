"""Methods that make a trained model equivariant."""
