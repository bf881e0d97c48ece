"""`ponder chat` at a real terminal: what is typed, what is seen, Ctrl+C."""

import asyncio
import re

import pytest

from tests.clients.other_api import Other
from tests.clients.page_api import Server
from tests.sandbox.waiting import wait_until
from tests.shared.born import NAME
from tests.shared.terminal_in_pty import CTRL_C, Typist

CTRL_D, CTRL_U, UP = "\x04", "\x15", "\x1b[A"


class Held:
    """A model that thinks on and on until somebody hangs up; then it does what it is asked."""

    def __init__(self, says):
        self.server = says(self._reply)
        self.begun = False
        self.server.gateway.engine.pause = self._pause

    def _reply(self, prompt: str) -> str:
        return "It is 3." if prompt.endswith("</think>\n\n") else "so and so\n</think>\n\nIt is 4."

    async def _pause(self) -> None:
        if len(self.server.gateway.engine.requests) == 1:
            self.begun, begun = True, self.begun
            if begun:
                await asyncio.Event().wait()


@pytest.fixture
def other():
    other = Other()
    server = Server(other.app())
    other.url = f"{server.url}/v1"
    yield other
    server.close()


def test_ctrl_c_stops_the_thought_frees_the_engine_and_now_concludes_it(says):
    held = Held(says)
    typist = Typist("chat", "--server", f"{held.server.url}/v1")
    typist.until(rf"This is {NAME} at .*\n> ")
    typist.type("1 + 2\r")
    typist.until(r"Thinking\.\.\.")
    wait_until(lambda: held.begun)
    told = typist.interrupt(r"\n> ")
    assert "Thought for" in told and "stopped while thinking: /now" in told
    wait_until(lambda: not held.server.gateway.engine.running)
    assert "It is 3." in typist.say("/now")
    assert "It is 4." in typist.say("/retry")
    assert typist.leave() == 0


def test_folding_and_colours(other):
    typist = Typist("chat", "--server", other.url, "--hide-thinking")
    typist.until(r"\n> ")
    told = typist.say("reasoning")
    assert "one two" not in told and re.search(
        r"\x1b\[2mThought for (less than )?\d\.\d s, 5 tokens\.\x1b\[0m\r\n", told
    )
    assert "thoughts are shown" in typist.say("/fold off")
    told = typist.say("reasoning")
    assert re.search(r"\x1b\[2mone two\x1b\[0m\r\n\x1b\[2mThought for", told) and "It is 3.\r\n" in told
    assert typist.leave(CTRL_D) == 0


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(other, environment):
    typist = Typist("chat", "--server", other.url, **environment)
    typist.until(r"\n> ")
    told = typist.say("reasoning")
    assert "one two\r\nThought for" in told and not re.search(r"\x1b\[\d*m", typist.seen)
    assert typist.leave() == 0


def test_escape_sequences_of_the_model_do_not_reach_the_terminal(other):
    typist = Typist("chat", "--server", other.url)
    typist.until(r"\n> ")
    told = typist.say("hostile")
    assert "␛]0;evil␇" in told and "\x1b]" not in told and "\x07" not in told and "\x1b[2J" not in told
    typist.leave()


def test_the_last_message_is_edited_in_place_and_history_is_remembered(other):
    typist = Typist("chat", "--server", other.url)
    typist.until(r"\n> ")
    assert "Bad Gateway" in typist.say("broken")
    typist.type("/edit\r")
    typist.until("edit> broken")
    typist.type(f"{CTRL_U}bare\r")
    assert "It is 3." in typist.until(r"\n> ")
    typist.type("/edit\r")
    typist.until("edit> bare")
    assert "(not changed)" in typist.interrupt(r"\n> ")
    typist.type(f"{UP}{UP}\r")
    assert "It is 3." in typist.until(r"\n> "), "the last line but one is the edited message"
    assert typist.leave() == 0


def test_ctrl_c_at_the_prompt_drops_the_line_and_then_leaves(other):
    typist = Typist("chat", "--server", other.url)
    typist.until(r"\n> ")
    typist.type("not sent")
    typist.until("not sent")
    typist.interrupt(r"once more, or Ctrl\+D, to leave\)\r\n> ")
    assert "It is 3." in typist.say("bare")
    typist.interrupt(r"to leave\)\r\n> ")
    assert typist.leave(CTRL_C) == 0


def test_ctrl_c_hangs_up_on_any_server_and_keeps_what_was_said(other):
    typist = Typist("chat", "--server", other.url)
    typist.until(r"\n> ")
    typist.type("hold\r")
    typist.until("I think")
    assert "stopped while thinking" in typist.interrupt(r"\n> ")
    assert other.left.wait(30)
    assert "cannot take up an answer again" in typist.say("/continue")
    assert typist.leave() == 0


def test_blocks_of_lines(other):
    typist = Typist("chat", "--server", other.url)
    typist.until(r"\n> ")
    typist.type('"""\r')
    typist.until(r"\. ")
    typist.type("bare\r")
    typist.until(r"\. ")
    assert "It is 3." in typist.say('"""')
    assert typist.leave() == 0


def test_a_checkpoint_of_this_machine(checkpoint):
    typist = Typist("chat", checkpoint, "--max-tokens", 30, "--seed", 1)
    typist.until(rf"This is {checkpoint}\.")
    typist.until(r"\n> ")
    assert re.search(r"Thought for (less than )?\d\.\d s, \d+ tokens", typist.say("1 + 2"))
    assert typist.leave() == 0
