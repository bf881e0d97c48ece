"""Specifications of structured output that cannot work, ask for tokens or are hostile are refused, and say why."""

import pytest

from ponder.engine.grammar import GrammarCompiler
from tests.engine.conftest import GRAMMAR_VOCAB as VOCAB


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("json_schema", [1, 2], "must be an object"),
        ("json_schema", '{"type": "object"}', "must be an object"),
        ("json_schema", {"type": "strin"}, "Invalid type: strin"),
        ("json_schema", {"properties": 3, "type": "object"}, "properties must be an object"),
        ("json_schema", {"not": {"type": "string"}}, 'Unimplemented keys: \\["not"\\]'),
        ("json_schema", {"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable"),
        ("json_schema", {"$ref": "https://example.org/schema"}, "does not fetch"),
        ("json_schema", {"type": "string", "pattern": "("}, "unclosed group"),
        ("json_schema", {"minimum": float("inf")}, "is not JSON"),
        ("json_schema", {"enum": [object()]}, "is not JSON"),
        ("json_schema", False, "must be an object"),
        ("regex", "(?=a)b", "look-around"),
        ("regex", 7, "must be a string"),
        ("regex", "", "not empty"),
        ("choice", [], "one or more strings"),
        ("choice", ["a", 3], "one or more strings"),
        ("grammar", "start: (((", "grammar cannot be used"),
        ("grammar", "start: %json {}", "send the schema as json_schema"),
        ("grammar", "root ::= (", "neither Lark nor GBNF"),
        ("guided_json", {}, "no kind of grammar is named 'guided_json'"),
    ],
)
def test_specifications_that_cannot_work_say_why(compiler, kind, spec, message):
    with pytest.raises(ValueError, match=message):
        compiler.compile(kind, spec)


ANY = "/(?s:.){1,30}/"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("start: <[5]>", "line 1: tokens .* cannot be asked for"),
        ("start: <tool_call>", "line 1: tokens"),
        ("start: <[*]>", "line 1: tokens"),
        ("start: <[^5]>", "line 1: tokens"),
        ('start: "<"\n  | a\na: "a"<think>', "line 3: tokens"),
        ('start: "a"i<[5]>', "line 1: tokens"),
        ("start: /a\\/</<[5]>", "line 1: tokens"),
        ('start: "\\"" <[5]> "\\""', "line 1: tokens"),
        ('start: "a" // "\n  | <[5]> // "', "line 2: tokens"),
        ('start: "a" # /\n  | <[5]> # /', "line 2: tokens"),
        ('start: "a\u2028b" | <[5]>', "line 1: tokens"),
        ('start: %regex {"substring_words": "< > \\""} <[5]>', "line 1: tokens"),
        ("start: a\na: %lark {\nstart: b\nb: %lark {\nstart: <[5]>\n}\n}", "line 5: tokens"),
        ("start: %lark { start: %json {} }", "send the schema as json_schema"),
        ("start: A\nA: ~/a/", "line 2: ~ .* must stand behind &"),
        ("start: A\nA: ~ A\nB: ~2", "line 2: ~"),
        (f"start: A\nA: {ANY} & (~/a/)", "line 2: ~"),
        (f'%llguidance {{"allow_invalid_utf8": true}}\nstart: {ANY}', "line 1: allow_invalid_utf8"),
        (f'%llguidance\n {{"allow\\u005finvalid_utf8": true}}\nstart: {ANY}', "line 1: allow_invalid_utf8"),
        (
            f'start: %lark {{\n%llguidance {{"allow_invalid_utf8": true}}\nstart: {ANY}\n}}',
            "line 2: allow_invalid_utf8",
        ),
        ("%llguidance 7\nstart: /a/", "line 1: %llguidance must be followed by a JSON object"),
        ("%llguidance " + '{"a": ' * 10_000 + "\nstart: /a/", "must be followed by a JSON object"),
        ('start: "a', 'line 1: " begins a string'),
    ],
)
def test_a_clients_grammar_cannot_ask_for_tokens(compiler, spec, message):
    """By name or number, and by way of bytes that are no UTF-8: added tokens never occur in structured output."""
    with pytest.raises(ValueError, match=message):
        compiler.compile("grammar", spec)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ('start: "<[5]>" "<think>" "%json" "~"', "<[5]><think>%json~"),
        ("start: /<\\[5\\]><\\/b>~/", "<[5]></b>~"),
        ('start: "a" // <think> ~/a/\n  | "b" # <[5]> %json\n', "b"),
        ('start: "a"~2 "b" ~ 1..3', "aabb"),
        ("start: A\nA: /(?s:.)*/ & ~/a|b/ & ~ /c/", "d <"),
        ('start: %regex {"substring_words": "a <x> b"}', "<x> b"),
        ('%llguidance {"no_forcing": true}\nstart: "\\"<x>" a\na: %lark {\nstart: "<y>"\n}', '"<x><y>'),
        ('root ::= "<a>" [<>] # <b>', "<a><"),
    ],
)
def test_what_looks_like_tokens_in_quotes_and_comments_is_text(compiler, tokenizer, stops, spec, text):
    mask, added = compiler.compile("grammar", spec)(), set(tokenizer.get_added_tokens_decoder())
    for letter in text:
        assert not set(mask.allowed().nonzero().flatten().tolist()) & added - stops
        (token,) = tokenizer.encode(letter, add_special_tokens=False).ids
        mask.advance(token)
    assert mask.allowed()[min(stops)]


def nested(depth: int) -> dict:
    schema: dict = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("json_schema", nested(900)),
        ("json_schema", nested(100_000)),
        ("json_schema", {"type": "integer", "multipleOf": 999_983}),
        ("json_schema", {"anyOf": [{"type": "integer", "multipleOf": 9_000 + n} for n in range(50)]}),
        ("json_schema", {"type": "object", "properties": {f"key{n}": {"type": "string"} for n in range(10_000)}}),
        ("json_schema", {"type": "object", "properties": {f"k{n}": {"type": "string"} for n in range(1_500)}}),
        ("json_schema", {"$ref": "#"}),
        ("regex", "(" * 5_000 + "a" + ")" * 5_000),
        ("regex", "a" * 70_000),
        ("grammar", 'start: start "a"'),
        ("grammar", "root ::= " + "(" * 20_000),
        ("choice", ["\ud800"]),
    ],
)
def test_hostile_specifications_are_refused(compiler, kind, spec):
    with pytest.raises(ValueError):
        compiler.compile(kind, spec)


def test_a_tokenizer_without_a_stop_id_is_refused(tokenizer):
    with pytest.raises(ValueError, match="stop id"):
        GrammarCompiler(tokenizer, {VOCAB + 1}, VOCAB)
