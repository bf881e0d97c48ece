"""Files of chats as examples to imitate: read, encoded and measured whole before the first step."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ponder.chat.examples import training_examples
from ponder.chat.renderer import Renderer
from ponder.recipe.chats import ChatFiles
from ponder.tasks.chats import Chat, read_chats
from ponder.tasks.faults import listed_faults
from ponder.tasks.mixture import permuted
from ponder.tasks.split import part_of
from ponder.training.batch import MicroBatch, Sample, micro_batches, pack


@dataclass(frozen=True)
class ChatExamples:
    """Examples by number; they are encoded again when they are asked for, so that only texts are kept.

    `learned` and `validation` are (chat, example within the chat). `remarks`: what to tell people at the start.
    """

    settings: ChatFiles
    renderer: Renderer
    chats: Sequence[Chat]
    learned: Sequence[tuple[int, int]]
    validation: Sequence[tuple[int, int]]
    remarks: tuple[str, ...] = ()

    def sample(self, k: int, key: tuple[int | str, ...]) -> Sample:
        """The k-th example of an endless training: all of them once in each epoch, in an order that is a function of
        `key` and the epoch."""
        epoch, position = divmod(k, len(self.learned))
        return self._sample(self.learned[permuted(position, len(self.learned), (*key, epoch))])

    def validation_samples(self) -> list[Sample]:
        return [self._sample(example) for example in self.validation]

    def _sample(self, example: tuple[int, int]) -> Sample:
        chat, number = example
        return _samples(self.renderer, self.chats[chat], self.settings)[number]


def read_examples(settings: ChatFiles, renderer: Renderer, context: int) -> ChatExamples:
    """All examples of the files that `settings` name.

    Args:
        context: most tokens of an example

    Raises:
        ValueError: chats that cannot be read or learned, and with `too_long: refuse` those that are too long: all
            counted, and the first listed by file and line. Also where nothing is left to learn, or nothing is validated
            on though a share is asked for.
    """
    assert settings.path is not None
    chats = read_chats(settings.path, settings.fields, settings.system, settings.limit)
    learned: list[tuple[int, int]] = []
    validation: list[tuple[int, int]] = []
    faults: list[str] = []
    too_long: list[str] = []
    for number, chat in enumerate(chats):
        try:
            samples = _samples(renderer, chat, settings)
        except ValueError as error:
            faults.append(f"{chat.place}: {error}")
            continue
        longest = max(len(sample.ids) for sample in samples)
        if longest > context:
            too_long.append(f"{chat.place}: {longest:,} tokens")
            continue
        part = validation if settings.validation and part_of(chat.id, settings.validation) == "held_out" else learned
        part += [(number, example) for example in range(len(samples))]
    if faults:
        raise ValueError(listed_faults(faults, "demonstrations cannot be learned"))
    if too_long and settings.too_long == "refuse":
        raise ValueError(
            f"{_listed_too_long(too_long, len(chats), context)}\nShorten them, leave them out, or set too_long: drop"
        )
    if not learned:
        raise ValueError(
            f"none of {len(chats):,} demonstrations is left to learn: all are too long, or fall to validation"
        )
    if settings.validation and not validation:
        raise ValueError(
            f"validation is {settings.validation:g}, and none of {len(chats):,} demonstrations falls to it: raise it, or "
            "leave it out"
        )
    remarks = (f"{_listed_too_long(too_long, len(chats), context)}\nThey are left out",) if too_long else ()
    return ChatExamples(settings, renderer, chats, learned, validation, remarks)


def spoken(chats: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """What the assistant says in chats, given by their messages; for a newborn model's tokenizer to learn."""
    said = []
    for message in (message for messages in chats for message in messages if message["role"] == "assistant"):
        calls = [json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls") or ()]
        said.append("\n".join([message.get("reasoning_content", ""), message.get("content") or "", *calls]))
    return said


def mean_loss(
    samples: Sequence[Sample],
    token_budget: int,
    device: torch.device,
    logprobs: Callable[[MicroBatch], Tensor],
) -> float:
    """Mean cross-entropy over all learned tokens of some samples, in nats, without learning.

    Args:
        token_budget: most tokens in a forward pass
        logprobs: how the model sees the learned tokens of a micro-batch # [learned]
    """
    with torch.no_grad():
        total = sum(
            -logprobs(pack(micro, device)).double().sum().item() for micro in micro_batches(samples, token_budget)
        )
    return total / sum(sum(sample.mask) for sample in samples)


def _samples(renderer: Renderer, chat: Chat, settings: ChatFiles) -> list[Sample]:
    """ValueError where an answer that is to be learned is empty, and as `training_examples` has it."""
    asked = [message for message in chat.messages if message["role"] == "assistant"]
    for message in asked if settings.learn == "all" else asked[-1:]:
        content = message.get("content")
        if not (content.strip() if isinstance(content, str) else content) and not message.get("tool_calls"):
            raise ValueError("the assistant's message is empty: there is nothing to learn")
    examples = training_examples(renderer, chat.messages, chat.tools, settings.learn)
    return [Sample(ids, mask, []) for ids, mask in examples]


def _listed_too_long(too_long: Sequence[str], chats: int, context: int) -> str:
    what = f"of {chats:,} demonstrations are longer than the model's context of {context:,} tokens"
    return listed_faults(too_long, what) if len(too_long) > 1 else f"1 {what}: {too_long[0]}"
