"""The terminal chat with a real server of ours, and `ponder generate`, on small models."""

import json
import re

import pytest

from ponder.clients.talk.asking import Settings
from ponder.clients.talk.conversation import Answer, User
from tests.clients.terminal_script import Script
from tests.integration.micro import ponder
from tests.shared.born import NAME
from tests.shared.one_turn import THOUGHT, think_then


@pytest.fixture
def thinks(says):
    """The address of a server whose model thinks, and then says 3."""
    return f"{says(think_then('It is 3.')).url}/v1"


def test_a_conversation_of_two_turns(born):
    script = Script(f"{born.url}/v1", NAME, "1 + 2", "and 3?", settings=Settings(max_tokens=40, seed=1))
    turns = [script.chat.conversation.turn(number) for number in script.chat.conversation.path()]
    assert [type(turn) for turn in turns] == [User, Answer, User, Answer]
    assert script.code == 0 and all(turn.usage.completion for turn in turns if isinstance(turn, Answer))
    assert "\x1b" not in script.out + script.notes


def test_thought_and_answer_stand_apart(thinks):
    script = Script(thinks, NAME, "1 + 2")
    assert re.fullmatch(
        rf"Thinking\.\.\.\n{THOUGHT}\nThought for (less than )?\d\.\d s, \d+ tokens\.\n\nIt is 3\.\n", script.out
    ), script.out
    assert script.notes == ""


def test_a_folded_thought_is_one_line_of_notes(thinks):
    script = Script(thinks, NAME, "/fold on", "1 + 2", "/fold off", "1 + 2")
    folded, _, shown = script.out.partition("\n")
    assert folded == "It is 3." and THOUGHT in shown
    assert re.search(r"Thought for (less than )?\d\.\d s, \d+ tokens\.\n", script.notes)


@pytest.mark.parametrize("state, thinks", [("off", False), ("on", True), ("auto", True)])
def test_think_is_the_models_thinking_and_not_what_is_shown(says, state, thinks):
    server = says(lambda prompt: "one\n</think>\n\n3" if prompt.endswith("<think>\n") else "3")
    script = Script(f"{server.url}/v1", NAME, f"/think {state}", "1 + 2")
    assert bool(script.chat.conversation.answer(1).thinking) is thinks
    assert script.out.endswith("3\n") and ("Thinking" in script.out) is thinks


def test_a_budget_ends_the_thought_and_says_so(says):
    server = says(lambda prompt: "It is 3." if "</think>" in prompt else "so and " * 200)
    script = Script(f"{server.url}/v1", NAME, "/budget 20", "1 + 2", "/budget off", "/budget 0", "/budget")
    assert "the thought was ended: its budget of 20 tokens was spent" in script.notes
    assert script.chat.conversation.answer(1).content == "It is 3."
    assert script.notes.count("write /budget N|off") == 2 and script.code == 1


def test_retry_is_a_new_version_with_the_next_seed(born):
    settings = Settings(max_tokens=30, seed=1)
    script = Script(f"{born.url}/v1", NAME, "1 + 2", "/retry", settings=settings)
    first, second = (script.chat.conversation.answer(number) for number in script.chat.conversation.versions(1))
    assert (first.thinking, first.content) != (second.thinking, second.content)
    again = Script(f"{born.url}/v1", NAME, "1 + 2", "/retry", settings=settings)
    assert again.chat.conversation.answer(2).thinking == second.thinking


def test_editing_asks_anew_and_clear_keeps_the_system_prompt(says):
    server = says(lambda prompt: "</think>\n\n3")
    script = Script(
        f"{server.url}/v1", NAME, "/system be brief", "one", "/edit two", "/clear", "three", "/system off", "four"
    )
    prompts = [server.gateway.renderer.decode(request.prompt) for request in server.gateway.engine.requests]
    assert [("be brief" in prompt, "one" in prompt, "two" in prompt) for prompt in prompts[:3]] == [
        (True, True, False),
        (True, False, True),
        (True, False, False),
    ]
    assert "three" in prompts[3] and "be brief" not in prompts[3] and script.code == 0


def test_an_answer_that_was_cut_off_goes_on(says):
    def reply(prompt: str) -> str:
        for said, more in (("It is\nthree", " indeed."), ("It is", "\nthree"), ("</think>\n\n", "It is")):
            if prompt.endswith(said):
                return more
        return "hm\n</think>\n\nIt is\nthree indeed."

    server = says(reply)
    tokens = len(server.gateway.renderer.encode("hm\n</think>\n\nIt is"))
    script = Script(f"{server.url}/v1", NAME, "1 + 2", "/now", "/continue", settings=Settings(max_tokens=tokens))
    assert "cut off at the limit of tokens: /continue goes on" in script.notes
    assert "/now is for an answer" in script.notes
    answer = script.chat.conversation.answer(1)
    assert answer.content == "It is\nthree" and script.out.endswith("It is\n\nthree\n")


def test_a_conversation_that_is_too_long_is_told_and_the_next_message_takes_its_place(born):
    script = Script(f"{born.url}/v1", NAME, "word " * 1200, "1 + 2", settings=Settings(max_tokens=5))
    assert "maximum context length" in script.notes and script.code == 1
    conversation = script.chat.conversation
    assert [turn.text for turn in map(conversation.turn, conversation.path()) if isinstance(turn, User)] == ["1 + 2"]
    assert conversation.answer(conversation.tip).error is None


def test_the_servers_warning_is_told_once(born):
    script = Script(f"{born.url}/v1", NAME, "1", "2", settings=Settings(max_tokens=5, temperature=0))
    assert script.notes.count("greedy decoding") == 1


def test_the_yarn_factor_is_told_once(born):
    # Random weights see 512 tokens; factor 2 holds twice as many.
    long = Settings(max_tokens=20, seed=1, system="word " * 130)
    script = Script(f"{born.url}/v1", NAME, "1", "2", settings=long)
    assert script.notes.count("YaRN factor 2") == 1, script.notes


def test_saved_messages_can_be_sent_again(born, tmp_path):
    path, text = tmp_path / "talk.json", tmp_path / "talk.md"
    lines = ["/system be brief", "1 + 2", f"/save {path}", f"/save {path}", f"/save {text}", "/save", "/save x.txt"]
    script = Script(f"{born.url}/v1", NAME, *lines, settings=Settings(max_tokens=40, seed=4))
    messages = json.loads(path.read_text())
    assert [message["role"] for message in messages][:2] == ["system", "user"]
    again = born.http.post("/v1/chat/completions", json={"model": NAME, "messages": messages, "max_tokens": 5})
    assert again.status_code == 200, again.text
    assert "is not overwritten" in script.notes and "must end with .json" in script.notes
    assert text.read_text().startswith("## System\n\nbe brief\n\n## You\n\n1 + 2\n\n## Model\n\n")


def test_a_checkpoint_is_served_for_the_conversation(checkpoint):
    command = ["chat", checkpoint, "--max-tokens", 20, "--seed", 1, "--hide-thinking"]
    done = ponder(*command, input="1 + 2\n 3 + 4\n/nope\n")
    assert done.returncode == 1 and "there is no command /nope" in done.stderr, done.stderr
    assert done.stdout and "\x1b" not in done.stdout and "> " not in done.stdout
    assert done.stdout == ponder(*command, input="1 + 2\n 3 + 4\n").stdout, "the same seed gives the same answers"


@pytest.mark.parametrize(
    "arguments, why",
    [
        ([], "either MODEL or --server URL"),
        (["here", "--server", "http://127.0.0.1:9"], "not both"),
        (["here", "--model", "x"], "belong to --server"),
        (["here"], "neither a checkpoint"),
        (["--server", "127.0.0.1:9"], "write http://HOST:PORT/v1"),
        (["--server", "http://me:secret@127.0.0.1:9"], "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, why):
    done = ponder("chat", *arguments, input="")
    assert done.returncode == 2 and why in done.stderr and "secret" not in done.stderr


def test_generate_for_scripts(checkpoint):
    arguments = ["generate", checkpoint, "1 + 2", "ü 3 + 4"]
    arguments += ["--samples", "2", "--max-tokens", "20", "--seed", "5", "--json"]
    done = ponder(*arguments)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    asked = [(row["question"], row["sample"]) for row in rows]
    assert asked == [("1 + 2", 0), ("1 + 2", 1), ("ü 3 + 4", 0), ("ü 3 + 4", 1)]
    assert all(0 < row["completion_tokens"] <= 20 for row in rows)
    assert done.stdout == ponder(*arguments).stdout, "the same seed gives the same answers"


def test_generate_refuses_bad_numbers_and_long_questions(checkpoint):
    done = ponder("generate", checkpoint, "x", "--top-p", "0")
    assert done.returncode == 2 and "top_p must be above 0" in done.stderr
    done = ponder("generate", checkpoint, "word " * 600)
    assert done.returncode == 2 and "the model's context is 512" in done.stderr
