"""From a trained model and a group to an equivariant model."""
