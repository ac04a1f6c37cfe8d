"""F as a trained network, with its derivatives."""
