"""The parts of benchmarks/novel.py."""
