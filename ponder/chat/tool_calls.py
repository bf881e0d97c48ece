"""Tool calls in the form that Qwen models write: one JSON object between `<tool_call>` and `</tool_call>`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ponder.chat.json_scanner import JsonScanner

ARGUMENT_KEYS = ("arguments", "parameters")


@dataclass(frozen=True)
class ToolCall:
    """One call that the model asked for.

    `raw` is the text between the markers, unchanged; `arguments_text` the JSON object of the arguments, as the model
    wrote it ("{}" where it wrote none). Of a call that broke after its arguments had begun, `arguments_text` is what
    there is of them, and `arguments` is `raw`: a text, which no reader takes for arguments.
    """

    name: str
    arguments: dict[str, Any] | str
    raw: str
    arguments_text: str


class ToolCallReader:
    """Reads the JSON object of one call while it is being written.

    The keys are `name` and `arguments` (Llama's `parameters` does as well), in any order, each at most once; others are
    passed over. Arguments are an object, a JSON string that holds one, or missing, null or blank for none.

    `lenient`: one `}` too many behind the object is passed over.
    `name`: the function's name, once its closing quote has been read. After an error the reader reads no more; `unread`
    is what it has not read of the text that it was fed then.
    """

    def __init__(self, lenient: bool = False) -> None:
        self.name: str | None = None
        self.unread = ""
        self._read_inside_of_it = 0  # characters of a piece of a string that holds the arguments
        self._spare = lenient
        self._scanner = JsonScanner()
        self._inside: JsonScanner | None = None  # of arguments that are given as a JSON string
        self._raw: list[str] = []
        self._key: list[str] = []
        self._seen: set[str] = set()
        self._value = ""  # what is being read: "name", "arguments", or "" for neither
        self._begun = False  # the value has begun
        self._name: list[str] = []
        self._arguments: list[str] = []
        self._told = 0

    @property
    def in_string(self) -> bool:
        """Inside a string the tags of the model's language are text."""
        return self._scanner.in_string

    def feed(self, text: str) -> None:
        """Raises ValueError, with what is wrong, as soon as this cannot become a call any more."""
        self._raw.append(text)
        at = 0
        while at < len(text):
            start = at
            if self._spare and self._scanner.done and text[at] == "}":
                self._spare, at = False, at + 1
                continue
            try:
                at = self._scanner.step(text, at)
                self._read(text[start:at])
            except ValueError:
                self.unread = text[start + self._read_inside_of_it :]
                raise

    def new_arguments(self) -> str:
        """What has been read of the arguments' JSON object since the last time."""
        new, self._told = self._arguments[self._told :], len(self._arguments)
        return "".join(new)

    @property
    def raw(self) -> str:
        return "".join(self._raw)

    @property
    def arguments_text(self) -> str:
        """What has been read of the arguments' JSON object."""
        return "".join(self._arguments)

    def close(self, cut: bool = False) -> ToolCall:
        """The call, where the markers end. Raises ValueError where it is not whole. `cut`: the object around the arguments
        may be broken, if they are whole themselves."""
        if not self._scanner.done and not (cut and self._arguments):
            raise ValueError("the JSON object is not complete")
        if self.name is None:
            raise ValueError('the call has no "name"')
        if self._inside is not None and self._arguments and not self._inside.done:
            raise ValueError("the arguments are a string that holds no complete JSON object")
        if not self._arguments:
            self._arguments.append("{}")
        return ToolCall(self.name, json_object(self.arguments_text), self.raw, self.arguments_text)

    def _read(self, piece: str) -> None:
        scanner = self._scanner
        if scanner.is_key and scanner.depth == 1:
            self._key.append(scanner.text)
        elif scanner.depth == 1 and self._key and not self._begun and piece == ":":
            self._begin_value()
        elif self._value == "name":
            self._read_name(piece)
        elif self._value == "arguments":
            self._read_arguments(piece)
        if self._begun and scanner.depth <= 1 and not (scanner.in_string or scanner.in_scalar):
            self._value, self._begun, self._key = "", False, []

    def _begin_value(self) -> None:
        key = "".join(self._key)
        self._value = "arguments" if key in ARGUMENT_KEYS else key if key == "name" else ""
        self._key = []
        if self._value in self._seen:
            raise ValueError(f'"{key}" is given twice')
        if self._value:
            self._seen.add(self._value)

    def _read_name(self, piece: str) -> None:
        if piece.isspace() and not self._begun:
            return
        if not self._begun and piece != '"':
            raise ValueError('"name" is no string')
        self._begun = True
        self._name.append(self._scanner.text)
        if not self._scanner.in_string:
            self.name = "".join(self._name)
            if not self.name:
                raise ValueError('"name" is empty')

    def _read_arguments(self, piece: str) -> None:
        if not self._begun:
            if piece.isspace():
                return
            if piece not in ("{", '"', "n"):
                raise ValueError("the arguments are no JSON object")
            self._begun = True
            self._inside = JsonScanner() if piece == '"' else None
        if self._inside is not None:
            self._read_inside(self._inside, self._scanner.text)
        elif self._scanner.depth > 1 or piece == "}":
            self._arguments.append(piece)

    def _read_inside(self, inside: JsonScanner, text: str) -> None:
        at = 0
        while at < len(text):
            start = self._read_inside_of_it = at
            at = inside.step(text, at)
            if inside.depth or text[start] == "}":  # not the white space around the object
                self._arguments.append(text[start:at])
        self._read_inside_of_it = 0


def parse_tool_call(raw: str) -> ToolCall | None:
    """The call in the text between the markers, or None where it is malformed; see `ToolCallReader`."""
    reader = ToolCallReader()
    try:
        reader.feed(raw)
        return reader.close()
    except ValueError:
        return None


def functions_of(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The functions in `tools` (OpenAI's form, or the bare functions), by name.

    Whatever has another form is passed over: saying so is the business of those who read requests.
    """
    functions: dict[str, Mapping[str, Any]] = {}
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            functions[function["name"]] = function
    return functions


def required_arguments(tools: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """The names of the functions in `tools` and what each of them requires."""
    required: dict[str, frozenset[str]] = {}
    for name, function in functions_of(tools).items():
        schema = function.get("parameters")
        listed = schema.get("required") if isinstance(schema, Mapping) else None
        names = listed if isinstance(listed, list | tuple) else ()
        required[name] = frozenset(name for name in names if isinstance(name, str))
    return required


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that `text` holds, keys in their order. The text may come from a model or a client.

    Raises ValueError for anything else, also for what `json.loads` lets pass but no JSON reader or tokenizer behind us
    would: NaN and Infinity (1e999 is one), lone surrogates, nesting deeper than the interpreter's stack.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        # A lone surrogate raises UnicodeEncodeError, which is a ValueError.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return value


def format_tool_call(name: str, arguments: Mapping[str, Any]) -> str:
    """The text that a model writes to call a tool, markers included."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
