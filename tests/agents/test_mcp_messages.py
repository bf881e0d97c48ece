"""What comes from a server, before and after the package mcp: lines of any length, results and schemas of any form."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.mcp_shared import needs_mcp

needs_mcp()

from mcp_types import CallToolResult, JSONRPCError, Tool  # noqa: E402

from ponder.agents.tools.mcp import stdio  # noqa: E402
from ponder.agents.tools.mcp.bounds import MOST_DESCRIPTION, TOO_LONG  # noqa: E402
from ponder.agents.tools.mcp.connection import Connection  # noqa: E402
from ponder.agents.tools.mcp.settings import McpServer  # noqa: E402
from ponder.agents.tools.mcp.tool import McpTool, text_of_result  # noqa: E402


def lines_of(chunks: list[bytes]) -> list[stdio.Line]:
    class Stream:
        def __init__(self):
            self.left = [chunk for chunk in chunks if chunk]

        async def read(self, most: int) -> bytes:
            return self.left.pop(0) if self.left else b""

    async def run():
        return [line async for line in stdio._lines(Stream())]

    return asyncio.run(run())


@given(st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\r", b"\n")), max_size=12))
def test_lines_are_whole_however_they_come(chunks):
    whole = b"".join(chunks)
    assert [line.head for line in lines_of(chunks)] == whole.split(b"\n")[:-1]


@given(st.data(), st.integers(101, 400))
def test_of_a_line_that_is_too_long_its_ends_are_kept(data, length):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stdio, "MOST_BYTES", 100)
        patch.setattr(stdio, "_ENDS", 40)
        text = bytes(1 + number % 9 for number in range(length))
        cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=4)))
        chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, length], strict=True)]
        long, short = lines_of([b"ab\n", *chunks, b"\ncd\n"])[1:]
        assert long == stdio.Line(length, text[:40], text[-40:])
        assert short == stdio.Line(2, b"cd")


@pytest.mark.parametrize(
    "form",
    [
        '{{"jsonrpc":"2.0","id":7,"result":"{}"}}',
        '{{"id": 7, "jsonrpc": "2.0", "result": "{}"}}',
        '{{"result":"{}","jsonrpc":"2.0","id":7}}',
        '{{"jsonrpc":"2.0","result":"{}","id":7}}',
        '{{"result":"{}","id":7,"jsonrpc":"2.0"}}\r',
    ],
)
def test_who_waits_for_an_answer_that_is_too_long_hears_of_it(form, monkeypatch):
    monkeypatch.setattr(stdio, "MOST_BYTES", 5_000)
    (line,) = lines_of([form.format("x" * 6_000).encode(), b"\n"])
    message = stdio._message(line).message
    assert isinstance(message, JSONRPCError) and message.id == 7 and message.error.code == TOO_LONG


def test_what_is_no_message_is_passed_over():
    for text in (b"", b"Listening on stdio", b"{}", b'{"id": "x"}', b"\xff"):
        assert stdio._message(stdio.Line(len(text), text)) is None


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "text", "text": "hello"}, "hello"),
        ({"type": "image", "data": "aaaa", "mimeType": "image/png"}, "[an image (image/png), which this model cannot see]"),
        ({"type": "audio", "data": "aaaa", "mimeType": "audio/wav"}, "[a sound (audio/wav), which this model cannot hear]"),
        ({"type": "resource_link", "name": "log", "uri": "file:///log"}, "[a resource: log, file:///log]"),
        ({"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}}, "inside"),
        ({"type": "resource", "resource": {"uri": "file:///a", "blob": "aaaa"}}, "[a resource that is no text: file:///a (unknown type)]"),
    ],
)  # fmt: skip
def test_every_kind_of_content_has_words(block, text):
    assert text_of_result(CallToolResult.model_validate({"content": [block]})) == text
    assert text_of_result(CallToolResult.model_validate({"content": [block, block]})) == f"{text}\n{text}"


def tool_of(**fields) -> McpTool:
    remote = Tool.model_validate({"name": "t", "inputSchema": {"type": "object"}} | fields)
    return McpTool(Connection("s", McpServer(command="x")), asyncio.new_event_loop(), remote)


def test_a_long_description_is_cut_and_a_missing_one_is_the_name():
    assert tool_of(description="word " * 5000).schema["function"]["description"].endswith("[...]")
    assert len(tool_of(description="x" * 10_000).schema["function"]["description"]) < MOST_DESCRIPTION + 10
    assert tool_of().schema["function"]["description"] == "t"


KEYS = st.sampled_from(
    ["type", "properties", "required", "items", "enum", "anyOf", "$ref", "x", "additionalProperties"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["object", "string"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    properties=st.dictionaries(st.text(max_size=5), VALUES, max_size=3), more=st.dictionaries(KEYS, VALUES, max_size=2)
)
def test_any_schema_is_refused_or_shown(renderer, properties, more):
    try:
        tool = tool_of(inputSchema=more | {"type": "object", "properties": properties})
    except ValueError as error:
        assert "cannot be called" in str(error) or "validation error" in str(error)
    else:
        assert renderer.render([{"role": "user", "content": "?"}], [tool.schema]).ids
        json.dumps(tool.schema).encode()
