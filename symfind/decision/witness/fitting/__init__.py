"""Fits of exactly symmetric regressors: least squares, likelihoods of labels, parts without common covariants."""
