"""Ponder: turn a base language model into a reasoning model with reinforcement learning, and serve it."""

__version__ = "0.2.0.dev0"
