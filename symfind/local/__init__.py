"""Symmetries that hold on a part of the domain, with that part."""
