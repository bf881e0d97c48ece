"""A reward model with its tokenizer and chat template: scores of whole conversations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ponder.chat.renderer import Renderer
from ponder.model.config import ModelConfig
from ponder.model.decoder import Decoder
from ponder.model.scoring import sequence_scores
from ponder.model.weights import load_decoder

Messages = Sequence[Mapping[str, Any]]
PROBE = "probe_answer_k7"  # a word that no template has
BATCH_TOKENS = 8_192


class RewardModel:
    """Scores conversations that end with the assistant, as its own template writes them and its own tokenizer reads them: what they come
    from may have another vocabulary."""

    def __init__(self, decoder: Decoder, renderer: Renderer):
        check_form(renderer, decoder.config)
        self.decoder, self.renderer = decoder, renderer

    @classmethod
    def load(cls, directory: str | Path, dtype: str | None = None, device: str = "cpu") -> "RewardModel":
        """A checkpoint of a reward model: one that a stage of kind reward_model has made, or a public one of transformers'
        form (Qwen2ForSequenceClassification, Qwen3..., Llama...).

        Raises:
            ValueError: it is none, is damaged, or its tokenizer, template and weights do not belong together.
        """
        decoder = load_decoder(directory, dtype, device, scores=True)
        return cls(decoder.requires_grad_(False), Renderer.load(directory))

    def ids(self, messages: Messages, tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """The token ids that are scored. ValueError for messages that the template refuses, and for more tokens than the model's
        context."""
        ids = conversation_ids(self.renderer, messages, tools)
        if len(ids) > self.decoder.config.max_positions:
            raise ValueError(
                f"the conversation has {len(ids):,} tokens, and the reward model's context is {self.decoder.config.max_positions:,}"
            )
        return ids

    def scores(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """Of token ids by `ids`, in their order. A higher score is better, of answers to the same prompt; any number."""
        return sequence_scores(self.decoder, sequences, BATCH_TOKENS)


def conversation_ids(renderer: Renderer, messages: Messages, tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
    """A whole conversation as the chat template writes it, which is what public reward models score."""
    return renderer.render(messages, tools, generation_prompt=False).ids


def check_form(renderer: Renderer, config: ModelConfig) -> None:
    """ValueError where tokenizer and weights do not belong together, or the template does not show the answer."""
    if renderer.vocab_size > config.vocab_size:
        raise ValueError(
            f"{renderer.origin}: the tokenizer has {renderer.vocab_size:,} tokens, and the reward model's vocabulary "
            f"{config.vocab_size:,}: they do not belong together"
        )
    asked = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": PROBE}]
    try:
        text = renderer.render(asked, generation_prompt=False).text
    except ValueError as error:
        raise ValueError(
            f"{renderer.origin}: its chat template does not take an answer to be scored: {error}"
        ) from None
    if PROBE not in text:
        raise ValueError(
            f"{renderer.origin}: its chat template does not show the assistant's answer, so it cannot be scored"
        )
