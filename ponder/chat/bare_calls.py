"""Calls without marks: an answer that is, as a whole, a JSON object naming a given function, bare, fenced or in tags.

Models that were trained on other forms write so, Qwen2.5-Coder and Llama 3 among them. Whether such an answer is a call
shows at its end only, so it is held back until then; what cannot become one any more is let go at once.
"""

import re
from collections.abc import Mapping
from typing import Any

from ponder.chat.call_blocks import told_call
from ponder.chat.call_forms import Call, MalformedCall, call_of_json
from ponder.chat.call_forms.call import Properties, json_values
from ponder.chat.json_scanner import JsonScanner
from ponder.chat.tool_calls import ToolCall

KEYS = ("name", "arguments", "parameters", "type", "id", "function")
MOST_HEAD = 400  # characters in which the answer must show what it begins with
MOST_TAIL = 100

_OPENING = r"(?:```\w{0,20}\s{0,9}|<[a-z_]{1,15}>\s{0,9})?\[?\s{0,9}"
_HEAD = re.compile(_OPENING + rf'(?=\{{\s{{0,9}}"(?:{"|".join(KEYS)})"\s{{0,9}}:)')
_NAME = re.compile(_OPENING + r'\{\s{0,9}"name"\s{0,9}:\s{0,9}"([^"\\]{0,200})"')
# What can still become a head, or a tail: closing marks, or the beginning of one more call.
_BEGUN = re.compile(rf'`{{0,3}}|<[a-z_]{{0,15}}|{_OPENING}(?:\{{\s{{0,9}}(?:"[a-z]{{0,10}}"?\s{{0,9}})?)?')
_TAIL = re.compile(r"[\s}\],;`]*(?:</?[a-z_]{0,15}>?[\s`]*|j?s?o?n?\s*)")
_MORE = re.compile(r"[\s}\],;`]*(?:json\s*)?(?:</?[a-z_]{1,15}>\s*){0,2}\[?\s*\{")
_FENCE = re.compile(r"```\w{0,20}\s*(.*?)(?:```|\Z)", re.DOTALL)
_FIRST_TAG, _LAST_TAG = re.compile(r"<[a-z_]{1,15}>"), re.compile(r"</[a-z_]{1,15}>\Z")
LONGEST_TAG = len("</>") + 15


class BareCalls:
    """Holds an answer back for as long as it may be nothing but calls. `held`: what it holds, in pieces."""

    def __init__(self, properties: Properties):
        self.held: list[str] = []
        self._properties = properties
        self._head, self._begun, self._named = "", False, False
        self._scanner = JsonScanner()  # of the first object
        self._tail = ""

    def push(self, text: str) -> bool:
        """Whether the answer, with `text`, may still be nothing but calls."""
        self.held.append(text)
        if not self._named and len(self._head) < MOST_HEAD:
            self._head = self._head + text if self._head else text.lstrip()
            if (named := _NAME.match(self._head)) is not None:
                self._named = True
                if named[1] not in self._properties:
                    return False
        if self._begun:
            return self._go_on(text)
        head = _HEAD.match(self._head)
        if head is None:
            return len(self._head) < MOST_HEAD and bool(_BEGUN.fullmatch(self._head))
        self._begun = True
        return self._go_on(self._head[head.end() :])

    def calls(self) -> list[ToolCall]:
        """The calls that the whole answer consists of, or none."""
        text = "".join(self.held)
        try:
            return [told_call(call, text) for call in _whole_calls(text, self._properties)]
        except MalformedCall:
            return []

    def _go_on(self, text: str) -> bool:
        at = 0
        try:
            while at < len(text) and not self._scanner.done:
                at = self._scanner.step(text, at)
        except ValueError:
            return False
        if not self._scanner.done or len(self._tail) > MOST_TAIL:
            return True
        self._tail += text[at:]
        return bool(_TAIL.fullmatch(self._tail) or _MORE.match(self._tail))


def _whole_calls(text: str, properties: Properties) -> list[Call]:
    """Raises MalformedCall for what has the look of calls and is none."""
    sources = [text]
    if "```" in text:
        if _FENCE.sub("", text).strip():
            return []
        sources = [fence[1] for fence in _FENCE.finditer(text)]
    values: list[Any] = []
    for source in sources:
        inside = _without_tags(source.strip())
        found, end = json_values(inside, 0)
        if inside[end:].strip() not in ("", "}"):
            return []
        values += [item for value in found for item in (value if isinstance(value, list) else [value])]
    if not values or not all(_names_a_function(value, properties) for value in values):
        return []
    return [call_of_json(value) for value in values]


def _without_tags(text: str) -> str:
    """What stands between a tag at the beginning and one at the end; one may be missing, or both. Time grows with the text."""
    first, last = _FIRST_TAG.match(text), _LAST_TAG.search(text, max(0, len(text) - LONGEST_TAG))
    return text[first.end() if first else 0 : last.start() if last else len(text)]


def _names_a_function(value: Any, properties: Properties) -> bool:
    if not isinstance(value, Mapping) or not value.keys() <= set(KEYS):
        return False
    function = value.get("function", value)
    if not isinstance(function, Mapping) or function.get("name") not in properties:
        return False
    return "arguments" in function or "parameters" in function or not properties[function["name"]]
