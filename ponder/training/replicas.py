"""Helping processes for the learner on a CPU: the same weights in shared memory, a share of the micro-batches each.

As in sampling (engine/workers.py), a single-threaded process per core beats threads: most matrices of a small model
are too small to share.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ponder.engine.processes import Connection, Processes, answer
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.model.heap import give_back_much
from ponder.model.shared import attach_parameters, flat_size, share_parameters
from ponder.training.batch import Sample
from ponder.training.goals import Goal
from ponder.training.gradients import Accumulated, accumulate
from ponder.training.master import collect_gradients, trained


class Replicas:
    """`count` processes beside this one, which goes down to one thread itself. What each of them takes depends on
    the samples alone (`batch.divide`), so that a run repeats bit for bit."""

    def __init__(self, decoder: Decoder, count: int):
        weights = share_parameters(decoder)
        torch.set_num_threads(1)
        elements = flat_size(trained(decoder))
        self.gradients = [torch.zeros(elements).share_memory_() for _ in range(count)]
        arguments = [(decoder.config, weights, gradients) for gradients in self.gradients]
        self.processes = Processes(_serve, arguments, "ponder-learner")

    @property
    def shares(self) -> int:
        return len(self.processes) + 1

    def set_reference(self, reference: Decoder | None) -> None:
        weights = None if reference is None else share_parameters(reference)
        for number in range(len(self.processes)):
            self.processes.send(number, ("reference", weights))

    def accumulate(
        self,
        decoder: Decoder,
        reference: Decoder | None,
        gradients: Tensor,
        shares: Sequence[Sequence[Sequence[Sample]]],
        goal: Goal,
        recompute: bool = False,
    ) -> Accumulated:
        """As `gradients.accumulate`, over all processes: `gradients` # [elements] ends as the sum of everyone's."""
        for number in range(len(self.processes)):
            self.processes.send(number, ("accumulate", (shares[number + 1], goal, recompute)))
        total = accumulate(decoder, reference, shares[0], goal, recompute)
        for number, theirs in enumerate(self.gradients):
            total.add(self.processes.receive(number))
            gradients += theirs
        return total

    def close(self) -> None:
        self.processes.close()


def _serve(connection: Connection, config: ModelConfig, weights: Tensor, gradients: Tensor) -> None:
    decoder = attach_parameters(config, weights).train()
    collect_gradients(trained(decoder), gradients)
    reference = None
    while True:
        kind, payload = connection.recv()
        if kind == "reference":
            reference = None if payload is None else attach_parameters(config, payload)
            continue
        micro, goal, recompute = payload
        gradients.zero_()
        answer(connection, accumulate(decoder, reference, micro, goal, recompute))
        give_back_much()
