"""The grammars of turns: a form that the answer must have, and the JSON of tool calls.

grammars = Grammars(renderer, vocab_size)
structure = grammars.structure(answer=grammars.compile("json_schema", schema))
structure = grammars.structure(call=grammars.calls(tools), must_call=True)
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ponder.agents.turn.plan import Structure
from ponder.chat.renderer import Renderer
from ponder.chat.thinking import SHORT_END
from ponder.engine.grammar import GrammarCompiler, GrammarKind, GrammarMask, or_tokens

KEPT = 64  # compiled grammars: applications send the same few again and again
NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
ANY_ARGUMENTS = {"type": "object"}
MOST_DEPTH = 100  # of parameters' schemas
MakeMask = Callable[[], GrammarMask]


class Grammars:
    """Compiles grammars for one model, and keeps those it has made; may be used by several threads."""

    def __init__(self, renderer: Renderer, vocab_size: int):
        self._renderer, self._vocab_size = renderer, vocab_size
        self._lock = Lock()
        self._compiler: GrammarCompiler | None = None
        self._kept: OrderedDict[str, MakeMask] = OrderedDict()

    def compile(self, kind: GrammarKind, spec: Any = None) -> MakeMask:
        """See `GrammarCompiler.compile`. Raises ValueError for a specification that is none."""
        name = f"{kind}:{json.dumps(spec)}"
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            if self._compiler is None:
                tokenizer = self._renderer.tokenizer
                self._compiler = GrammarCompiler(tokenizer, self._renderer.stop_ids, self._vocab_size)
        made = self._compiler.compile(kind, spec)
        with self._lock:
            self._kept[name] = made
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def calls(self, tools: Sequence[Mapping[str, Any]], all_strict: bool = True) -> MakeMask:
        """The JSON object of one call of one of `tools`, in OpenAI's form. The arguments follow the parameters of a tool
        that is `strict`, or of each. Raises ValueError for parameters that are no schema."""
        return self.compile("json_schema", _call_schema([tool["function"] for tool in tools], all_strict))

    def structure(
        self, answer: MakeMask | None = None, call: MakeMask | None = None, must_call: bool = False
    ) -> Structure:
        """Of a turn whose answer has a form, whose calls have one, or that must be a call."""
        encode, ends = self._renderer.encode_written, self._renderer.stop_ids
        return Structure(
            answer=None if answer is None or must_call else lambda instead: _OrInstead(answer(), instead, ends),
            call=call,
            must_call=must_call,
            close=tuple(encode(SHORT_END)),
            gap=tuple(encode("\n\n")),
            call_open=tuple(encode("<tool_call>\n")) if call else (),
            call_close=tuple(encode("\n</tool_call>")) if call else (),
        )


class _OrInstead:
    """A mask that lets other tokens come instead of all it stands for: a tool call, or the end of the turn after one.
    When it is complete only the end of the turn may come."""

    finished = False  # engines would let every stop id through, and that of a tool call is one

    def __init__(self, mask: GrammarMask, instead: Collection[int], ends: Iterable[int]):
        self._mask, self._begun = mask, False
        self.lark = or_tokens(mask.lark, instead)
        self._instead, self._ends = torch.tensor(sorted(instead), dtype=torch.int64), torch.tensor(sorted(ends))

    def allowed(self) -> Tensor:
        allowed = self._mask.allowed().clone()
        if self._mask.finished:
            allowed[:] = False
            allowed[self._ends] = True
        elif not self._begun:
            allowed[self._instead] = True
        return allowed

    def advance(self, token: int) -> None:
        self._begun = True
        self._mask.advance(token)


def _call_schema(functions: Sequence[Mapping[str, Any]], all_strict: bool) -> dict[str, Any]:
    """The JSON object of one call. Its name comes first, so that it can be streamed before its arguments."""
    calls = []
    for index, function in enumerate(functions):
        place = f"#/anyOf/{index}/properties/arguments" if len(functions) > 1 else "#/properties/arguments"
        parameters = function.get("parameters")
        arguments = NO_ARGUMENTS if parameters is None else parameters
        arguments = _moved(arguments, place) if all_strict or function.get("strict") else ANY_ARGUMENTS
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": function["name"]}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return calls[0] if len(calls) == 1 else {"anyOf": calls}


def _moved(schema: Any, place: str, depth: int = 0) -> Any:
    """A schema as a part of another one: its references to itself begin at `place`."""
    if depth > MOST_DEPTH:
        raise ValueError("a tool's parameters are nested too deeply")
    if isinstance(schema, list):
        return [_moved(part, place, depth + 1) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: place + value[1:]
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, place, depth + 1)
        for key, value in schema.items()
    }
