"""Pairs (x, x′): the generators that carry one to the other."""
