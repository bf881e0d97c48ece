"""One conversation turn: messages in, a stream of reasoning, content and tool calls out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ponder.chat.parser import Delta, OutputParser
from ponder.chat.renderer import Renderer
from ponder.engine.local import LocalEngine
from ponder.engine.protocol import Completion, Request, SamplingParams
from ponder.model.weights import load_decoder
from ponder.runs.run import Run


@dataclass
class Answer:
    """A turn in the making, filled in as the deltas of `Responder.respond` are drawn."""

    completion: Completion | None = None
    reasoning: str = ""
    content: str = ""
    reasoning_tokens: int = 0
    prompt_tokens: int = 0
    sampled: int = 0


class Responder:
    """A checkpoint that answers. Loading refuses what cannot work; see `load_decoder` and `Renderer.load`."""

    def __init__(self, checkpoint: Path, device: str | None = None):
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.renderer = Renderer.load(checkpoint)
        self.decoder = load_decoder(checkpoint, device=device)
        self.engine = LocalEngine(self.decoder)

    def respond(
        self,
        messages: Sequence[dict[str, Any]],
        params: SamplingParams,
        seed: int,
        answer: Answer,
        thinking: bool = True,
    ) -> Iterator[Delta]:
        """Yield deltas as they are sampled. Closing the iterator stops the sampling and frees the row.

        Raises:
            ValueError: the conversation does not fit the context.
        """
        prompt = self.renderer.render(messages, thinking=thinking)
        answer.prompt_tokens = len(prompt.ids)
        params = self.within_context(params, len(prompt.ids))
        parser = OutputParser(self.renderer, prompt.thinking_open)
        self.engine.submit([Request("turn", tuple(prompt.ids), params, seed)])
        try:
            while answer.completion is None:
                for completion in self.engine.step():
                    answer.completion = completion
                ids = (answer.completion or self.engine.running[0]).ids
                yield from self._tell(answer, parser.push(ids[answer.sampled :]))
                answer.sampled = len(ids)
                answer.reasoning_tokens = parser.reasoning_tokens
            yield from self._tell(answer, parser.finish())
        finally:
            self.engine.abort("turn")

    def _tell(self, answer: Answer, deltas: list[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            if delta.kind == "reasoning":
                answer.reasoning += delta.text
            elif delta.kind == "content":
                answer.content += delta.text
            yield delta

    def within_context(self, params: SamplingParams, prompt_tokens: int) -> SamplingParams:
        room = self.decoder.config.max_positions - prompt_tokens
        if room < 1:
            raise ValueError(
                f"the conversation has {prompt_tokens} tokens, the model's context is "
                f"{self.decoder.config.max_positions}: start afresh, or shorten it"
            )
        return replace(params, max_tokens=min(params.max_tokens, room), stop_ids=self.renderer.stop_ids)


def find_checkpoint(path: Path) -> Path:
    """A checkpoint directory itself, or a run's newest checkpoint.

    Raises:
        ValueError: it is neither.
    """
    if (path / "config.json").is_file():
        return path
    if (path / "lineage.json").is_file():
        checkpoint = Run.open(path).latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"the run {path} has no checkpoint yet")
        return checkpoint
    raise ValueError(f"{path} is neither a checkpoint (with a config.json) nor a run directory")
