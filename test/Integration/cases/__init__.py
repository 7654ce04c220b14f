"""Generators of execution tests: each yields groups (one model, several inputs) with expected outputs in float64."""
