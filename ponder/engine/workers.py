"""One batch over several single-threaded processes, all reading the learner's weights where they lie.

Where cores are few, a process per core beats threads on one batch: small matrix products do not share well, and
OpenMP threads spin when another process wants their core. Counted randomness and whole row tiles make the result
the same whatever the number of workers (law 4).
"""

import multiprocessing
import multiprocessing.connection
import signal
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.model.shared import attach_parameters, share_parameters


class WorkerEngine:
    """
    Args:
        decoder: on the CPU; its parameters are moved into shared memory, and what the learner writes there, the workers
            sample from
        workers: number of processes; token_budget and max_rows are each worker's own
    """

    def __init__(self, decoder: Decoder, workers: int, token_budget: int, max_rows: int):
        flat = share_parameters(decoder)
        context = multiprocessing.get_context("spawn")
        self.connections: list[multiprocessing.connection.Connection] = []
        self.processes: list[Any] = []
        # The checks of a request happen here, before anything is sent.
        self.checker = LocalEngine(decoder, token_budget, max_rows)
        for number in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(decoder.config, flat, theirs, token_budget, max_rows),
                name=f"ponder-sampler-{number}",
                daemon=True,
            )
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        requests = list(requests)
        self.checker.check(requests)
        by_index = dict(enumerate(requests))
        for worker, indices in enumerate(self._deal(requests)):
            self.connections[worker].send([(index, by_index[index]) for index in indices])
        waiting = len(requests)
        while waiting:
            for connection in multiprocessing.connection.wait(self.connections):
                for index, ids, logprobs, reason in self._receive(connection):
                    waiting -= 1
                    yield Completion(by_index[index], ids, logprobs, reason)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()

    def _deal(self, requests: list[Request]) -> list[list[int]]:
        """Indices for each worker; requests that share a prompt stay together, so that it is prefilled once."""
        hands: list[list[int]] = [[] for _ in self.processes]
        owner: dict[tuple[int, ...], int] = {}
        for index, request in enumerate(requests):
            worker = owner.setdefault(request.prompt, len(owner) % len(hands))
            hands[worker].append(index)
        return hands

    def _receive(self, connection: Any) -> list[tuple]:
        try:
            kind, payload = connection.recv()
        except EOFError:
            process = self.processes[self.connections.index(connection)]
            process.join(timeout=1)
            raise RuntimeError(f"{process.name} died with exit code {process.exitcode} (-9: out of memory?)") from None
        if kind == "error":
            raise RuntimeError(f"a sampling process failed:\n{payload}")
        return payload


def _serve(config: ModelConfig, flat: Tensor, connection: Any, token_budget: int, max_rows: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the trainer's to answer, at the end of its step
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    engine = LocalEngine(attach_parameters(config, flat).eval(), token_budget, max_rows)
    try:
        while True:
            engine.submit([Request((index,), r.prompt, r.params, r.seed) for index, r in connection.recv()])
            while engine.waiting or engine.running:
                if finished := engine.step():
                    rows = [(c.request.id[0], c.ids, c.logprobs, c.finish_reason) for c in finished]
                    connection.send(("finished", rows))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the trainer has gone
    except Exception:
        connection.send(("error", traceback.format_exc()))
