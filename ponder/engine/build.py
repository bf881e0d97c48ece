"""The engine that a recipe asks for, around the learner's decoder."""

import copy
import os
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from ponder.engine.invariance import choose_forms
from ponder.engine.local import LocalEngine
from ponder.engine.packed import PackedView, packs_for_training
from ponder.engine.protocol import Completion, Request
from ponder.engine.workers import WorkerEngine
from ponder.model.decoder import Decoder
from ponder.model.lora import adapter_digest
from ponder.model.weights import DTYPES
from ponder.recipe.schema import EngineSettings


class SamplingEngine:
    """An engine and the weights it reads: the learner's own, or, where the recipe asks for another dtype, a copy of them
    that `refresh` brings up to date (the mismatch this makes is measured at every step)."""

    def __init__(self, decoder: Decoder, settings: EngineSettings):
        self.learner = decoder
        dtype = DTYPES[settings.dtype] if settings.dtype else decoder.dtype
        self.own = decoder if dtype == decoder.dtype else copy.deepcopy(decoder).to(dtype).requires_grad_(False)
        workers = self.workers = default_workers(decoder) if settings.workers is None else settings.workers
        if workers and decoder.device.type != "cpu":
            raise ValueError("engine.workers: sampling processes are for CPUs; on a GPU set it to 0 or leave it empty")
        self.engine: WorkerEngine | LocalEngine
        self.view: PackedView | None = None  # sampling processes have theirs
        if workers:
            self.engine = WorkerEngine(self.own, workers, settings.token_budget // workers, settings.max_rows)
        else:
            # One thread: the same numbers as with sampling processes, of any number (law 4).
            view = self.view = PackedView(self.own) if packs_for_training(self.own) else None
            decoder = view.decoder if view else self.own
            forms = choose_forms(decoder, threads=1)
            self.engine = LocalEngine(decoder, settings.token_budget, settings.max_rows, forms=forms)
        self.limits, self.close = self.engine.limits, self.engine.close

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """As `Engine.generate`, with the weights as they are now, or, of a copy in another dtype, as they were at `refresh`."""
        if self.view:
            self.view.refresh()
        return self.engine.generate(requests)

    @torch.no_grad()
    def refresh(self) -> None:
        if self.own is not self.learner:
            for ours, theirs in zip(self.own.parameters(), self.learner.parameters(), strict=True):
                ours.copy_(theirs)

    def adapters_seen(self, masters: Mapping[str, Tensor]) -> float:
        """Share of the sampling processes that read these adapters, bit for bit in their dtype."""
        wanted, own = adapter_digest(masters, self.own.dtype), dict(self.own.named_parameters())
        engine = self.engine
        seen = engine.adapter_digests() if isinstance(engine, WorkerEngine) else [adapter_digest(own, self.own.dtype)]
        return seen.count(wanted) / len(seen)


def default_workers(decoder: Decoder) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if decoder.device.type == "cpu" and cores > 1 else 0
