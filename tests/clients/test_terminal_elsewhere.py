"""The terminal chat with other people's servers, and with servers that fail."""

import signal
import socket
import threading

import pytest

from ponder.clients.talk.asking import Settings
from ponder.clients.talk.conversation import Answer, User
from ponder.clients.talk.running import Running
from ponder.clients.terminal.start import api_address
from ponder.clients.terminal.telling import Telling
from tests.clients.other_api import MODEL, Other
from tests.clients.page_api import Server
from tests.clients.terminal_script import GONE, Script
from tests.integration.micro import ponder


@pytest.fixture
def serve():
    """Starts a server; the address of its API."""
    servers = []

    def start(other: Other) -> str:
        servers.append(Server(other.app()))
        return f"{servers[-1].url}/v1"

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("dialect", ["bare", "no_done", "nulls"])
def test_servers_without_thoughts_and_usage(serve, dialect):
    script = Script(serve(Other()), MODEL, dialect)
    assert (script.out, script.notes, script.code) == ("It is 3.\n", "", 0)


@pytest.mark.parametrize("dialect", ["reasoning", "inline", "whole"])
def test_thoughts_are_told_apart_in_every_dialect(serve, dialect):
    script = Script(serve(Other()), MODEL, dialect)
    answer = script.chat.conversation.answer(1)
    assert (answer.thinking.strip(), answer.content, script.code) == ("one two", "It is 3.", 0)
    assert script.out.startswith("Thinking...\none two\nThought for less than 0.1 s") and script.out.endswith(
        "\n\nIt is 3.\n"
    )
    assert ("5 tokens" in script.out + script.notes) is (dialect != "inline"), "where there is no usage, none is told"


def test_nothing_is_sent_that_the_user_has_not_asked_for(serve):
    other = Other(strict=True)
    script = Script(serve(other), MODEL, "bare", "/think off", "bare", "/think auto", "bare")
    assert [set(body) for body in other.asked[:2]] == [{"model", "messages", "stream", "stream_options"}] * 2
    assert "Unknown parameter: 'chat_template_kwargs'" in script.notes
    assert script.out == "It is 3.\n" * 2 and script.code == 1, "the refused question has made room for the next"
    assert [message["content"] for message in other.asked[-1]["messages"]] == ["bare", "It is 3.", "bare"]


def test_thinking_is_switched_in_the_words_of_all_servers(serve):
    other = Other()
    Script(serve(other), MODEL, "/budget 7", "bare", "/think off", "bare", settings=Settings(temperature=0.5))
    on, off = other.asked
    assert on["enable_thinking"] is on["chat_template_kwargs"]["enable_thinking"] is True
    assert on["thinking_budget"] == on["thinking_token_budget"] == 7 and on["temperature"] == 0.5
    assert off["enable_thinking"] is off["chat_template_kwargs"]["enable_thinking"] is False
    assert "thinking_budget" not in off


@pytest.mark.parametrize(
    "name, why",
    [
        ("too long", "Error: maximum context length is 8 tokens"),
        ("detail", "Error: not so"),
        ("broken", "/v1/chat/completions answers 502 Bad Gateway"),
        ("breaks", "Error: the server's answer broke off"),
        ("error", "Error: out of memory"),
        ("filter", "[the server's content filter has ended the answer]"),
    ],
)
def test_failures_are_one_sentence_and_the_question_is_kept(serve, name, why):
    script = Script(serve(Other()), MODEL, name)
    assert why in script.notes and script.notes.count("\n") == 1
    assert script.chat.conversation.turn(0) == User(name)
    assert script.code == (name != "filter")


def test_a_failed_question_can_be_asked_again(serve):
    other = Other(api_key="right")
    url = serve(other)
    script = Script(url, MODEL, "bare", "/retry", api_key="wrong")
    assert script.notes == "Error: the server refuses the API key: Incorrect API key\n" * 2
    assert other.asked[0]["messages"] == other.asked[1]["messages"]
    assert Script(url, MODEL, "bare", api_key="right").code == 0


def test_what_was_said_before_it_broke_off_is_kept(serve):
    script = Script(serve(Other()), MODEL, "breaks")
    assert script.out == "It is 3.\n" and script.chat.conversation.answer(1).content == "It is 3."


def test_an_answer_is_not_lost_where_a_server_cannot_go_on_with_it(serve):
    script = Script(serve(Other()), MODEL, "cut", "/continue", "/continue")
    assert script.notes.count("cannot take up an answer again: it has no /tokenize") == 2
    assert script.chat.conversation.answer(1).may_go_on


def test_function_calls_are_told(serve):
    script = Script(serve(Other()), MODEL, "calls", "bare")
    assert 'add({"a": 1})' in script.out and "wants functions called" in script.notes
    assert script.code == 0


def test_nothing_of_a_hostile_server_commands_the_terminal(serve):
    script = Script(serve(Other()), MODEL, "hostile")
    shown = script.out + script.notes
    assert not set(shown) & {*map(chr, range(32)), "\x7f", "\x9b", "\u202e", "\ud800"} - {"\n"}
    for text in ("a␛[2J␛]0;evil␇", "␛]0;evil␇b\\x9b31m␡ \\u202egnp.exe �", "␛[31mf(␛[0m)"):
        assert text in script.out


def test_nobody_is_there():
    assert Script(GONE, "x", "hello").notes == f"Error: no server can be reached at {GONE}\n"


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail ESMTP\r\n\r\n"])
def test_another_kind_of_server_is_there(greeting):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):  # closed with something unread it would be reset, and the greeting lost
                    continue

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert f"what is at {url} does not answer in HTTP" in Script(url, "x", "hello").notes
        thread.join()


def test_a_second_ctrl_c_leaves_where_the_first_does_not_stop_the_answer(serve, monkeypatch):
    show = Telling.show

    def pressing_twice(self: Telling, answer: Answer) -> None:
        show(self, answer)
        if answer.thinking:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Telling, "show", pressing_twice)
    monkeypatch.setattr(Running, "stop", lambda self: None)
    other = Other()
    with pytest.raises(KeyboardInterrupt):
        Script(serve(other), MODEL, "hold")
    assert other.left.wait(30), "it hangs up, too"


# ---- the command ----


def test_the_servers_only_model_is_taken(serve, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    url, key = serve(Other(api_key="right")), tmp_path / "key"
    key.write_text("# of the server\nright name=me\n")
    root = url.removesuffix("/v1")
    done = ponder("chat", "--server", root, "--api-key-file", key, input="bare\n")
    assert (done.stdout, done.stderr, done.returncode) == ("It is 3.\n", "", 0)
    refused = ponder("chat", "--server", root, input="bare\n")
    assert refused.returncode == 1 and "refuses the API key" in refused.stderr and "OPENAI_API_KEY" in refused.stderr
    monkeypatch.setenv("OPENAI_API_KEY", "right")
    assert ponder("chat", "--server", root, input="bare\n").stdout == "It is 3.\n"


def test_of_several_models_one_has_to_be_chosen(serve):
    url = serve(Other(models=("a", "b")))
    done = ponder("chat", "--server", url, input="bare\n")
    assert done.returncode == 2 and "2 models, choose one with --model: a, b" in done.stderr
    assert ponder("chat", "--server", url, "--model", "b", input="bare\n").stdout == "It is 3.\n"
    assert "names no model" in ponder("chat", "--server", serve(Other(models=())), input="").stderr


def test_a_script_tells_of_failures_in_its_exit_code(serve):
    url = serve(Other())
    done = ponder("chat", "--server", url, "--hide-thinking", input='bare\nbroken\n"""\nreasoning\n"""\nbare')
    assert (done.stdout, done.returncode) == ("It is 3.\n" * 3, 1)
    assert "502 Bad Gateway" in done.stderr and "\x1b" not in done.stderr
    assert ponder("chat", "--server", GONE, input="bare\n").returncode == 1


def test_addresses():
    assert api_address("http://h:1") == api_address("http://h:1/") == api_address("http://h:1/v1/") == "http://h:1/v1"
    assert api_address("https://h/compatible-mode/v1") == "https://h/compatible-mode/v1"
    for wrong in ("h:1", "http://", "http://h:x/v1", "ftp://h"):
        with pytest.raises(ValueError, match="write http"):
            api_address(wrong)
