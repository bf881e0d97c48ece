"""Ponder: turn a base language model into a reasoning model with reinforcement learning, and serve it."""

__version__ = "0.1.0"
