"""Messages to token ids, through the checkpoint's own tokenizer and chat template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ponder.chat.adapting import adapted
from ponder.chat.call_styles import style_of
from ponder.chat.encoder import Encoder
from ponder.chat.markers import THINK, THINK_END, Markers
from ponder.chat.messages import canonical_messages, split_thinking
from ponder.chat.placeholders import Placeholders, spellings
from ponder.chat.round_trip import round_trip_difference
from ponder.chat.template import compile_template, run_template, template_sources
from ponder.chat.template_traits import TemplateTraits, traits_of
from ponder.chat.token_bytes import token_bytes
from ponder.chat.tokenizer_files import json_object_in, read_files, token_text, tokenizer_in, with_template
from ponder.chat.tool_calls import format_tool_call

# An assistant's message may hold these: the model wrote them, and templates look for them.
ASSISTANT_TAGS = (THINK, THINK_END, "<tool_call>", "</tool_call>")


@dataclass(frozen=True)
class Prompt:
    """A rendered conversation. `thinking_open`: the model continues inside a thought that the prompt has opened.

    `answer_ids`: the end of `ids`, where that is an answer that goes on, or of none a thought that is closed: None where no
    answer has begun.
    """

    ids: list[int]
    text: str
    thinking_open: bool
    answer_ids: tuple[int, ...] | None = None


class Renderer:
    """A checkpoint's tokenizer, chat template and special tokens. Made by `Renderer.load`; it never changes.

    `markers`: ids of the tags. `stop_ids`: tokens at which the model has finished its turn. `turn_end`: the one of
    them that ends an assistant's turn in training, or None. `token_bytes(id)`: the bytes that a token stands for.
    `call_style`: the name of the style in which the model writes calls (ponder.chat.call_styles).
    """

    def __init__(self, files: Mapping[str, bytes], origin: str, call_style: str = "auto"):
        """`files`: contents by file name, as in a checkpoint directory; `origin`: where they are from, for errors.

        `call_style`: a name of CALL_STYLES, or "auto" for that of the chat template.
        """
        config = json_object_in(files, "tokenizer_config.json", origin)
        self.origin = origin
        self._files = dict(files)
        self._encoder = Encoder(tokenizer_in(files, origin))
        self.tokenizer = self._encoder.tokenizer
        sources = template_sources(files, config, origin)
        self._templates = {name: compile_template(source, origin) for name, source in sources.items()}
        self._reads_reasoning = frozenset(name for name, source in sources.items() if "reasoning_content" in source)
        self._traits: dict[str, TemplateTraits] = {}
        names = ("bos_token", "eos_token", "unk_token", "pad_token")
        self._special_tokens = {name: text for name in names if (text := token_text(config.get(name)))}
        self.markers = Markers.of(self.tokenizer)
        # Tags of thoughts that are text to the tokenizer are hidden, too: one that a person wrote opens no thought.
        self._control_of_people = spellings({*self._encoder.control, *self.markers.written})
        self._control_of_assistant = spellings(self._encoder.control - set(ASSISTANT_TAGS))
        self.token_bytes = token_bytes(self.tokenizer)
        auto = style_of(list(sources.values()), list(self._encoder.control))
        self.call_style = auto if call_style == "auto" else call_style
        eos, chatml = self._special_tokens.get("eos_token", ""), self.tokenizer.token_to_id("<|im_end|>")
        self.turn_end = chatml if chatml is not None else self.tokenizer.token_to_id(eos)
        ends = {self.tokenizer.token_to_id(text) for text in (eos, "<|im_end|>", "<|endoftext|>")}
        listed = json_object_in(files, "generation_config.json", origin).get("eos_token_id")
        self.stop_ids = frozenset((ends | set(listed if isinstance(listed, list) else [listed])) - {None})

    @classmethod
    def load(
        cls, directory: str | Path, chat_template: str | Path | None = None, call_style: str = "auto"
    ) -> "Renderer":
        """Reads tokenizer.json, tokenizer_config.json, the chat template and the eos ids of generation_config.json.

        `chat_template`: a file with another one, which stands for all that the checkpoint has. Raises ValueError with the
        remedy: no tokenizer.json, no chat template, broken JSON or Jinja.
        """
        files = read_files(Path(directory))
        if chat_template is not None:
            files = with_template(files, Path(chat_template), str(directory))
        return cls(files, str(directory) if chat_template is None else str(chat_template), call_style)

    @property
    def files(self) -> dict[str, bytes]:
        """Contents of the tokenizer's files by name, as they were read."""
        return dict(self._files)

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
        Tools, calls and results that the template does not show are put into messages that it does (ponder.chat.adapting).
        Raises ValueError for messages that are malformed or that the template refuses.
        """
        text, hidden = self._templated(messages, tools, thinking, generation_prompt)
        prompt = self._prompt(text, hidden)
        if thinking:
            return prompt
        if prompt.thinking_open:
            return self._prompt(text.rstrip("\n") + "\n\n</think>\n\n", hidden)
        if self.markers.think is not None and generation_prompt and self._thought(prompt.ids, text) is None:
            return self._prompt(text + "<think>\n\n</think>\n\n", hidden)
        return prompt

    def round_trip_difference(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
    ) -> str | None:
        """What of a prompt is lost on the way to ids and back, in words; None where nothing is (ponder.chat.round_trip).

        Raises ValueError as `render` does.
        """
        text, hidden = self._templated(messages, tools, thinking=True, ask=True)
        ids = self._prompt(text, hidden).ids
        return round_trip_difference(self._encoder, self.token_bytes, ids, hidden.with_tags(text), hidden)

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
        answer = [*self.encode_written(self._continuation(last, prompt.thinking_open)), self.turn_end]
        return prompt.ids + answer, [0] * len(prompt.ids) + [1] * len(answer)

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Ids of `text`. Markers in it become their tokens. ValueError for text that is no Unicode.

        `add_special_tokens`: with what the tokenizer's post-processor puts around a text, which is nothing for Qwen's.
        """
        return self._encoder.encode(text, add_special_tokens)

    def encode_written(self, text: str) -> list[int]:
        """Ids of what an assistant writes on behind a prompt: the tags of thoughts and calls are tokens, where there are
        such; other control tokens are text. The text goes on from the prompt, so no space is put before it."""
        hidden = Placeholders()
        return self._encoder.encode_hidden(hidden.hide(text, self._control_of_assistant), hidden, begins=False)

    def decode(self, ids: Sequence[int], keep_special: bool = True) -> str:
        """Text of `ids`. `keep_special=False` leaves out special tokens like `<|im_end|>`; thinking tags stay."""
        return self._encoder.decode(ids, keep_special)

    @property
    def shows_tools(self) -> bool:
        """Whether the chat template shows the functions that may be called."""
        return self._traits_of("tool_use" if "tool_use" in self._templates else "default").tools

    @property
    def knows_thinking(self) -> bool:
        """Whether its tokenizer or its settings have tags of thoughts. One without may have learned to write them."""
        settings = [text for name, text in self.files.items() if name != "tokenizer.json"]
        return self.markers.think is not None or any(b"think>" in text for text in settings)

    @cached_property
    def vocab_size(self) -> int:
        """One more than the highest token id; a model may have more rows, to make its matrices round."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def longest_token(self) -> int:
        """The most bytes that a token stands for."""
        return max(len(self.token_bytes(token)) for token in range(self.vocab_size))

    def _traits_of(self, template: str) -> TemplateTraits:
        if template not in self._traits:
            self._traits[template] = traits_of(lambda messages, tools: self._run(template, messages, tools))
        return self._traits[template]

    def _run(self, template: str, messages: Any, tools: Any, ask: bool = False, thinking: bool = True) -> str:
        return run_template(
            self._templates[template],
            self.origin,
            messages=messages,
            tools=tools,
            documents=None,
            add_generation_prompt=ask,
            enable_thinking=thinking,
            **self._special_tokens,
        )

    def _templated(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], thinking: bool, ask: bool
    ) -> tuple[str, Placeholders]:
        """What the template writes, and what is hidden in it."""
        name = "tool_use" if tools and "tool_use" in self._templates else "default"
        hidden = Placeholders()
        try:
            given = hidden.hide(list(tools), self._control_of_people) or None
            shown = [self._shielded(message, hidden, name) for message in canonical_messages(messages)]
        except RecursionError as error:
            raise ValueError("tools or messages are nested too deeply") from error
        if given or any(message["role"] == "tool" or message.get("tool_calls") for message in shown):
            shown, given = adapted(shown, given, self._traits_of(name), self.origin)
        return self._run(name, shown, given, ask, thinking), hidden

    def _prompt(self, text: str, hidden: Placeholders) -> Prompt:
        tagged = hidden.with_tags(text)
        ids = self._encoder.encode_hidden(tagged, hidden) if hidden else self.encode(text)
        return Prompt(ids, hidden.restored(tagged), self._thought(ids, tagged) == "open")

    def _shielded(self, message: dict[str, Any], hidden: Placeholders, template: str) -> dict[str, Any]:
        """The message with the control tokens in it hidden, and the reasoning in it where the template looks for it."""
        shielded = {
            key: hidden.hide(value, self._control_of_people) for key, value in message.items() if key != "content"
        }
        if message["role"] != "assistant":
            return shielded | {"content": hidden.hide(message["content"], self._control_of_people)}
        content = hidden.hide(message["content"], self._control_of_assistant)
        if template in self._reads_reasoning or "reasoning_content" not in message:
            return shielded | {"content": content}
        reasoning = shielded.pop("reasoning_content")
        # As the model wrote it, as far as text can tell: templates write a newline before calls.
        thought = f"{hidden.tag(THINK)}\n{reasoning}\n{hidden.tag(THINK_END)}\n"
        return shielded | {"content": thought + "\n" + content if content else thought}

    def _thought(self, ids: Sequence[int], text: str) -> Literal["open", "closed"] | None:
        """Whether there is a thought between the assistant's header and the end of the prompt.

        `text` is the prompt's, in which what people wrote is hidden.
        """
        if self.markers.think is None:
            return "open" if text.rstrip().endswith(THINK) else "closed" if text.rstrip().endswith(THINK_END) else None
        # Headers and ends of turns are special tokens, so tags in earlier messages are not reached.
        for token in reversed(ids):
            if token == self.markers.think:
                return "open"
            if token == self.markers.think_end:
                return "closed"
            if token in self._encoder.special_ids:
                return None
        return None

    def _continuation(self, message: Mapping[str, Any], thinking_open: bool) -> str:
        reasoning, content = split_thinking(message)
        calls = canonical_messages([message])[0].get("tool_calls", [])
        if calls and self.markers.tool_call is None:
            raise ValueError(f"{self.origin} has no <tool_call> and </tool_call> tokens; add them first")
        if broken := [call["function"]["name"] for call in calls if isinstance(call["function"]["arguments"], str)]:
            raise ValueError(f"the arguments of the call of {broken[0]!r} are no JSON object; leave such answers out")
        written = [content] if content else []
        written += [format_tool_call(**call["function"]) for call in calls]
        opening = "" if thinking_open else "<think>\n"
        thought = f"{opening}{reasoning}\n</think>\n\n" if reasoning or thinking_open else ""
        return thought + "\n".join(written)
