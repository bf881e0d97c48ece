"""What is typed and what is written, without a server."""

import io
from dataclasses import replace

import pytest

from ponder.clients.talk.conversation import Answer, ToolCall, Usage
from ponder.clients.terminal.commands import COMMANDS, Command, help_text, parse_command
from ponder.clients.terminal.reading import Entry, Reader
from ponder.clients.terminal.screen import Screen, visible
from ponder.clients.terminal.telling import Telling, notices


def read(text: str) -> list[Entry]:
    reader = Reader(io.StringIO(text), prompts=False)
    return list(iter(reader.next, None))


def test_messages_of_more_than_one_line():
    assert read("one\\\ntwo\n") == [Entry("one\ntwo")]
    assert read('"""\n one\n\n/two\n"""\nthree') == [Entry(" one\n\n/two"), Entry("three")]
    assert read('"""one\ntwo"""\n"""three"""\n') == [Entry("one\ntwo"), Entry("three")]
    assert read('"""\none\n') == [Entry("one")], "the input has ended before the block"
    assert read("one\\") == [Entry("one")]
    assert read("a\r\n\n") == [Entry("a"), Entry("")]


def test_commands_begin_with_a_slash():
    assert read("/help\n /help\n/think\\\non\n") == [Entry("/help", True), Entry(" /help"), Entry("/think\non")]
    assert parse_command("/budget  12 ") == Command("/budget", "12")
    assert parse_command("/save  my file.json") == Command("/save", "my file.json")


@pytest.mark.parametrize(
    "line, why", [("/bugdet 3", "did you mean /budget"), ("/xyzzy", "/help lists"), ("/retry now", "stands alone")]
)
def test_other_commands_are_refused(line, why):
    with pytest.raises(ValueError, match=why):
        parse_command(line)


def test_help_has_every_command():
    assert all(name in help_text() for name in COMMANDS)


def test_text_that_a_terminal_would_obey_is_made_visible():
    assert visible("\x1b]0;evil\x07 a\tb\nc\r\nd\x00\x7f\x85\x9b") == "␛]0;evil␇ a\tb\nc\nd␀␡\\x85\\x9b"
    assert visible("\u202ea\u2066 \udc80 ü 思 👍🏽 \u200d") == "\\u202ea\\u2066 � ü 思 👍🏽 \u200d"


def test_a_pipe_gets_text_alone():
    out, notes = io.StringIO(), io.StringIO()
    screen = Screen(out, notes)
    screen.live("Waiting...")
    screen.text("a", dim=True)
    screen.notice("n")
    screen.error("e\x1b")
    screen.text("b")
    screen.end_line()
    assert (out.getvalue(), notes.getvalue()) == ("a\nb\n", "n\ne␛\n")


def test_tokens_of_a_thought_are_told_when_the_server_tells_them():
    out, notes = io.StringIO(), io.StringIO()
    telling = Telling(Screen(out, notes), False, Answer())
    said = Answer(phase="answering", thinking="a", content="b", thinking_s=12.3)
    for answer in (Answer(phase="thinking", thinking="a"), said, replace(said, phase="done", usage=Usage(1, 3, 2))):
        telling.show(answer)
    assert out.getvalue() == "Thinking...\na\nThought for 12 s.\n\nb\n"
    assert notes.getvalue() == "[2 tokens of thought]\n"


@pytest.mark.parametrize(
    "fields, budget, notice",
    [
        ({"thinking_end": "budget", "content": "x"}, 1200, "its budget of 1,200 tokens was spent"),
        ({"thinking_end": "budget", "content": "x"}, None, "the answer needs the tokens that are left"),
        ({"thinking_end": "loop", "content": "x"}, None, "the thought repeated itself"),
        ({"stop_reason": "repetition_detected", "content": "x"}, None, "the answer repeated itself"),
        ({"finish_reason": "length", "content": "x"}, None, "/continue goes on"),
        ({"finish_reason": "length", "thinking": "x"}, None, "while thinking: /now"),
        ({"stopped": "answering", "content": "x"}, None, "stopped: /continue"),
        ({"stopped": "thinking"}, None, "stopped"),
        ({"calls": (ToolCall("a", "f"),)}, None, "functions called"),
        ({"thinking": "x"}, None, "said nothing after its thought"),
        ({"finish_reason": "content_filter"}, None, "content filter"),
    ],
)
def test_notices(fields, budget, notice):
    assert len(told := notices(Answer(phase="done", **fields), budget)) == 1 and notice in told[0]


def test_a_good_answer_needs_no_words():
    assert notices(Answer(phase="done", finish_reason="stop", thinking_end="model", content="x"), 7) == []
    assert notices(Answer(phase="done", error="no luck"), None) == []
