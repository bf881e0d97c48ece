"""The file of MCP servers: what it says, and what it may not say."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.agents.tools.mcp import library
from ponder.agents.tools.mcp.servers import McpServers
from ponder.agents.tools.mcp.settings import McpServer, read_servers


def read(tmp_path, tree, **environment):
    path = tmp_path / "servers.json"
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree), encoding="utf-8")
    return read_servers(path, environment)


def test_the_form_that_clients_share(tmp_path):
    tree = {
        "files": {"type": "stdio", "command": "npx", "args": ["-y", "files"], "env": {"KEY": "${TOKEN}", "A": "b"}},
        "web": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}, "includeTools": ["get"]},
    }  # fmt: skip
    found = read(tmp_path, {"mcpServers": tree}, TOKEN="s3cret")
    assert found["files"] == McpServer(
        type="stdio", command="npx", args=("-y", "files"), env={"KEY": "s3cret", "A": "b"}
    )
    assert found["web"].headers == {"Authorization": "Bearer s3cret"} and found["web"].includeTools == ("get",)


def test_a_program_is_given_its_arguments_as_they_are(tmp_path):
    found = read(tmp_path, {"mcpServers": {"s": {"command": "sh", "args": ["-c", "echo ${HOME:-x}"]}}})
    assert found["s"].args == ("-c", "echo ${HOME:-x}")


PROGRAM = {"command": "x"}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("{", "servers.json, line 1: no JSON"),
        ("[]", "names no MCP servers: write {"),
        ("{}", "names no MCP servers"),
        ('{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "'a' stands there twice"),
        ('{"mcpServers": ' + "[" * 100_000, "servers.json: maximum recursion depth|no JSON"),
        ({"mcp_servers": {}}, r"Unknown field 'mcp_servers': did you mean 'mcpServers'\?"),
        ({"mcpServers": {}}, "mcpServers names no server"),
        ({"mcpServers": {"a b": PROGRAM}}, "mcpServers.a b is no name for a server"),
        ({"mcpServers": {"a": []}}, "mcpServers.a must be an object"),
        ({"mcpServers": {"a": {}}}, "mcpServers.a needs a command, which is started here, or a url"),
        ({"mcpServers": {"a": {"command": "x", "url": "http://h/"}}}, "needs a command, .* or a url, one of them"),
        ({"mcpServers": {"a": {"comand": "x"}}}, r"mcpServers.a.comand: there is no such field; did you mean `command`\?"),
        ({"mcpServers": {"a": {"command": 5}}}, "mcpServers.a.command: must be text, got 5"),
        ({"mcpServers": {"a": {"command": ""}}}, "mcpServers.a.command is empty"),
        ({"mcpServers": {"a": {"command": "x", "args": "y"}}}, r"mcpServers.a.args: must be a list, got 'y'"),
        ({"mcpServers": {"a": {"command": "x", "headers": {"A": "b"}}}}, "headers says nothing of a server with a command"),
        ({"mcpServers": {"a": {"url": "http://h/", "cwd": "/"}}}, "cwd says nothing of a server with a url"),
        ({"mcpServers": {"a": {"url": "http://h/", "type": "stdio"}}}, "type is 'stdio', but a server with a url is http or"),
        ({"mcpServers": {"a": {"url": "http://h/", "type": "sse"}}}, "type: must be 'stdio', 'http' or 'streamable-http', got 'sse'"),
        ({"mcpServers": {"a": {"url": "ftp://h/"}}}, "a.url is no address: write https://HOST/PATH, got 'ftp://h/'"),
        ({"mcpServers": {"a": {"url": "http://[h/"}}}, "a.url is no address"),
        ({"mcpServers": {"a": PROGRAM | {"includeTools": []}}}, "includeTools names no tool"),
        ({"mcpServers": {"a": PROGRAM | {"env": {"K": "${TOKEN}"}}}}, "mcpServers.a.env.K: the variable TOKEN is not set"),
        ({"mcpServers": {"a": PROGRAM | {"env": {"K": "${TOKEN:-x}"}}}}, r"env.K: \$\{TOKEN:-x\} names no variable: write"),
        ({"mcpServers": {"a": {"url": "http://h/", "headers": {"A": "b\nc: d"}}}}, "headers.A has characters"),
    ],
)  # fmt: skip
def test_what_such_a_file_cannot_say(tmp_path, tree, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, tree)
    assert "servers.json" in str(error.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_servers(tmp_path / "none.json", {})
    (tmp_path / "latin.json").write_bytes(b'{"\xe9": 1}')
    with pytest.raises(ValueError, match="is not UTF-8"):
        read_servers(tmp_path / "latin.json", {})
    (tmp_path / "long.json").write_bytes(b" " * 2_000_000)
    with pytest.raises(ValueError, match="more than 1,000,000 bytes"):
        read_servers(tmp_path / "long.json", {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["command", "args", "env", "url", "x"]), inner),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(JSON)
def test_any_entry_is_a_server_or_a_sentence(tmp_path_factory, entry):
    try:
        found = read(tmp_path_factory.getbasetemp(), {"mcpServers": {"a": entry}})
    except ValueError as error:
        assert "mcpServers.a" in str(error)
    else:
        assert (found["a"].command is None) != (found["a"].url is None)


def test_a_package_that_is_not_here_or_too_old_is_named_before_anything_starts(monkeypatch):
    def missing(name):
        raise library.PackageNotFoundError

    monkeypatch.setattr(library, "version", missing)
    with pytest.raises(ValueError, match=r"MCP servers need the package mcp: .*install .*tools"):
        McpServers({"a": McpServer(command="x")})
    monkeypatch.setattr(library, "version", lambda name: "1.27.0")
    with pytest.raises(ValueError, match=r"need version 2 of the package mcp, and 1.27.0 is here: .*install"):
        McpServers({"a": McpServer(command="x")})
