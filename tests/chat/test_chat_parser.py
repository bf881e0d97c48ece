import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ponder.chat.parser import Delta, OutputParser, ParsedOutput, ToolCall, ToolCallError, parse_output, parsed_output
from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import ToolCallReader, required_arguments

GOOD = '\n{"name": "add", "arguments": {"a": 1}}\n'
BAD = '\n{"name": "add", "arguments": {"a": \n'
CALL = ToolCall("add", {"a": 1}, GOOD, '{"a": 1}')


def parsed(renderer: Renderer, text: str, thinking_open: bool = True) -> ParsedOutput:
    """What was said; the notes on attempts at calls are looked at in test_chat_tool_stream.py."""
    return replace(parse_output(renderer.encode(text), renderer, thinking_open), tool_call_errors=())


def test_reasoning_then_content(renderer):
    output = parsed(renderer, "2 + 2 = 4\n</think>\n\nIt is 4.\n<|im_end|>")
    thought = len(renderer.encode("2 + 2 = 4\n</think>"))
    assert output == ParsedOutput("2 + 2 = 4\n", "It is 4.\n", (), True, thought)


def test_without_thinking_all_is_content(renderer):
    assert parsed(renderer, "\nIt is 4.", thinking_open=False) == ParsedOutput("", "\nIt is 4.", (), True, 0)


def test_cut_off_inside_the_thought(renderer):
    output = parsed(renderer, "2 + 2")
    assert output == ParsedOutput("2 + 2", "", (), False, len(renderer.encode("2 + 2")))


@pytest.mark.parametrize(
    ("text", "thinking_open", "reasoning", "content"),
    [
        ("<think>\nhm</think>4", True, "hm", "4"),  # repeated by the model
        ("\n<think>\n\nhm</think>4", True, "hm", "4"),
        ("<think>\nhm</think>4", False, "hm", "4"),  # opened by the model, as Qwen3 does
        (" \n<think>\nhm</think>4", False, "hm", "4"),
        (" <think>\nhm</think>4", True, "hm", "4"),
        (" \n4", False, "", " \n4"),
        (" \n4", True, " \n4", ""),
        ("\n 4", True, " 4", ""),
        (".<think>hm</think>4", False, "", ".<think>hm</think>4"),
        ("<think><think>hm</think>4", True, "<think>hm", "4"),
        ("hm<think>\nhm</think>4", True, "hm<think>\nhm", "4"),
        ("hm</think>\n<think>4</think>\n5", True, "hm", "<think>4</think>\n5"),
        ("</think><think>4", True, "", "<think>4"),
        ("4</think>5", False, "", "4</think>5"),
        ("<|im_end|>hm<|im_end|></think><|endoftext|>\n4<|im_start|>", True, "hm", "4<|im_start|>"),
        ("a</tool_call><tool_response>b", False, "", "a</tool_call><tool_response>b"),
    ],
)
def test_tags_in_and_out_of_place(renderer, text, thinking_open, reasoning, content):
    output = parsed(renderer, text, thinking_open)
    assert (output.reasoning, output.content) == (reasoning, content)


def test_calls_with_text_around_them(renderer):
    block = f"<tool_call>{GOOD}</tool_call>"
    output = parsed(renderer, f"Both.\n\n{block}\n{block}\n\nDone.\n", thinking_open=False)
    assert (output.content, output.tool_calls) == ("Both.Done.\n", (CALL, CALL))


def broken(text: str, arguments: str) -> ToolCall:
    return ToolCall("add", text, text, arguments)


def test_a_malformed_call_becomes_text_and_others_survive(renderer):
    good, bad = f"<tool_call>{GOOD}</tool_call>", '<tool_call>\n{"name": "add",,\n</tool_call>'
    output = parsed(renderer, f"</think>\n\n{good}\n{bad}\n{good}\n{bad}")
    assert (output.content, output.tool_calls) == (bad + bad, (CALL, CALL))
    alone = parsed(renderer, f"Look:\n\n{bad}\n", thinking_open=False)
    assert alone.content == f"Look:\n\n{bad}\n"


def test_calls_around_one_that_breaks_in_its_arguments_survive(renderer):
    good, bad = f"<tool_call>{GOOD}</tool_call>", f"<tool_call>{BAD}</tool_call>"
    output = parsed(renderer, f"</think>\n\n{good}\n{bad}\n{good}\n")
    assert (output.content, output.tool_calls) == ("", (CALL, broken(BAD, '{"a": \n'), CALL))


def test_a_call_after_an_unclosed_one_survives(renderer):
    output = parsed(renderer, f"<tool_call>{BAD}<tool_call>{GOOD}</tool_call>", thinking_open=False)
    assert (output.content, output.tool_calls) == ("", (broken(BAD, '{"a": \n'), CALL))


def test_tags_inside_arguments_are_text(renderer):
    raw = '{"name": "say", "arguments": {"text": "<tool_call> </think> </tool_call> <think>"}}'
    (call,) = parsed(renderer, f"<tool_call>{raw}</tool_call>", thinking_open=False).tool_calls
    assert call.arguments == {"text": "<tool_call> </think> </tool_call> <think>"}
    thought = parse_output(renderer.encode(f"so\n<tool_call>{raw}</tool_call>"), renderer, True, None, "act")
    assert thought.tool_calls == (call,) and not thought.thinking_closed


def test_an_unclosed_call_is_a_broken_one_at_the_end(renderer):
    text = f"So\n<tool_call>{GOOD}"
    parser = OutputParser(renderer, thinking_open=False)
    assert parser.push(renderer.encode(text)) == [
        Delta("content", "So"),
        Delta("tool_call_start", index=0, name="add"),
        Delta("tool_call_arguments", '{"a": 1}', 0),
    ]
    assert parser.finish() == [Delta("tool_call_end", index=0, tool_call=broken(GOOD, '{"a": 1}'))]
    assert parser.tool_call_errors == [ToolCallError("the call is never closed", "add", 0)]


def test_a_model_that_stops_at_calls_still_makes_them(variant):
    renderer = Renderer.load(variant(eos_token="</tool_call>"))
    assert renderer.markers.tool_call_end in renderer.stop_ids
    assert parsed(renderer, f"<tool_call>{GOOD}</tool_call>", thinking_open=False).tool_calls == (CALL,)


def test_calls_inside_the_thought_are_reasoning(renderer):
    text = f"Maybe\n<tool_call>{GOOD}</tool_call>\n"
    output = parsed(renderer, text + "</think>\n\nNo.")
    assert (output.reasoning, output.content, output.tool_calls) == (text, "No.", ())


def test_deltas_come_as_soon_as_they_are_certain(renderer):
    parser = OutputParser(renderer, thinking_open=True)
    tokens = renderer.encode(f"4\n</think>\n\nSo\n<tool_call>{GOOD}</tool_call>")
    streamed = [delta for token in tokens for delta in parser.push([token])]
    assert streamed[0] == Delta("reasoning", "4")
    assert "".join(delta.text for delta in streamed if delta.kind == "content") == "So"
    assert streamed[-1] == Delta("tool_call_end", index=0, tool_call=CALL)
    assert parser.finish() == []
    assert not parser.thinking


def test_characters_split_over_tokens_are_shown_whole(renderer):
    tokens = renderer.encode("\U0001f914")
    assert len(tokens) == 4
    parser = OutputParser(renderer, thinking_open=False)
    assert [parser.push([token]) for token in tokens] == [[], [], [], [Delta("content", "\U0001f914")]]
    assert parser.push(tokens[:2]) == []
    assert parser.finish() == [Delta("content", "\ufffd")]


def test_a_character_cut_by_a_tag_never_completes(renderer):
    tokens = renderer.encode("中")
    ids = [*tokens[:2], renderer.markers.think_end, *tokens[2:], *renderer.encode("a")]
    output = parse_output(ids, renderer, thinking_open=True)
    assert (output.reasoning, output.content) == ("\ufffd", "\ufffda")


@pytest.mark.parametrize("text", ["<tool_call>", "\n", "<think>"])
def test_a_flood_of_one_token_is_kept(renderer, text):
    output = parse_output(renderer.encode("a" + text) * 20_000, renderer, thinking_open=False)
    assert output.content == ("a" + text) * 20_000
    output = parse_output(renderer.encode(text) * 20_000 + renderer.encode("a"), renderer, thinking_open=False)
    assert output.reasoning + output.content == (text * 20_000 + "a").removeprefix("<think>")


# A reading of whole outputs by regular expressions, as independent of the state machine as can be: markers become
# private characters, everything between them is decoded by the tokenizers library.
TAGS = {"<think>": "\ue000", "</think>": "\ue001", "<tool_call>": "\ue002", "</tool_call>": "\ue003"}
TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"required": ["a"]}}},
    {"name": "now", "parameters": {}},
]


def as_text(text: str) -> str:
    for tag, character in TAGS.items():
        text = text.replace(character, tag)
    return text


def read_whole(
    ids: list[int], renderer: Renderer, thinking_open: bool, tools: list | None = None, act: bool = False
) -> tuple[list[str | ToolCall], list[str | ToolCall], bool]:
    """Reasoning and content with the calls in their places, and whether the thought has ended."""
    kept = [token for token in ids if token not in renderer.stop_ids]
    tag_of = {token[0]: character for tag, character in TAGS.items() if len(token := renderer.encode(tag)) == 1}
    text, run = "", []
    for token in [*kept, None]:
        if token is None or token in tag_of:
            written = renderer.decode(run)
            for tag in renderer.markers.written:
                written = written.replace(tag, TAGS[tag])
            text, run = text + written + tag_of.get(token, ""), []
        else:
            run.append(token)

    if opened := re.match(r"\s*\ue000\n*", text):
        text, thinking_open = text[opened.end() :], True
    elif thinking_open:
        text = text.lstrip("\n")
    thought, closed = [], True
    if thinking_open:
        thought, closed, text = read_thought(text, tools, act)
        text = text.lstrip("\n")
    return as_texts(thought), as_texts(with_calls(text, tools)), closed


def as_texts(pieces: list[str | ToolCall]) -> list[str | ToolCall]:
    return [as_text(each) if isinstance(each, str) else each for each in pieces]


def call_at(text: str, at: int, tools: list | None) -> tuple[ToolCall, int] | None:
    """The call whose opening stands at `at`, whole or broken after its beginning had been told, and where it ends."""
    reader, arguments, quoted = ToolCallReader(), "", False
    names = None if tools is None else required_arguments(tools)
    place, rest = at + 1, None
    while place < len(text) and (text[place] != "\ue003" or reader.in_string):
        quoted = quoted or text[place] == "\ue003"
        try:
            reader.feed(as_text(text[place]))
        except ValueError:
            rest = place
            break
        if names is not None and reader.name is not None and reader.name not in names:
            return None
        arguments += reader.new_arguments() if reader.name is not None else ""
        place += 1
    if rest is None:
        rest = place
        try:
            if place == len(text):
                raise ValueError("never closed")
            return reader.close(), place + 1
        except ValueError:
            pass
    if not arguments:
        return None
    end = rest if quoted else next((p for p in range(rest, len(text)) if text[p] in "\ue002\ue003"), len(text))
    raw = as_text(text[at + 1 : end])
    call = ToolCall(reader.name, raw, raw, arguments + as_text(text[rest:end]))
    return call, end + (text[end : end + 1] == "\ue003" and not quoted)


def read_thought(text: str, tools: list | None, act: bool) -> tuple[list[str | ToolCall], bool, str]:
    """The thought, whether it has ended, and what follows it."""
    required = required_arguments(tools or [])
    pieces, at, after_call, written = [], 0, True, 0
    while at < len(text) and text[at] != "\ue001":
        if act and text[at] == "\ue002" and (after_call or text[at - 1] == "\n"):
            made = call_at(text, at, tools)
            if made and isinstance(made[0].arguments, dict):
                call, end = made
                if required.get(call.name, set()) <= call.arguments.keys():
                    pieces += [text[written:at], call]
                    at = written = end
                    after_call = True
                    continue
        after_call = False
        at += 1
    if at < len(text):
        return [text[:at]], True, text[at + 1 :]
    # Newlines behind a call separate it from what follows.
    rest = [*pieces, text[written:]]
    return (
        [
            part.lstrip("\n") if isinstance(part, str) and place and not isinstance(rest[place - 1], str) else part
            for place, part in enumerate(rest)
        ],
        False,
        "",
    )


def with_calls(text: str, tools: list | None) -> list[str | ToolCall]:
    """Text and calls of an answer."""
    pieces: list[str | ToolCall] = []
    at = written = 0
    while (at := text.find("\ue002", at)) >= 0:
        made = call_at(text, at, tools)
        if made is None:
            at += 1
            continue
        pieces += [text[written:at].rstrip("\n"), made[0]]
        at = written = re.compile("\n*").match(text, made[1]).end()
    return [*pieces, text[written:]]


def joined(deltas: list[Delta | str | ToolCall]) -> list[str | ToolCall]:
    """Neighbouring texts as one, so that only what was said counts and not in how many pieces."""
    result: list[str | ToolCall] = []
    for delta in deltas:
        if isinstance(delta, str) and result and isinstance(result[-1], str):
            result[-1] += delta
        elif delta != "":
            result.append(delta)
    return result


def texts_in(pieces: list[str | ToolCall]) -> str:
    return "".join(each for each in pieces if isinstance(each, str))


TEXTS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "<|im_end|>", "<|im_start|>"]
TEXTS += ["\n", "\n\n", " ", "a", "So 4.", "中", "\U0001f914", GOOD, BAD, "{}", f"<tool_call>{GOOD}</tool_call>"]
TEXTS += ['<tool_call>{"name": "now"}</tool_call>', '<tool_call>{"name": "add"}</tool_call>', '{"name": "ad", ']
TEXTS += [f"<tool_call>{BAD}", '<tool_call>{"name": "add", "arguments": {"a": "</tool_call>']
TEXTS += ["<thi", "nk>", "</", "think>", "</think>{", "<think>\n", "</think>\n\n", "`</think>`", "<", " <think"]
TEXTS += ['{"name": "add", "arguments": {"a": "', '"}}', '{"arguments": {"a": 1}, "name": "add"', "}", '"', "\\"]


@st.composite
def outputs(draw) -> tuple[list[str], list[list[int]]]:
    """Texts, and as often bytes and pieces of characters, as ids from anywhere in the (smaller) vocabulary."""
    texts = draw(st.lists(st.sampled_from(TEXTS), max_size=14))
    noise = st.one_of(st.just([]), st.lists(st.integers(0, 329), max_size=3))
    return texts, draw(st.lists(noise, min_size=len(texts), max_size=len(texts)))


def ids_of(renderer: Renderer, output: tuple[list[str], list[list[int]]]) -> list[int]:
    return [token for text, noise in zip(*output, strict=True) for token in renderer.encode(text) + noise]


MODES = [(None, "strict"), (TOOLS, "strict"), (TOOLS, "act"), (None, "act"), ([], "act")]


@settings(max_examples=800, deadline=None)
@given(
    written=st.booleans(),
    output=outputs(),
    thinking_open=st.booleans(),
    mode=st.sampled_from(MODES),
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
@example(
    written=False,
    output=(
        ['<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>', "\n", "<think>", "</think>"],
        [[]] * 4,
    ),
    thinking_open=True,
    mode=(TOOLS, "act"),
    sizes=[1],
)
def test_nothing_is_lost_and_chunks_do_not_matter(renderer, qwen, written, output, thinking_open, mode, sizes):
    """Where tags of thoughts are tokens, and where they are text."""
    renderer = qwen if written else renderer
    ids = ids_of(renderer, output)
    tools, tool_mode = mode
    parser, at, deltas = OutputParser(renderer, thinking_open, *mode), 0, []
    for turn in range(len(ids) + 1):
        size = sizes[turn % len(sizes)]
        deltas += parser.push(ids[at : at + size])
        at += size
    deltas += parser.push(ids[at:]) + parser.finish()

    reasoning, content, closed = read_whole(ids, renderer, thinking_open, tools, tool_mode == "act")
    said = [(delta.kind, delta.tool_call or delta.text) for delta in deltas]
    answer = [each for kind, each in said if kind in ("content", "tool_call_end")]
    if closed or tool_mode == "strict":
        assert "".join(text for kind, text in said if kind == "reasoning") == texts_in(reasoning)
        assert joined(answer) == joined(content)
    else:
        thought = [each for kind, each in said if kind in ("reasoning", "tool_call_end")]
        assert joined(thought) == joined(reasoning)
    assert parser.thinking == (not closed)
    check_calls(deltas)

    whole = parse_output(ids, renderer, thinking_open, *mode)
    assert whole == parsed_output(deltas, parser)
    assert (whole.reasoning, whole.content) == (texts_in(reasoning), texts_in(content))
    assert list(whole.tool_calls) == [each for each in reasoning + content if isinstance(each, ToolCall)]


def check_calls(deltas: list[Delta]) -> None:
    """One call at a time, numbered in order; its pieces are its arguments, and it ends once."""
    begun, pieces, index = None, "", -1
    for delta in deltas:
        assert delta.text or delta.kind in ("tool_call_start", "tool_call_end")
        if begun is None:
            assert delta.kind in ("reasoning", "content", "tool_call_start")
        else:
            assert delta.kind.startswith("tool_call") and delta.index == index
        if delta.kind == "tool_call_start":
            assert delta.index == index + 1
            begun, pieces, index = delta.name, "", delta.index
        elif delta.kind == "tool_call_arguments":
            pieces += delta.text
        elif delta.kind == "tool_call_end":
            assert (delta.tool_call.name, delta.tool_call.arguments_text) == (begun, pieces)
            begun = None
    assert begun is None


@settings(max_examples=500, deadline=None)
@given(written=st.booleans(), output=outputs(), thinking_open=st.booleans(), mode=st.sampled_from(MODES))
def test_only_newlines_and_the_opening_tag_are_left_out(renderer, qwen, written, output, thinking_open, mode):
    """Put together again, with the tags of thought and calls between them, the parts are the decoded output."""
    renderer = qwen if written else renderer
    ids = [token for token in ids_of(renderer, output) if token not in renderer.stop_ids]
    spoken = renderer.decode(ids)
    by_model = spoken.lstrip().startswith("<think>")
    spoken = spoken.lstrip().removeprefix("<think>") if by_model else spoken
    parser = OutputParser(renderer, thinking_open, *mode)
    again, thinking = "", thinking_open or by_model
    for delta in parser.push(ids) + parser.finish():
        if delta.kind == "content" or (delta.kind == "tool_call_end" and not parser.thinking):
            again += "</think>" if thinking else ""
            thinking = False
        if delta.kind in ("reasoning", "content"):
            again += delta.text
        elif delta.kind == "tool_call_end":
            again += f"<tool_call>{delta.tool_call.raw}</tool_call>"
    again += "</think>" if thinking and not parser.thinking else ""
    # A broken call may have no </tool_call>.
    again, spoken = (re.sub("\n|</tool_call>", "", text) for text in (again, spoken))
    assert again == spoken
