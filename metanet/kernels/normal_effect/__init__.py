"""Exact likelihoods of counts with a normal random effect: quadrature, maximum, profile, regression."""
