"""The budget of one comparison: steps, not time, so that a verdict never depends on how busy the machine is."""

import threading

from ponder.verifiers.math.tree import OverBudget

STEPS = 120_000  # nodes evaluated modulo a prime, some 1.5 us of one core each: a comparison is over in under 0.2 s
NUMERIC_STEP = 18  # a node to 60 digits


class _Left(threading.local):
    steps = STEPS


_LEFT = _Left()


def start() -> None:
    """A full budget for the comparison that now begins in this thread."""
    _LEFT.steps = STEPS


def spend(steps: int) -> None:
    """OverBudget when nothing is left."""
    _LEFT.steps -= steps
    if _LEFT.steps < 0:
        raise OverBudget(f"more than {STEPS:,} steps")
