"""Chat templates: Jinja programs that come with a checkpoint, run in a sandbox as Hugging Face runs them."""

import json
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment


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
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


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
