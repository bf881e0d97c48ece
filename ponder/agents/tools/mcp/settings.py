"""The file that names MCP servers, in the form that most clients share: {"mcpServers": {NAME: {...}}}."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from ponder.recipe.complaints import complaints
from ponder.recipe.strict import Strict
from ponder.runs.wording import printable
from ponder.tasks.suggest import unknown_name

MOST_CHARACTERS = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")  # before `__` and a tool's name, which have to be one name of a function
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_STDIO, _HTTP = ("stdio",), ("http", "streamable-http")


class McpServer(Strict):
    """One server: a program (`command`) that talks over its standard input and output, or an address (`url`) that talks
    streamable HTTP. `env` and `headers` hold values; ${NAME} in one is the variable NAME of Ponder's own environment. No other
    variable of it reaches the program, apart from HOME, LOGNAME, PATH, SHELL, TERM and USER. `includeTools`: the tools of the
    server that a model may call; without it, all."""

    type: Literal["stdio", "http", "streamable-http"] | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    includeTools: tuple[str, ...] | None = None


def read_servers(path: str | Path, environment: Mapping[str, str]) -> dict[str, McpServer]:
    """The servers of a file, by name, with the variables of `environment` put in.

    Raises:
        ValueError: no such file, no JSON, an unknown field, a server that can be no server, a variable that is not set.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    servers = _servers_of(path, _json_of(path))
    return {name: _server(f"{path}: mcpServers.{name}", entry, environment) for name, entry in servers.items()}


def _json_of(path: Path) -> Any:
    with path.open("rb") as file:
        raw = file.read(MOST_CHARACTERS + 1)
    if len(raw) > MOST_CHARACTERS:
        raise ValueError(f"{path}: more than {MOST_CHARACTERS:,} bytes are no file of MCP servers")
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return found


def _servers_of(path: Path, tree: Any) -> dict[str, Any]:
    form = '{"mcpServers": {"NAME": {"command": "PROGRAM", "args": []}}}'
    if not isinstance(tree, dict) or not tree:
        raise ValueError(f"{path} names no MCP servers: write {form}")
    for key in tree:
        if key != "mcpServers":
            raise ValueError(f"{path}: {unknown_name('field', printable(key), ['mcpServers'])}")
    servers = tree["mcpServers"]
    if not isinstance(servers, dict) or not servers:
        raise ValueError(f"{path}: mcpServers names no server: write {form}")
    for name in servers:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{path}: mcpServers.{printable(name)[:60]} is no name for a server, which stands before its tools' names: take "
                "letters, digits, _ and -, at most 40"
            )
    return servers


def _server(where: str, entry: Any, environment: Mapping[str, str]) -> McpServer:
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be an object with a command or a url")
    try:
        server = McpServer.model_validate(entry)
    except ValidationError as error:
        told = complaints(entry, error.errors(), McpServer)
        raise ValueError("\n".join(f"{where}.{printable(complaint)}" for complaint in told)) from error
    _check_kind(where, server)
    if server.includeTools == ():
        raise ValueError(f"{where}.includeTools names no tool: name some, or leave the server out")
    return server.model_copy(
        update={
            "env": {name: _filled(f"{where}.env.{name}", value, environment) for name, value in server.env.items()},
            "headers": {n: _filled(f"{where}.headers.{n}", value, environment) for n, value in server.headers.items()},
        }
    )


def _check_kind(where: str, server: McpServer) -> None:
    if (server.command is None) == (server.url is None):
        raise ValueError(f"{where} needs a command, which is started here, or a url, one of them")
    kinds, others = (_STDIO, ("headers",)) if server.url is None else (_HTTP, ("args", "env", "cwd"))
    if server.type not in (None, *kinds):
        raise ValueError(f"{where}.type is {server.type!r}, but a server with a {_key(server)} is {' or '.join(kinds)}")
    if stray := [name for name in others if getattr(server, name)]:
        raise ValueError(f"{where}.{stray[0]} says nothing of a server with a {_key(server)}: leave it out")
    if server.url is not None:
        _check_url(where, server.url)
    elif not server.command:
        raise ValueError(f"{where}.command is empty: name a program")


def _key(server: McpServer) -> str:
    return "command" if server.url is None else "url"


def _check_url(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable():
        raise ValueError(f"{where}.url is no address: write https://HOST/PATH, got {printable(url)[:100]!r}")


def _filled(where: str, text: str, environment: Mapping[str, str]) -> str:
    """The text with the variables that it names."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not match[0].endswith("}") or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{where}: {printable(match[0])} names no variable: write ${{NAME}}")
        if name not in environment:
            raise ValueError(f"{where}: the variable {name} is not set")
        return environment[name]

    filled = _VARIABLE.sub(value, text)
    if not filled.isprintable():
        raise ValueError(f"{where} has characters in it that no such value can have")
    return filled
