import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.chat.parser import Delta, OutputParser, ParsedOutput, ToolCall, parse_output
from ponder.chat.renderer import Renderer
from ponder.chat.tool_calls import parse_tool_call

GOOD = '\n{"name": "add", "arguments": {"a": 1}}\n'
BAD = '\n{"name": "add", "arguments": {"a": \n'
CALL = ToolCall("add", {"a": 1}, GOOD)


def parsed(renderer: Renderer, text: str, thinking_open: bool = True) -> ParsedOutput:
    return parse_output(renderer.encode(text), renderer, thinking_open)


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


def test_a_malformed_call_becomes_text_and_others_survive(renderer):
    good, bad = f"<tool_call>{GOOD}</tool_call>", f"<tool_call>{BAD}</tool_call>"
    output = parsed(renderer, f"</think>\n\n{good}\n{bad}\n{good}\n{bad}")
    assert (output.content, output.tool_calls) == (bad + bad, (CALL, CALL))
    alone = parsed(renderer, f"Look:\n\n{bad}\n", thinking_open=False)
    assert alone.content == f"Look:\n\n{bad}\n"


def test_a_call_after_an_unclosed_one_survives(renderer):
    output = parsed(renderer, f"<tool_call>{BAD}<tool_call>{GOOD}</tool_call>", thinking_open=False)
    assert (output.content, output.tool_calls) == (f"<tool_call>{BAD}".rstrip("\n"), (CALL,))


def test_tags_inside_arguments_are_text(renderer):
    raw = '{"name": "say", "arguments": {"text": "<tool_call> </think> <think>"}}'
    (call,) = parsed(renderer, f"<tool_call>{raw}</tool_call>", thinking_open=False).tool_calls
    assert call.arguments == {"text": "<tool_call> </think> <think>"}


def test_an_unclosed_call_becomes_text_at_the_end(renderer):
    text = f"So\n<tool_call>{GOOD}"
    parser = OutputParser(renderer, thinking_open=False)
    assert parser.push(renderer.encode(text)) == [Delta("content", "So")]
    assert parser.finish() == [Delta("content", f"\n<tool_call>{GOOD}")]


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
    assert streamed[-1] == Delta("tool_call", tool_call=CALL)
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
BLOCK = re.compile("(\n*)\ue002([^\ue003]*)\ue003(\n*)")


def as_text(text: str) -> str:
    for tag, character in TAGS.items():
        text = text.replace(character, tag)
    return text


def read_whole(ids: list[int], renderer: Renderer, thinking_open: bool) -> tuple[str, list[str | ToolCall], bool]:
    """Reasoning, content with the calls in their places, and whether the thought has ended."""
    kept = [token for token in ids if token not in renderer.stop_ids]
    tag_of = {renderer.encode(tag)[0]: character for tag, character in TAGS.items()}
    text, run = "", []
    for token in [*kept, None]:
        if token is None or token in tag_of:
            text, run = text + renderer.decode(run) + tag_of.get(token, ""), []
        else:
            run.append(token)

    if thinking_open:
        text = re.sub("^\n*(\ue000\n*)?", "", text)
    elif thinking_open := text.startswith("\ue000"):
        text = text[1:].lstrip("\n")
    reasoning, closed = "", True
    if thinking_open:
        reasoning, closed, text = text.partition("\ue001")
        text = text.lstrip("\n")

    content: list[str | ToolCall] = []
    at = 0
    while block := BLOCK.search(text, at):
        whole = block[2]
        last = whole.rpartition("\ue002")
        before = text[at : block.start()]
        if call := parse_tool_call(as_text(whole)):
            content += [before, call]
        elif call := parse_tool_call(as_text(last[2])):
            content += [before + block[1] + "\ue002" + last[0].rstrip("\n"), call]
        else:  # text up to the newlines behind it, which may belong to a call that follows
            content.append(text[at : block.end(2) + 1])
            at = block.end(2) + 1
            continue
        at = block.end()
    content.append(text[at:])
    return as_text(reasoning), [as_text(each) if isinstance(each, str) else each for each in content], bool(closed)


def joined(deltas: list[Delta | str | ToolCall]) -> list[str | ToolCall]:
    """Neighbouring texts as one, so that only what was said counts and not in how many pieces."""
    result: list[str | ToolCall] = []
    for delta in deltas:
        if isinstance(delta, str) and result and isinstance(result[-1], str):
            result[-1] += delta
        elif delta != "":
            result.append(delta)
    return result


TEXTS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "<|im_end|>", "<|im_start|>"]
TEXTS += ["\n", "\n\n", " ", "a", "So 4.", "中", "\U0001f914", GOOD, BAD, "{}", f"<tool_call>{GOOD}</tool_call>"]


@st.composite
def outputs(draw) -> tuple[list[str], list[list[int]]]:
    """Texts, and as often bytes and pieces of characters, as ids from anywhere in the vocabulary."""
    return draw(st.lists(st.sampled_from(TEXTS), max_size=12)), draw(
        st.lists(st.lists(st.integers(0, 511), max_size=3), min_size=12, max_size=12)
    )


def ids_of(renderer: Renderer, output: tuple[list[str], list[list[int]]]) -> list[int]:
    return [token for text, noise in zip(*output, strict=False) for token in renderer.encode(text) + noise]


@settings(max_examples=400, deadline=None)
@given(output=outputs(), thinking_open=st.booleans(), sizes=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_nothing_is_lost_and_chunks_do_not_matter(renderer, output, thinking_open, sizes):
    ids = ids_of(renderer, output)
    parser, at, deltas = OutputParser(renderer, thinking_open), 0, []
    for turn in range(len(ids) + 1):
        size = sizes[turn % len(sizes)]
        deltas += parser.push(ids[at : at + size])
        at += size
    deltas += parser.push(ids[at:]) + parser.finish()

    reasoning, content, closed = read_whole(ids, renderer, thinking_open)
    assert "".join(delta.text for delta in deltas if delta.kind == "reasoning") == reasoning
    assert joined([delta.tool_call or delta.text for delta in deltas if delta.kind != "reasoning"]) == joined(content)
    assert parser.thinking == (not closed)
    assert all(delta.text or delta.tool_call for delta in deltas)

    whole = parse_output(ids, renderer, thinking_open)
    assert whole.reasoning == reasoning
    assert whole.content == "".join(each for each in content if isinstance(each, str))
    assert list(whole.tool_calls) == [each for each in content if isinstance(each, ToolCall)]
    assert whole.reasoning_tokens == parser.reasoning_tokens


@settings(max_examples=300, deadline=None)
@given(output=outputs(), thinking_open=st.booleans())
def test_only_newlines_and_the_opening_tag_are_left_out(renderer, output, thinking_open):
    """Put together again, with the tags of thought and calls between them, the parts are the decoded output."""
    ids = [token for token in ids_of(renderer, output) if token not in renderer.stop_ids]
    opened = thinking_open or ids[:1] == [renderer.markers.think]
    parser = OutputParser(renderer, thinking_open)
    reasoning = answer = ""
    for delta in parser.push(ids) + parser.finish():
        if delta.kind == "reasoning":
            reasoning += delta.text
        else:
            answer += delta.text or f"<tool_call>{delta.tool_call.raw}</tool_call>"
    again = reasoning + ("</think>" if opened and not parser.thinking else "") + answer
    spoken = renderer.decode(ids).replace("\n", "")
    assert again.replace("\n", "") == (spoken.removeprefix("<think>") if opened else spoken)
