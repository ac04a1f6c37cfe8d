"""Named data whose symmetries are known, and the simulators that make them."""
