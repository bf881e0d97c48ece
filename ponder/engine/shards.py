"""Shards of a step, computed at the same time, each by a thread of its own that computes alone.

Threads that share every product wait for one another some hundred times a step, and wherever one of them has to give its core
to other work for a moment, all of them stand. Shards wait once, at the end of the step.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import torch

from ponder.engine.scheduler import Prompt, Step
from ponder.engine.sequence import SequenceState

# Of a shard. Below, weights that are read for every shard cost more than the waiting.
LEAST_TOKENS = 16
# What a running sequence's token takes, which reads all that its sequence has cached, in tokens of a prompt.
ROW_TOKENS = 2


class Shards:
    """As many threads; results come in the order of what was given."""

    def __init__(self, count: int):
        before, all_there = torch.get_num_threads(), threading.Barrier(count)
        self.threads = ThreadPoolExecutor(count, "ponder-shard", initializer=_alone)
        wait([self.threads.submit(all_there.wait) for _ in range(count)])
        torch.set_num_threads(before)  # for threads to come

    def map(self, compute: Callable[[int, Step], list], steps: Sequence[Step]) -> list[list]:
        """`compute(number, step)` of each; the first exception, when all have ended."""
        running = [self.threads.submit(compute, number, step) for number, step in enumerate(steps)]
        wait(running)
        return [one.result() for one in running]

    def close(self) -> None:
        self.threads.shutdown()


def _alone() -> None:
    """From now on this thread computes without others."""
    torch.get_num_threads()  # a thread takes over torch's number when it first asks, whatever was set before
    torch.set_num_threads(1)


def split(step: Step, most: int) -> list[Step]:
    """At most so many shards, of about as many tokens each. A prompt's parts stay together, and followers with it."""
    tokens = len(step.decode) + sum(map(_tokens, step.prompts))
    count = max(1, min(most, tokens // LEAST_TOKENS))
    if count == 1:
        return [step]
    rows: list[list[SequenceState]] = [[] for _ in range(count)]
    prompts: list[list[Prompt]] = [[] for _ in range(count)]
    loads = [0] * count
    for prompt in sorted(step.prompts, key=_tokens, reverse=True):
        least = loads.index(min(loads))
        prompts[least].append(prompt)
        loads[least] += _tokens(prompt)
    for sequence in step.decode:  # they fill up what prompts have left
        least = loads.index(min(loads))
        rows[least].append(sequence)
        loads[least] += ROW_TOKENS
    return [Step(*shard) for shard in zip(rows, prompts, strict=True) if any(shard)]


def _tokens(prompt: Prompt) -> int:
    return sum(stop - start for start, stop in prompt.parts)
