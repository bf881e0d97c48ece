"""Messages to token ids, through the checkpoint's own tokenizer and chat template."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Template
from tokenizers import Tokenizer

from ponder.chat.messages import canonical_messages, split_thinking
from ponder.chat.template import compile_template, run_template
from ponder.chat.token_bytes import token_bytes
from ponder.chat.tool_calls import format_tool_call

TEMPLATE_FILE = "chat_template.jinja"
NAMED_TEMPLATES = "additional_chat_templates"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    TEMPLATE_FILE,
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)


@dataclass(frozen=True)
class Prompt:
    """A rendered conversation. `thinking_open`: the model continues inside a thought that the prompt has opened."""

    ids: list[int]
    text: str
    thinking_open: bool


@dataclass(frozen=True)
class Markers:
    """Token ids of the tags around thoughts, tool calls and tool results; None where the tokenizer has no such token.

    The tags of a pair are both there or both None.
    """

    think: int | None = None
    think_end: int | None = None
    tool_call: int | None = None
    tool_call_end: int | None = None
    tool_response: int | None = None
    tool_response_end: int | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Markers":
        markers: list[int | None] = []
        for name in ("think", "tool_call", "tool_response"):
            pair = tokenizer.token_to_id(f"<{name}>"), tokenizer.token_to_id(f"</{name}>")
            markers += (None, None) if None in pair else pair
        return cls(*markers)


class Renderer:
    """A checkpoint's tokenizer, chat template and special tokens. Made by `Renderer.load`; it never changes.

    `markers`: ids of the tags. `stop_ids`: tokens at which the model has finished its turn. `turn_end`: the one of
    them that ends an assistant's turn in training, or None. `token_bytes(id)`: the bytes that a token stands for.
    """

    def __init__(self, files: Mapping[str, bytes], origin: str):
        """`files`: contents by file name, as in a checkpoint directory; `origin`: where they are from, for errors."""
        config = _json_object(files, "tokenizer_config.json", origin)
        self.origin = origin
        self._files = dict(files)
        self._tokenizer = _tokenizer(files, origin)
        self._templates = _templates(files, config, origin)
        names = ("bos_token", "eos_token", "unk_token", "pad_token")
        self._special_tokens = {name: text for name in names if (text := _token_text(config.get(name)))}
        added = self._tokenizer.get_added_tokens_decoder()
        self._special_ids = frozenset(token for token, about in added.items() if about.special)

        self.markers = Markers.of(self._tokenizer)
        self.token_bytes = token_bytes(self._tokenizer)
        eos, chatml = self._special_tokens.get("eos_token", ""), self._tokenizer.token_to_id("<|im_end|>")
        self.turn_end = chatml if chatml is not None else self._tokenizer.token_to_id(eos)
        ends = {self._tokenizer.token_to_id(text) for text in (eos, "<|im_end|>", "<|endoftext|>")}
        listed = _json_object(files, "generation_config.json", origin).get("eos_token_id")
        self.stop_ids = frozenset((ends | set(listed if isinstance(listed, list) else [listed])) - {None})

    @classmethod
    def load(cls, directory: str | Path) -> "Renderer":
        """Reads tokenizer.json, tokenizer_config.json, the chat template and the eos ids of generation_config.json.

        Raises ValueError with the remedy: no tokenizer.json, no chat template, broken JSON or Jinja.
        """
        directory = Path(directory)
        paths = [directory / name for name in TOKENIZER_FILES] + sorted(directory.glob(f"{NAMED_TEMPLATES}/*.jinja"))
        files = {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths if path.is_file()}
        return cls(files, str(directory))

    def save(self, directory: str | Path) -> None:
        """Writes the tokenizer's files, as they were read, into a checkpoint directory."""
        for name, content in self._files.items():
            path = Path(directory) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        thinking: bool = True,
        generation_prompt: bool = True,
    ) -> Prompt:
        """The prompt for `messages`, with the traps of real histories absorbed (`canonical_messages`).

        `tools`: JSON schemas of functions, as in the OpenAI API. `thinking=False` closes the thought that the
        generation prompt opens, in the way of Qwen3, and gives the template `enable_thinking=False`.
        Raises ValueError for messages that are malformed or that the template refuses.
        """
        name = "tool_use" if tools and "tool_use" in self._templates else "default"
        text = run_template(
            self._templates[name],
            self.origin,
            messages=canonical_messages(messages),
            tools=list(tools) or None,
            documents=None,
            add_generation_prompt=generation_prompt,
            enable_thinking=thinking,
            **self._special_tokens,
        )
        ids = self.encode(text)
        if self._thinking_open(ids) and not thinking:
            text = text.rstrip("\n") + "\n\n</think>\n\n"
            ids = self.encode(text)
        return Prompt(ids, text, self._thinking_open(ids))

    def training_example(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[list[int], list[int]]:
        """Ids of a conversation that ends with the assistant, and a mask: 1 on the last message's tokens and its eos.

        The ids are those of the prompt that asks for the last message, followed by those of the message: the border
        is a border of tokens, as in sampling. Thinking is given as `reasoning_content` or inside the content.
        """
        *history, last = messages
        if last.get("role") != "assistant":
            raise ValueError(
                f"the last message is from {last.get('role')!r}; a training example ends with the assistant"
            )
        if self.turn_end is None:
            raise ValueError(f"{self.origin} names no eos_token; add one to tokenizer_config.json")
        prompt = self.render(history, tools)
        answer = [*self.encode(self._continuation(last, prompt.thinking_open)), self.turn_end]
        return prompt.ids + answer, [0] * len(prompt.ids) + [1] * len(answer)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, nothing added. Markers in it become their tokens. ValueError for text that is no Unicode."""
        try:
            return self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError as error:
            raise ValueError(
                "the text holds half of a surrogate pair (\\ud800-\\udfff); send whole characters"
            ) from error

    def decode(self, ids: Sequence[int], keep_special: bool = True) -> str:
        """Text of `ids`. `keep_special=False` leaves out special tokens like `<|im_end|>`; thinking tags stay."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=not keep_special)

    @cached_property
    def vocab_size(self) -> int:
        """One more than the highest token id; a model may have more rows, to make its matrices round."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def _thinking_open(self, ids: Sequence[int]) -> bool:
        # Between the assistant's header and the end of the prompt: headers and ends of turns are special tokens, so
        # tags in what people wrote are not reached.
        for token in reversed(ids):
            if token == self.markers.think:
                return True
            if token == self.markers.think_end or token in self._special_ids:
                return False
        return False

    def _continuation(self, message: Mapping[str, Any], thinking_open: bool) -> str:
        reasoning, content = split_thinking(message)
        calls = canonical_messages([message])[0].get("tool_calls", [])
        if reasoning and self.markers.think is None:
            raise ValueError(f"{self.origin} has no <think> and </think> tokens; add them, or leave the reasoning out")
        if calls and self.markers.tool_call is None:
            raise ValueError(f"{self.origin} has no <tool_call> and </tool_call> tokens; add them first")
        written = [content] if content else []
        written += [format_tool_call(**call["function"]) for call in calls]
        opening = "" if thinking_open else "<think>\n"
        thought = f"{opening}{reasoning}\n</think>\n\n" if reasoning or thinking_open else ""
        return thought + "\n".join(written)


def _tokenizer(files: Mapping[str, bytes], origin: str) -> Tokenizer:
    if "tokenizer.json" not in files:
        raise ValueError(f"no tokenizer.json in {origin}; give the directory of a Hugging Face checkpoint that has one")
    try:
        tokenizer = Tokenizer.from_buffer(files["tokenizer.json"])
    except Exception as error:  # the library raises nothing more specific
        raise ValueError(
            f"{origin}/tokenizer.json is broken: {error}; copy it again from the model's source"
        ) from error
    tokenizer.no_truncation()  # limits that were saved with the tokenizer would cut prompts in silence
    tokenizer.no_padding()
    return tokenizer


def _templates(files: Mapping[str, bytes], config: Mapping[str, Any], origin: str) -> dict[str, Template]:
    """Compiled templates by name; files win over tokenizer_config.json, as in transformers."""
    listed = config.get("chat_template") or []
    if isinstance(listed, str):
        listed = [{"name": "default", "template": listed}]
    sources = {entry["name"]: entry["template"] for entry in listed}
    for name, content in files.items():
        if name == TEMPLATE_FILE:
            sources["default"] = content.decode()
        elif name.startswith(NAMED_TEMPLATES):
            sources[Path(name).stem] = content.decode()
    if "default" not in sources:
        raise ValueError(
            f"{origin} has no chat template; save one as {origin}/{TEMPLATE_FILE}, "
            f"for example {Path(__file__).with_name('qwq.jinja')}"
        )
    return {name: compile_template(source, origin) for name, source in sources.items()}


def _json_object(files: Mapping[str, bytes], name: str, origin: str) -> dict[str, Any]:
    try:
        value = json.loads(files.get(name, b"{}"))
    except ValueError as error:
        raise ValueError(f"{origin}/{name} is broken JSON: {error}; copy it again from the model's source") from error
    if not isinstance(value, dict):
        raise ValueError(f"{origin}/{name} holds {type(value).__name__}; it must be a JSON object")
    return value


def _token_text(token: str | Mapping[str, Any] | None) -> str | None:
    """Special tokens are written as text or as `{"content": text, ...}`."""
    return token.get("content") if isinstance(token, Mapping) else token
