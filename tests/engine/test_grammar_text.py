"""Grammars written down, for an engine that is another process: what is read from the words is the same grammar."""

import random

import pytest
from llguidance import LLMatcher, grammar_from

from ponder.engine.grammar import GrammarMask, or_tokens
from ponder.engine.vllm_wire import AS_TEXT
from tests.engine.conftest import GRAMMAR_VOCAB as VOCAB


def some_schema(rng: random.Random, depth: int = 2) -> dict:
    kinds = ["string", "integer", "boolean", "enum", "pattern", "array", "object", "any"]
    kind = rng.choice(kinds if depth else kinds[:5])
    if kind == "enum":
        return {"enum": rng.sample(["a", 'q"\n', "Z\u00fcrich", 1, -2.5, None, {"start:": "}"}], 3)}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice([r"^[a-c]{1,4}$", r'^\d+/"x"$', r"^(}|\{)+$"])}
    if kind == "array":
        return {"type": "array", "items": some_schema(rng, depth - 1), "minItems": rng.randrange(2), "maxItems": 3}
    if kind == "object":
        fields = {name: some_schema(rng, depth - 1) for name in rng.sample(["name", "t\u00e4g", "a b", 'k"'], 2)}
        bound = {"additionalProperties": False} if rng.random() < 0.7 else {}
        return {"type": "object", "properties": fields, "required": [next(iter(fields))]} | bound
    if kind == "any":
        return {"anyOf": [some_schema(rng, depth - 1), some_schema(rng, depth - 1)]}
    return {"type": kind} | ({"maxLength": rng.randrange(1, 9)} if kind == "string" else {})


def some_specification(rng: random.Random) -> tuple[str, object]:
    words = ["yes", "no", "maybe not", 'a "b"\n', "/x/", "Z\u00fcrich", "start: x"]
    number = rng.randrange(1, 5)
    grammars = [
        f'start: word (", " word)~0..{number}\nword: "yes" | /[a-f]{{1,{number}}}/ // a }} here\n',
        f'%llguidance {{}}\nstart: /[0-9]{{{number}}}/ | "{{" start "}}"\n',
        f'root ::= "(" root ")" | [x-z]{{1,{number}}}',
    ]
    return rng.choice(
        [
            ("json_object", None),
            ("json_schema", some_schema(rng)),
            ("json_schema", some_schema(rng) | {"x-guidance": {"item_separator": ","}}),
            ("regex", rng.choice([rf"[ab]{{1,{number}}}/\d+", rf'("x"|\n|\\){{{number}}}', r"(?i)abc.*\.\w+"])),
            ("choice", rng.sample(words, number)),
            ("grammar", rng.choice(grammars)),
        ]
    )


@pytest.mark.parametrize("seed", range(60))
def test_what_is_written_down_is_the_grammar(compiler, theirs, tokenizer, stops, seed):
    """Random walks: at every place the grammar read from its words lets through what the mask does; of JSON what stands on
    one line."""
    rng = random.Random(seed)
    kind, spec = some_specification(rng)
    mask, eos = compiler.compile(kind, spec)(), tokenizer.token_to_id("<|im_end|>")
    text = grammar_from("grammar", mask.lark)
    read = [GrammarMask(LLMatcher(other, text, log_level=0), VOCAB, "") for other in (compiler.tokenizer, theirs)]
    for _ in range(60):
        allowed, same, remote = (set(one.allowed().nonzero().flatten().tolist()) for one in (mask, *read))
        if kind.startswith("json"):
            assert same <= allowed and (stops <= same) == (stops <= allowed)
            allowed = same
        assert allowed == same
        assert remote - {eos} == allowed - stops and (eos in remote) == (stops <= allowed), (kind, spec)
        if mask.finished or not allowed - stops:
            break
        token = rng.choice(sorted(allowed - stops))
        for one in (mask, *read):
            one.advance(token)
    assert mask.finished == read[0].finished


def read_back(compiler, lark: str) -> GrammarMask:
    return GrammarMask(LLMatcher(compiler.tokenizer, grammar_from("grammar", lark), log_level=0), VOCAB, "")


def takes(compiler, mask: GrammarMask, text: str) -> bool:
    """Whether the whole of a text may come."""
    ids = compiler.tokenizer.tokenize_str(text)
    return mask.matcher.deep_copy().validate_tokens(ids) == len(ids)


DENSE, USUAL = '{"a":1,"b":[1,2]}', '{"a": 1, "b": [1, 2]}'
INDENTED = '{\n  "a": 1,\n  "b": [\n    1\n  ]\n}'
LOOSE = ['{"a":  1}', '{\n\n"a": 1}', '{ \n"a": 1}', '{"a": \n1}', '{"a": 1 \n\n}', '{"a":\r\n1}', '{"a":' + " " * 30]


def test_gaps_are_a_blank_or_a_line_with_its_indent(compiler):
    mask = compiler.compile("json_object")()
    assert all(takes(compiler, mask, text) for text in (DENSE, USUAL, INDENTED, '{ "a" : 1 }'))
    assert not any(takes(compiler, mask, text) for text in LOOSE)


def test_elsewhere_gaps_are_a_blank(compiler):
    """Also where a pattern for white space may come again and again, as in llguidance 1.7, which vLLM 0.32 has."""
    read = read_back(compiler, compiler.compile("json_object")().lark)
    assert all(takes(compiler, read, text) for text in (DENSE, USUAL))
    assert not any(takes(compiler, read, text) for text in (*LOOSE, INDENTED, '{ "a" : 1 }'))
    assert '"whitespace_flexible": false' in compiler.compile("json_object")().lark


@pytest.mark.parametrize(
    "spec", ["start: answer | thought\nanswer: /[0-9]{2}/\nthought: answer", 'start: "<think>" /a+/']
)
def test_tokens_that_may_come_instead_are_written_down(compiler, theirs, tokenizer, stops, spec):
    mask = compiler.compile("grammar", spec)()
    assert or_tokens(mask.lark, ()) == mask.lark
    call = tokenizer.token_to_id("<tool_call>")
    text = grammar_from("grammar", or_tokens(mask.lark, stops | {call}))
    for other in (compiler.tokenizer, theirs):
        read = GrammarMask(LLMatcher(other, text, log_level=0), VOCAB, "")
        first = set(read.allowed().nonzero().flatten().tolist())
        assert first == set(mask.allowed().nonzero().flatten().tolist()) | stops | {call}
        begun = GrammarMask(read.matcher.deep_copy(), VOCAB, "")
        token = min(first - stops - {call})
        begun.advance(token)
        fresh = compiler.compile("grammar", spec)()
        fresh.advance(token)
        assert set(begun.allowed().nonzero().flatten().tolist()) - stops == set(
            fresh.allowed().nonzero().flatten().tolist()
        )
        read.advance(call)
        assert read.finished


def test_forced_text_is_text_in_vllm_too(compiler, theirs, tokenizer):
    """Its tokenizer would write the tag as the token that it is."""
    lark = compiler.compile("choice", ["<think>"])().lark
    for written in (lark, or_tokens(lark, [5])):
        read = GrammarMask(LLMatcher(theirs, grammar_from("grammar", written + AS_TEXT), log_level=0), VOCAB, "")
        assert read.allowed()[tokenizer.token_to_id("<")] and not read.allowed()[tokenizer.token_to_id("<think>")]
