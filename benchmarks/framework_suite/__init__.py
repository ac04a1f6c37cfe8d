"""Cases of `benchmarks/framework.py`, one module a section of the paper."""
