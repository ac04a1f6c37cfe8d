"""Lie theory; knows nothing of data."""
