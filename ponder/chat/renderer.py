"""Messages to token ids, through the checkpoint's own tokenizer and chat template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from ponder.chat.markers import Markers
from ponder.chat.messages import canonical_messages, split_thinking
from ponder.chat.placeholders import Placeholders, spellings
from ponder.chat.plain_tokenizer import without_added_tokens
from ponder.chat.template import compile_template, run_template, template_sources
from ponder.chat.token_bytes import token_bytes
from ponder.chat.tokenizer_files import json_object_in, read_files, token_text, tokenizer_in
from ponder.chat.tool_calls import format_tool_call

LONG_TEXT = 1 << 14  # characters
# An assistant's message may hold these: the model wrote them, and templates look for them.
ASSISTANT_TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>")


@dataclass(frozen=True)
class Prompt:
    """A rendered conversation. `thinking_open`: the model continues inside a thought that the prompt has opened."""

    ids: list[int]
    text: str
    thinking_open: bool


class Renderer:
    """A checkpoint's tokenizer, chat template and special tokens. Made by `Renderer.load`; it never changes.

    `markers`: ids of the tags. `stop_ids`: tokens at which the model has finished its turn. `turn_end`: the one of
    them that ends an assistant's turn in training, or None. `token_bytes(id)`: the bytes that a token stands for.
    """

    def __init__(self, files: Mapping[str, bytes], origin: str):
        """`files`: contents by file name, as in a checkpoint directory; `origin`: where they are from, for errors."""
        config = json_object_in(files, "tokenizer_config.json", origin)
        self.origin = origin
        self._files = dict(files)
        self.tokenizer = tokenizer_in(files, origin)
        self._without_added_tokens = without_added_tokens(self.tokenizer)
        sources = template_sources(files, config, origin)
        self._templates = {name: compile_template(source, origin) for name, source in sources.items()}
        self._reads_reasoning = frozenset(name for name, source in sources.items() if "reasoning_content" in source)
        names = ("bos_token", "eos_token", "unk_token", "pad_token")
        self._special_tokens = {name: text for name in names if (text := token_text(config.get(name)))}
        added = self.tokenizer.get_added_tokens_decoder()
        self._special_ids = frozenset(token for token, about in added.items() if about.special)

        # What would be a control token in text: special tokens, and others that have the look of a tag. Checkpoints
        # add ordinary words and runs of spaces, too; these are as harmless as any token.
        control = {
            about.content
            for about in added.values()
            if about.special or (about.content.startswith("<") and about.content.endswith(">"))
        }
        self._control = spellings(control)
        self._control_of_assistant = spellings(control - set(ASSISTANT_TAGS))

        self.markers = Markers.of(self.tokenizer)
        self.token_bytes = token_bytes(self.tokenizer)
        eos, chatml = self._special_tokens.get("eos_token", ""), self.tokenizer.token_to_id("<|im_end|>")
        self.turn_end = chatml if chatml is not None else self.tokenizer.token_to_id(eos)
        ends = {self.tokenizer.token_to_id(text) for text in (eos, "<|im_end|>", "<|endoftext|>")}
        listed = json_object_in(files, "generation_config.json", origin).get("eos_token_id")
        self.stop_ids = frozenset((ends | set(listed if isinstance(listed, list) else [listed])) - {None})

    @classmethod
    def load(cls, directory: str | Path) -> "Renderer":
        """Reads tokenizer.json, tokenizer_config.json, the chat template and the eos ids of generation_config.json.

        Raises ValueError with the remedy: no tokenizer.json, no chat template, broken JSON or Jinja.
        """
        return cls(read_files(Path(directory)), str(directory))

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
        generation prompt opens, or gives one that is closed already, in the way of Qwen3, and gives the template
        `enable_thinking=False`. Control tokens come from the template and, in an assistant's message, from thoughts and
        calls; in all that people and tools wrote, their spellings are ordinary text. Reasoning that `canonical_messages`
        keeps is rendered for templates that would leave it out, too.
        Raises ValueError for messages that are malformed or that the template refuses.
        """
        name = "tool_use" if tools and "tool_use" in self._templates else "default"
        hidden = Placeholders()
        try:
            given = hidden.hide(list(tools), self._control) or None
            shown = [self._shielded(message, hidden, name) for message in canonical_messages(messages)]
        except RecursionError as error:
            raise ValueError("tools or messages are nested too deeply") from error
        text = run_template(
            self._templates[name],
            self.origin,
            messages=shown,
            tools=given,
            documents=None,
            add_generation_prompt=generation_prompt,
            enable_thinking=thinking,
            **self._special_tokens,
        )
        prompt = self._prompt(text, hidden)
        if thinking or self.markers.think is None:
            return prompt
        if prompt.thinking_open:
            return self._prompt(text.rstrip("\n") + "\n\n</think>\n\n", hidden)
        if generation_prompt and self._thought(prompt.ids) is None:
            return self._prompt(text + "<think>\n\n</think>\n\n", hidden)
        return prompt

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

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Ids of `text`. Markers in it become their tokens. ValueError for text that is no Unicode.

        `add_special_tokens`: with what the tokenizer's post-processor puts around a text, which is nothing for Qwen's.
        """
        return _ids(self.tokenizer, text, add_special_tokens)

    def encode_written(self, text: str) -> list[int]:
        """Ids of what an assistant wrote: the tags of thoughts and calls are tokens, other control tokens text."""
        hidden = Placeholders()
        return self._encode_hidden(hidden.hide(text, self._control_of_assistant), hidden)

    def decode(self, ids: Sequence[int], keep_special: bool = True) -> str:
        """Text of `ids`. `keep_special=False` leaves out special tokens like `<|im_end|>`; thinking tags stay."""
        if len(ids) < LONG_TEXT:
            return self.tokenizer.decode(list(ids), skip_special_tokens=not keep_special)
        return self.tokenizer.decode_batch([list(ids)], skip_special_tokens=not keep_special)[0]  # see _ids

    @cached_property
    def vocab_size(self) -> int:
        """One more than the highest token id; a model may have more rows, to make its matrices round."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def longest_token(self) -> int:
        """The most bytes that a token stands for."""
        return max(len(self.token_bytes(token)) for token in range(self.vocab_size))

    def _prompt(self, text: str, hidden: Placeholders) -> Prompt:
        ids = self.encode(text) if not hidden else self._encode_hidden(hidden.with_tags(text), hidden)
        return Prompt(ids, hidden.restored(hidden.with_tags(text)), self._thought(ids) == "open")

    def _encode_hidden(self, text: str, hidden: Placeholders) -> list[int]:
        ids: list[int] = []
        for piece in self._control.split(text):  # every second one is a control token
            restored = hidden.restored(piece)
            ids += self.encode(piece) if restored == piece else _ids(self._without_added_tokens, restored)
        return ids

    def _shielded(self, message: dict[str, Any], hidden: Placeholders, template: str) -> dict[str, Any]:
        """The message with the control tokens in it hidden, and the reasoning in it where the template looks for it."""
        shielded = {key: hidden.hide(value, self._control) for key, value in message.items() if key != "content"}
        if message["role"] != "assistant":
            return shielded | {"content": hidden.hide(message["content"], self._control)}
        content = hidden.hide(message["content"], self._control_of_assistant)
        if template in self._reads_reasoning or "reasoning_content" not in message:
            return shielded | {"content": content}
        reasoning = shielded.pop("reasoning_content")
        if self.markers.think is not None:
            # As the model wrote it, as far as text can tell: templates write a newline before calls.
            thought = f"{hidden.tag('<think>')}\n{reasoning}\n{hidden.tag('</think>')}\n"
            content = thought + "\n" + content if content else thought
        return shielded | {"content": content}

    def _thought(self, ids: Sequence[int]) -> Literal["open", "closed"] | None:
        """Whether there is a thought between the assistant's header and the end of the prompt."""
        # Headers and ends of turns are special tokens, so tags in earlier messages are not reached.
        for token in reversed(ids):
            if token == self.markers.think:
                return "open"
            if token == self.markers.think_end:
                return "closed"
            if token in self._special_ids:
                return None
        return None

    def _continuation(self, message: Mapping[str, Any], thinking_open: bool) -> str:
        reasoning, content = split_thinking(message)
        calls = canonical_messages([message])[0].get("tool_calls", [])
        if reasoning and self.markers.think is None:
            raise ValueError(f"{self.origin} has no <think> and </think> tokens; add them, or leave the reasoning out")
        if calls and self.markers.tool_call is None:
            raise ValueError(f"{self.origin} has no <tool_call> and </tool_call> tokens; add them first")
        if broken := [call["function"]["name"] for call in calls if isinstance(call["function"]["arguments"], str)]:
            raise ValueError(f"the arguments of the call of {broken[0]!r} are no JSON object; leave such answers out")
        written = [content] if content else []
        written += [format_tool_call(**call["function"]) for call in calls]
        opening = "" if thinking_open else "<think>\n"
        thought = f"{opening}{reasoning}\n</think>\n\n" if reasoning or thinking_open else ""
        return thought + "\n".join(written)


def _ids(tokenizer: Tokenizer, text: str, special: bool = False) -> list[int]:
    try:
        if len(text) < LONG_TEXT:
            return tokenizer.encode(text, add_special_tokens=special).ids
        # A batch, though of one: `encode` keeps the interpreter's lock all the while, and a server would stand still.
        return tokenizer.encode_batch_fast([text], add_special_tokens=special)[0].ids
    except TypeError as error:
        raise ValueError("the text holds half of a surrogate pair (\\ud800-\\udfff); send whole characters") from error
