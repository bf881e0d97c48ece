"""Structured output (constrained, guided decoding): a JSON schema, regular expression, choice or grammar becomes the
mask of a request's tokens.

The work is llguidance's (a derivative-based lexer under an Earley parser, over the vocabulary as a trie); here are the
tokenizer handed to it, the limits of what a client may ask for, errors in words, and the grammar written down for engines
that are other processes.
"""

import json
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from typing import Any, Literal, get_args

import torch
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from llguidance.gbnf_to_lark import any_to_lark
from tokenizers import Tokenizer
from torch import Tensor

from ponder.chat.plain_tokenizer import without_added_tokens
from ponder.chat.token_bytes import token_bytes
from ponder.engine.lark_check import check_lark

GrammarKind = Literal["json_object", "json_schema", "regex", "choice", "grammar"]

# What a client sends is work for us. These keep the worst case we found under a second, and a step under 50 ms.
MAX_TEXT = 65_536  # characters of a specification, as JSON
MAX_MULTIPLE = 10_000  # sum of all digits of "multipleOf", read as whole numbers: a state for each is built
_LIMITS = LLParserLimits(
    max_grammar_size=100_000,
    max_lexer_states=50_000,
    max_items_in_row=4_000,
    step_max_items=20_000,
    verbose_errors=False,
)
# White space between JSON's tokens is where a small model gets lost for ever, or spends most of its answer. At a gap stands
# nothing, a blank, or a new line with its indent.
_GAPS = {"whitespace_pattern": r" |\n[ \t]{0,20}"}
# For engines elsewhere, whose llguidance may be 1.7, to which a pattern may come again and again: JSON on one line, with a
# blank at most behind commas and colons. That is a part of the same language.
_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}


class GrammarCompiler:
    """Compiles for one tokenizer; making it reads the vocabulary, which takes a second for 150,000 tokens.

    Args:
        tokenizer: byte-level or byte-fallback BPE, as `token_bytes` knows. Added tokens (tags, ends of turns) never
            occur inside structured output, whatever text they spell
        stop_ids: those that may come where the grammar may end; the request's `stop_ids` should be the same
        vocab_size: of the model, which may have more rows than the tokenizer has tokens
    """

    def __init__(self, tokenizer: Tokenizer, stop_ids: Collection[int], vocab_size: int):
        stops = sorted(token for token in stop_ids if token < vocab_size)
        if not stops:
            raise ValueError("structured output needs a stop id: without one the model cannot end its answer")
        self.vocab_size = vocab_size
        vocabulary = _Vocabulary(tokenizer, stops[0], vocab_size)
        self.tokenizer = LLTokenizer(TokenizerWrapper(vocabulary), n_vocab=vocab_size, eos_token=stops)

    def compile(self, kind: GrammarKind, spec: Any = None) -> Callable[[], "GrammarMask"]:
        """A maker of masks, a fresh one for every request. Takes up to a second for the largest specifications:
        call it outside an event loop.

        Args:
            kind: what `spec` is. json_schema: a schema, a dict; json_object: nothing, any object;
                regex: Rust's syntax, matched as a whole; choice: a list of strings; grammar: Lark (without what
                `check_lark` refuses) or GBNF
        Raises:
            ValueError: a specification that is none, is unsatisfiable, uses what is not supported, or is too large.
        """
        grammar = _to_grammar(kind, spec, _GAPS)
        matcher = LLMatcher(self.tokenizer, grammar, log_level=0, limits=_LIMITS)
        lark = _to_lark(_to_grammar(kind, spec, _ONE_LINE))
        probe = GrammarMask(matcher.deep_copy(), self.vocab_size, lark)
        try:
            # Some limits show only a token or two into an answer; better now than in the midst of one.
            for _ in range(3):
                if not probe.finished:
                    probe.advance(int(probe.allowed().int().argmax()))
        except ValueError as error:
            raise ValueError(f"the {kind} cannot be used: {error}") from None
        return lambda: GrammarMask(matcher.deep_copy(), self.vocab_size, lark)


class GrammarMask:
    """A `TokenMask`: the state of one answer in its grammar. `lark`: all of the grammar, in llguidance's Lark; JSON stands on
    one line there."""

    def __init__(self, matcher: LLMatcher, vocab_size: int, lark: str):
        self.matcher, self.vocab_size, self.lark = matcher, vocab_size, lark

    @property
    def finished(self) -> bool:
        return self.matcher.is_stopped() and not self.matcher.is_error()

    def allowed(self) -> Tensor:
        words = torch.frombuffer(bytearray(self.matcher.compute_bitmask()), dtype=torch.uint8)
        self._check()
        bits = words.unsqueeze(1).bitwise_right_shift(torch.arange(8, dtype=torch.uint8)).bitwise_and_(1)
        return bits.flatten()[: self.vocab_size].bool()

    def advance(self, token: int) -> None:
        self.matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self.matcher.is_error():
            raise ValueError(self.matcher.get_error().partition("\n<")[0].strip()[:500])


class _Vocabulary:
    """What llguidance wants to know of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, eos: int, vocab_size: int):
        spelled, added = token_bytes(tokenizer), tokenizer.get_added_tokens_decoder()
        self.tokens = [spelled(token) for token in range(vocab_size)]
        self.special_token_ids = sorted(token for token in added if token < vocab_size)
        self.eos_token_id, self.bos_token_id = eos, None
        self.encode = without_added_tokens(tokenizer).encode

    def __call__(self, text: str) -> list[int]:
        """How the model would write forced text: the mask leads there."""
        return self.encode(text, add_special_tokens=False).ids


def _to_grammar(kind: str, spec: Any, gaps: dict[str, Any]) -> str:
    if kind == "json_object":
        kind, spec = "json_schema", {"type": "object"}
    text = spec if isinstance(spec, str) else _dump(spec)
    if len(text) > MAX_TEXT:
        raise ValueError(f"the {kind} has {len(text)} characters; at most {MAX_TEXT} are taken")
    if kind == "json_schema":
        if not isinstance(spec, dict):
            raise ValueError("a json_schema must be an object, such as {'type': 'object', 'properties': ...}")
        _check_multiples(spec)
        return LLMatcher.grammar_from_json_schema(text, overrides=gaps)
    if kind == "choice":
        if not (isinstance(spec, list) and spec and all(isinstance(option, str) and option for option in spec)):
            raise ValueError("a choice must be a list of one or more strings, none of them empty")
        return LLMatcher.grammar_from_lark("start: " + " | ".join(json.dumps(option) for option in spec))
    if kind not in get_args(GrammarKind):
        raise ValueError(f"no kind of grammar is named {kind!r}; there are: {', '.join(get_args(GrammarKind))}")
    if not isinstance(spec, str) or not spec:
        raise ValueError(f"a {kind} must be a string that is not empty")
    if kind == "regex":
        return LLMatcher.grammar_from_regex(spec)
    try:
        lark = any_to_lark(spec)
    except Exception as error:  # the converter from GBNF raises what it pleases
        raise ValueError(f"the grammar is neither Lark nor GBNF: {error}") from None
    check_lark(lark)
    return LLMatcher.grammar_from_lark(lark)


def or_tokens(lark: str, tokens: Collection[int]) -> str:
    """A grammar that lets one of these token ids come instead of all that `lark` stands for."""
    if not tokens:
        return lark
    return f"start: answer | <[{','.join(map(str, sorted(tokens)))}]>\nanswer: %lark {{\n{lark}\n}}\n"


def _to_lark(grammar: str) -> str:
    """What llguidance's `grammar_from_...` have made, as Lark: it is that, or the JSON of one schema or one grammar."""
    if not grammar.startswith("{"):
        return grammar
    (only,) = json.loads(grammar)["grammars"]
    if only["lark_grammar"] is not None:
        return only["lark_grammar"]
    return "start: %json " + json.dumps(only["json_schema"])


def _dump(spec: Any) -> str:
    try:
        return json.dumps(spec, allow_nan=False)
    except RecursionError:
        raise ValueError("the specification is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"the specification is not JSON: {error}") from None


def _check_multiples(schema: Any) -> None:
    multiples = [Decimal(str(number)) for number in _values_of("multipleOf", schema)]
    if sum(int("".join(map(str, number.as_tuple().digits))) for number in multiples) > MAX_MULTIPLE:
        raise ValueError(
            f"multipleOf is supported for small numbers only (digits read as a number, all up to {MAX_MULTIPLE})"
        )


def _values_of(name: str, schema: Any) -> Iterator[float]:
    """Numbers under `name` anywhere in the schema."""
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            value = node.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield value
            left += node.values()
        elif isinstance(node, list):
            left += node
