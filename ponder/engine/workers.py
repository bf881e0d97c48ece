"""Data-parallel sampling: one batch over several single-threaded processes, all reading the learner's weights where
they lie; where that is quicker, through a copy of the matrices that is made anew for each batch (`packed.PackedView`).

Where cores are few, a process per core beats threads on one batch: small matrix products do not share well, and
OpenMP threads spin when another process wants their core. Counted randomness and whole row tiles make the result
the same whatever the number of workers (law 4).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor

from ponder.engine.invariance import choose_forms
from ponder.engine.kernels import Forms
from ponder.engine.limits import Limits
from ponder.engine.local import LocalEngine
from ponder.engine.packed import PackedView, packs_for_training
from ponder.engine.processes import Connection, Processes, answer
from ponder.engine.protocol import Completion, Request
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.model.lora import adapter_digest
from ponder.model.shared import attach_parameters, share_parameters


class WorkerEngine:
    """
    Args:
        decoder: on the CPU; its parameters are moved into shared memory, and what the learner writes there, the workers
            sample from
        workers: number of processes; token_budget and max_rows are each worker's own
    """

    def __init__(self, decoder: Decoder, workers: int, token_budget: int, max_rows: int):
        limits = Limits.of(decoder.config, token_budget)
        packed = packs_for_training(decoder)
        forms = choose_forms(decoder, threads=1, packed=packed)
        arguments = (decoder.config, share_parameters(decoder), token_budget, max_rows, forms, packed)
        self.processes = Processes(_serve, [arguments] * workers, "ponder-sampler")
        self.limits = limits

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        requests = list(requests)
        self.limits.check(requests)  # before anything is sent
        if any(request.mask for request in requests):
            raise ValueError("sampling processes take no masks (structured output); use one LocalEngine")
        for worker, indices in enumerate(self._split(requests)):
            self.processes.send(worker, [(index, requests[index]) for index in indices])
        waiting = len(requests)
        while waiting:
            for worker in self.processes.ready():
                for index, ids, logprobs, reason, top in self.processes.receive(worker):
                    waiting -= 1
                    yield Completion(requests[index], ids, logprobs, reason, top)

    def adapter_digests(self) -> list[str]:
        """Of the adapters that each process reads (`lora.adapter_digest`)."""
        for worker in range(len(self.processes)):
            self.processes.send(worker, "adapters")
        return [self.processes.receive(worker) for worker in range(len(self.processes))]

    def close(self) -> None:
        self.processes.close()

    def _split(self, requests: list[Request]) -> list[list[int]]:
        """Indices for each worker; requests that share a prompt stay together, so that it is prefilled once."""
        shares: list[list[int]] = [[] for _ in range(len(self.processes))]
        owner: dict[tuple[int, ...], int] = {}
        for index, request in enumerate(requests):
            worker = owner.setdefault(request.prompt, len(owner) % len(shares))
            shares[worker].append(index)
        return shares


def _serve(
    connection: Connection,
    config: ModelConfig,
    weights: Tensor,
    token_budget: int,
    max_rows: int,
    forms: Forms,
    packed: bool,
) -> None:
    decoder = attach_parameters(config, weights).eval()
    view = PackedView(decoder) if packed else None
    engine = LocalEngine(view.decoder if view else decoder, token_budget, max_rows, forms=forms)
    while True:
        message = connection.recv()
        if message == "adapters":
            answer(connection, adapter_digest(dict(decoder.named_parameters()), decoder.dtype))
            continue
        if view:
            view.refresh()  # the learner has had its turn
        engine.submit([replace(request, id=(index,)) for index, request in message])
        while engine.busy:
            if finished := engine.step():
                answer(connection, [(c.request.id[0], c.ids, c.logprobs, c.finish_reason, c.top) for c in finished])
