"""Evaluations: what a model can do, measured the same way every time."""
