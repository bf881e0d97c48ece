"""Chat templates: Jinja programs that come with a checkpoint, run in a sandbox as Hugging Face runs them."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ponder.chat.placeholders import PRIVATE

TEMPLATE_FILE = "chat_template.jinja"
NAMED_TEMPLATES = "additional_chat_templates"
_TO_ESCAPE = re.compile(f"[^\\x00-\\x7f{PRIVATE}]")


def template_sources(files: Mapping[str, bytes], config: Mapping[str, Any], origin: str) -> dict[str, str]:
    """Templates by name; files win over tokenizer_config.json, as in transformers."""
    listed = config.get("chat_template") or []
    if isinstance(listed, str):
        listed = [{"name": "default", "template": listed}]
    sources = {entry["name"]: entry["template"] for entry in listed}
    for name, content in files.items():
        if name == TEMPLATE_FILE:
            sources["default"] = content.decode()
        elif name.startswith(NAMED_TEMPLATES):
            sources[Path(name).stem] = content.decode()
    if "default" not in sources:
        raise ValueError(
            f"{origin} has no chat template; save one as {origin}/{TEMPLATE_FILE}, "
            f"for example {Path(__file__).with_name('qwq.jinja')}"
        )
    return sources


def compile_template(source: str, origin: str) -> Template:
    """The compiled template. Raises ValueError naming `origin` and the line where its syntax is wrong."""
    try:
        return _ENVIRONMENT.from_string(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"the chat template in {origin} is no valid Jinja, line {error.lineno}: {error}") from error


def run_template(template: Template, origin: str, **variables: Any) -> str:
    """The rendered text. Raises ValueError for whatever the template raises: it is a foreign program."""
    try:
        return template.render(**variables)
    except Exception as error:
        raise ValueError(
            f"the chat template in {origin} cannot render these messages: {error or type(error).__name__}; "
            "change the messages to what it asks for, or replace the template"
        ) from error


class _Generation(Extension):
    """`{% generation %}` marks the assistant's tokens for training masks. Ours come from ids: the body is rendered."""

    tags = {"generation"}  # noqa: RUF012 (declared so by Jinja)

    def parse(self, parser: Parser) -> nodes.Node:
        lineno = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=lineno)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes HTML and sorts keys, which would be another prompt than the one of training.
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    # Placeholders must stay the characters that they are, or nobody finds them afterwards.
    return _TO_ESCAPE.sub(lambda found: json.dumps(found[0])[1:-1], text) if ensure_ascii else text


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(layout: str) -> str:
    return datetime.now().strftime(layout)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    return environment


_ENVIRONMENT = _environment()
