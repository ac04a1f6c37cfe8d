"""Points: flows that preserve their distribution, fields tangent to their set."""
