"""Differential equations with known point symmetries, and simulators independent of the package's own."""
