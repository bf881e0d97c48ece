"""Worlds in which a model acts by calls, and which say themselves how it went."""
