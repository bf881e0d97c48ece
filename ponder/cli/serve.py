"""ponder serve."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="a checkpoint, a run, or an id of the Hugging Face hub, such as Qwen/Qwen3-8B[@REVISION]",
        ),
    ],
    host: Annotated[str, typer.Option(help="0.0.0.0 is open to other machines")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    name: Annotated[
        list[str] | None,
        typer.Option(help="what clients call the model (repeatable); default the directory's name, or the hub's"),
    ] = None,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="a key on each line, and behind it, where wanted, name=WORD concurrent=N per_minute=N",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="web pages of this origin may ask (repeatable); * is every one")
    ] = None,
    max_concurrent: Annotated[
        int | None, typer.Option(min=1, help="requests at a time of each key, or of each address without keys")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="of each key, or of each address without keys")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="local|vllm", help="local: Ponder's own, in this process; vllm: see docs/vllm.md")
    ] = "local",
    yarn: Annotated[
        str | None,
        typer.Option(
            metavar="FACTORS",
            help="YaRN's factors for long requests, such as 1,4. Default 1,2,4 where the model can; with vLLM 1, and a "
            "vLLM server for each",
        ),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="a seed gives the same answer, bit for bit, whatever else is being answered; slower"
        ),
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="most that weights, keys and values take, such as 6GB. Default: what fits"),
    ] = None,
    context: Annotated[
        int | None, typer.Option(min=1, help="most tokens of a prompt and its answer. Default: what the model has")
    ] = None,
    chat_template: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="a Jinja file, in the place of the model's own chat template"),
    ] = None,
    tool_parser: Annotated[
        str,
        typer.Option(
            metavar="auto|hermes|qwen_coder|llama|mistral|deepseek",
            help="the marks in which the model writes tool calls; auto reads them off the chat template",
        ),
    ] = "auto",
    vllm_python: Annotated[
        Path | None,
        typer.Option(help="the Python of the environment that vLLM is installed in: Ponder starts and ends vLLM"),
    ] = None,
    vllm_url: Annotated[
        list[str] | None,
        typer.Option(help="a vLLM server that runs, such as http://127.0.0.1:8001; one for each factor of --yarn"),
    ] = None,
    vllm_key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="holds the API key of --vllm-url; else the variable VLLM_API_KEY does"
        ),
    ] = None,
    vllm_arg: Annotated[
        list[str] | None,
        typer.Option(help="passed on to the vLLM that Ponder starts, such as --vllm-arg=--dtype=float32 (repeatable)"),
    ] = None,
) -> None:
    """Serve a model over OpenAI's API. Ctrl+C finishes what has been taken on."""
    from ponder.clients.page import mount
    from ponder.server.front.api_keys import Limits
    from ponder.server.start.chat_form import ChatForm
    from ponder.server.start.engine_choice import EngineChoice, parse_factors
    from ponder.server.start.memory import parse_bytes
    from ponder.server.start.serve import ServeSettings
    from ponder.server.start.serve import serve as serve_http

    limits = Limits(max_concurrent, requests_per_minute)
    factors = None if yarn is None else parse_factors(yarn)
    choice = EngineChoice(
        engine,
        factors,
        vllm_python,
        tuple(vllm_url or ()),
        vllm_key_file,
        tuple(vllm_arg or ()),
        exact,
        None if memory is None else parse_bytes(memory),
        context,
    )
    names, origins = tuple(name or ()), tuple(cors_origin or ())
    chat = ChatForm(chat_template, tool_parser)
    settings = ServeSettings(host, port, names, api_key_file, origins, limits, choice, chat)
    serve_http(model, settings, mount)
