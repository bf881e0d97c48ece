"""Helping processes for the learner on a CPU: the same weights in shared memory, a share of the micro-batches each.

Where cores are few, a single-threaded process per core beats threads: most matrices of a small model are too small to
share, and OpenMP's threads spin when another process wants their core.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.model.shared import attach_parameters, flat_gradients, share_parameters
from ponder.training.batch import Sample
from ponder.training.learner import Imitation, Reinforcement, accumulate, merge


class Replicas:
    """`count` processes beside this one. Which of them takes a micro-batch depends on its number alone, so that a run
    repeats bit for bit."""

    def __init__(self, decoder: Decoder, count: int):
        context = multiprocessing.get_context("spawn")
        weights = share_parameters(decoder)
        torch.set_num_threads(1)
        self.connections, self.processes, self.gradients = [], [], []
        for number in range(count):
            ours, theirs = context.Pipe()
            gradients = torch.zeros_like(weights).share_memory_()
            args = (decoder.config, weights, gradients, theirs)
            process = context.Process(target=_serve, args=args, name=f"ponder-learner-{number + 1}", daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)
            self.gradients.append(gradients)

    def set_reference(self, reference: Decoder | None) -> None:
        weights = None if reference is None else share_parameters(reference)
        for connection in self.connections:
            connection.send(("reference", weights))

    def accumulate(
        self,
        decoder: Decoder,
        reference: Decoder | None,
        gradients: Tensor,
        micro: Sequence[Sequence[Sample]],
        goal: Imitation | Reinforcement,
    ) -> dict[str, float]:
        """As `learner.accumulate`, over all processes: `gradients` # [elements] ends as the sum of everyone's."""
        shares = len(self.connections) + 1
        for number, connection in enumerate(self.connections, 1):
            connection.send(("accumulate", (micro[number::shares], goal)))
        metrics = accumulate(decoder, reference, micro[::shares], goal)
        for process, connection, theirs in zip(self.processes, self.connections, self.gradients, strict=True):
            metrics = merge(metrics, _answer(process, connection))
            gradients += theirs
        return metrics

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()


def _answer(process: Any, connection: Any) -> dict[str, float]:
    try:
        kind, payload = connection.recv()
    except EOFError:
        process.join(timeout=1)
        raise RuntimeError(f"{process.name} died with exit code {process.exitcode} (-9: out of memory?)") from None
    if kind == "error":
        raise RuntimeError(f"{process.name} failed:\n{payload}")
    return payload


def _serve(config: ModelConfig, weights: Tensor, gradients: Tensor, connection: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the trainer's to answer, at the end of its step
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    decoder = attach_parameters(config, weights).train().requires_grad_(True)
    flat_gradients(decoder, gradients)
    reference = None
    try:
        while True:
            kind, payload = connection.recv()
            if kind == "reference":
                reference = None if payload is None else attach_parameters(config, payload)
                continue
            micro, goal = payload
            gradients.zero_()
            connection.send(("done", accumulate(decoder, reference, micro, goal)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the trainer has gone
    except Exception:
        connection.send(("error", traceback.format_exc()))
