"""`ponder agent`: what it shows, what it says at its end, what it refuses."""

import json
import subprocess
import sys

import pytest

from ponder.agents.calling import CallLimits
from ponder.agents.episode import EpisodeLimits
from ponder.clients import agent
from ponder.clients.agent import AgentOptions, run_agent
from ponder.server.answer.gateway import Gateway
from tests.agents.mcp_shared import bare_server
from tests.agents.test_episode import called, turns
from tests.shared.fixtures import checkpoint, renderer  # noqa: F401 (fixtures)
from tests.shared.scripted import Scripted

TOOLS = '''
def shout(text: str) -> str:
    """shouts

    Args:
        text: what
    """
    return text.upper() + "!\\x1b[31m"

def mute(text): ...
'''


@pytest.fixture
def says(checkpoint, renderer, monkeypatch):  # noqa: F811
    """`run_agent` with a model that says these, a turn each."""

    def run(*said: str, **options) -> int:
        gateway = Gateway(Scripted(renderer, turns(*said), context=16_384), renderer, "it")
        monkeypatch.setattr(agent, "open_gateway", lambda *given: gateway)
        return run_agent(checkpoint, "1 + 2", AgentOptions(**options))

    return run


def test_thoughts_calls_and_results_are_shown(says, capsys):
    code = "sum(range(4))"
    calls = called("calculator", expression="2 ** 10") + "\n" + called("python", code=code)
    assert says(f"Sure.\n{calls}", "It is 6.") == 0
    shown = capsys.readouterr()
    assert shown.out.count("one two") == 2 and "Sure." in shown.out and shown.out.rstrip().endswith("It is 6.")
    notes = shown.err.splitlines()
    assert notes[0] == '-> calculator {"expression": "2 ** 10"}' and f"-> python {json.dumps({'code': code})}" in notes
    assert any(line.startswith("<- 1024  (") for line in notes) and any(line.startswith("<- 6  (") for line in notes)
    assert notes[-1].startswith("2 turns, 2 calls, ")


def test_functions_of_ones_own_and_no_control_sequence_of_theirs(says, capsys, tmp_path):
    (tmp_path / "mine.py").write_text(TOOLS)
    assert says(called("shout", text="hey"), "Done.", tools=(f"{tmp_path}/mine.py:shout",)) == 0
    shown = capsys.readouterr()
    assert "<- HEY!\u241b[31m" in shown.err and "\x1b[31mHEY" not in shown.err


def test_json_for_scripts_and_an_end_without_an_answer(says, capsys):
    limits = EpisodeLimits(turns=2, call=CallLimits(seconds=5.0))
    assert says(called("calculator", expression="1 / 0"), as_json=True, limits=limits) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["end"] == "turns" and told["turns"] == 2 and told["content"].strip() == ""
    (call,) = told["calls"]
    assert call["result"] == "Error: division by zero" and call["is_error"] is True
    assert says(called("calculator", expression="1 / 0"), limits=limits) == 1
    assert (
        "No answer: The model made calls in the last turn that it may have. 2 turns, 1 calls" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (
            "abacus",
            "there is no tool 'abacus'; there are calculator, python, search:FOLDER, and your own functions as FILE.py:FUNCTION",
        ),
        ("{}/none.py:f", "none.py: there is no such file"),
        ("{}/mine.py:f", "mine.py has no function or class f"),
        ("{}/mine.py:mute", "tool mute: argument text has no type"),
        ("{}/broken.py:f", "broken.py cannot be imported: SyntaxError"),
        ("python,python", "two tools have the name python"),
        ("search:{}/none", "search: .*none: there is no such folder"),
    ],
)
def test_tools_that_there_are_not(checkpoint, tmp_path, tools, message):  # noqa: F811
    (tmp_path / "mine.py").write_text(TOOLS)
    (tmp_path / "broken.py").write_text("def f(:")
    with pytest.raises(ValueError, match=message):
        run_agent(checkpoint, "1 + 2", AgentOptions(tools=tuple(tools.format(tmp_path).split(","))))


def servers_file(path, **server) -> str:
    path.write_text(json.dumps({"mcpServers": {"s": server}}))
    return path


def test_tools_of_mcp_servers_and_search_are_named_at_the_start_and_called(says, capsys, tmp_path):
    pytest.importorskip("mcp", reason="needs the package mcp: the extra `tools`")
    pytest.importorskip("bm25s", reason="needs the package bm25s: the extra `tools`")
    server = bare_server({"name": "read"}, {"name": "write"}, results={"read": {"content": [{"type": "text", "text": "\x1b[31mred"}]}})  # fmt: skip
    file = servers_file(tmp_path / "servers.json", command=server.command, args=server.args, includeTools=["read"])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("Badgers sleep in winter.")
    calls = called("s__read") + "\n" + called("search", query="badgers")
    assert says(calls, "Done.", tools=(f"search:{tmp_path}/notes",), mcp=file) == 0
    notes = capsys.readouterr().err.splitlines()
    assert notes[0] == f"search: {tmp_path}/notes: 1 text files in 1 passages"
    assert notes[1] == "MCP server s: 1 of 2 tools (read)"
    assert any(line.startswith("<- \u241b[31mred  (") for line in notes)
    assert "<- a.txt:1" in notes and any(line.startswith("Badgers sleep in winter.  (") for line in notes)


def test_a_file_of_mcp_servers_that_is_none_is_refused_before_anything_is_loaded(checkpoint, tmp_path):  # noqa: F811
    file = servers_file(tmp_path / "servers.json", comand="x")
    with pytest.raises(ValueError, match=r"mcpServers\.s\.comand: there is no such field; did you mean `command`"):
        run_agent(tmp_path / "no-model", "1 + 2", AgentOptions(mcp=file))


def test_the_command_itself(checkpoint):  # noqa: F811
    """A random model says something until its tokens are spent."""
    command = [
        sys.executable,
        "-m",
        "ponder.cli.main",
        "agent",
        str(checkpoint),
        "1 + 2",
        "--max-tokens",
        "20",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--seed", "1", "--exact"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["end"] == "length" and told["tokens"] <= 20 and told["calls"] == []
    done = subprocess.run([*command, "--tools", "abacus"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stderr.startswith("ponder: there is no tool 'abacus'")
