"""From a checkpoint to a gateway, over the local engine or vLLM."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from ponder.engine.invariance import fast_forms
from ponder.engine.local import LocalEngine
from ponder.engine.model_defaults import sampling_defaults
from ponder.engine.packed import pack
from ponder.engine.thread import ThreadedEngine
from ponder.engine.vllm import VllmEngine
from ponder.engine.vllm_cpu import LEFT_TO_VLLM, cpu_memory, has_gpu
from ponder.engine.vllm_process import start_vllm
from ponder.engine.vllm_profile import VllmProfile, connect_vllm, follows_grammars
from ponder.engine.vllm_supervisor import SupervisedVllm
from ponder.engine.yarn import context_of
from ponder.model.config import ModelConfig, load_config
from ponder.model.directory import tokenizer_directory
from ponder.model.heap import give_back_unused
from ponder.model.weights import load_decoder
from ponder.server.answer.gateway import Gateway
from ponder.server.start.chat_form import ChatForm
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.loading import loading
from ponder.server.start.memory import free_memory, plan_memory

CHUNK_TOKENS = {"cpu": 1024, "cuda": 2048}  # of prompts, between two tokens of whoever is being answered
VLLM_SHARE = 0.9  # of a device's memory, vLLM's default, for all the servers that we start together


def open_gateway(
    checkpoint: Path,
    name: str,
    choice: EngineChoice = EngineChoice(),  # noqa: B008 (frozen)
    other_names: Sequence[str] = (),
    chat: ChatForm = ChatForm(),  # noqa: B008 (frozen)
) -> Gateway:
    """A gateway over the engine that was chosen. With vLLM it may take minutes, and says on standard output how it goes.

    Raises:
        ValueError: the checkpoint is broken, does not fit into memory, or cannot have what was asked for.
        ConnectionError: no vLLM answers where one should run.
        ChildProcessError: the vLLM that was started has failed; with what it said last.
    """
    config = load_config(checkpoint)
    renderer, defaults = chat.renderer(tokenizer_directory(checkpoint)), sampling_defaults(checkpoint)
    factors = choice.factors_for(config)
    if choice.kind == "local":
        engine = _open_local(checkpoint, choice, factors)
    elif choice.urls:
        key = choice.key()
        profiles = [_connect(url, factor, key, config) for url, factor in zip(choice.urls, factors, strict=True)]
        engine = VllmEngine(profiles, config.vocab_size)
    else:
        servers = _start_all(checkpoint, choice, factors)
        engine = VllmEngine([server.profile for server in servers], config.vocab_size, servers)
    return Gateway(engine, renderer, name, defaults, other_names)


def _open_local(checkpoint: Path, choice: EngineChoice, factors: Sequence[float]) -> ThreadedEngine:
    """On the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = plan_memory(checkpoint, free_memory(device), factors, choice.memory, choice.context, device)
    decoder = pack(load_decoder(checkpoint, device=device))
    engine = LocalEngine(
        decoder,
        token_budget=plan.cache_tokens,
        rope_factors=factors,
        context=plan.context,
        keep_prefixes=True,
        chunk_tokens=CHUNK_TOKENS[device],
        forms=None if choice.exact else fast_forms(decoder),
    )
    give_back_unused()
    return ThreadedEngine(engine, plan.sentence)


def _connect(url: str, factor: float, key: str | None, config: ModelConfig) -> VllmProfile:
    try:
        profile = connect_vllm(url, factor, key)
    except RuntimeError as error:
        raise ConnectionError(str(error)) from error
    most = int(context_of(config) * factor)
    if profile.context > most:
        raise ValueError(
            f"{url} takes {profile.context} tokens, but the model has {most} with YaRN factor {factor:g}: name the factor "
            "that this server was started with, as in --yarn 4, and the model that it serves"
        )
    if not follows_grammars(profile):
        print(
            f"{url} does not read Ponder's grammars: structured output and tool calls that must come will fail. Start that "
            'vLLM with --structured-outputs-config \'{"backend": "guidance"}\' and without --reasoning-parser'
        )
    return profile


def _start_all(checkpoint: Path, choice: EngineChoice, factors: Sequence[float]) -> list[SupervisedVllm]:
    """One after the other, since each measures the memory that it may take. All of them, or none."""
    assert choice.python is not None
    console = Console(soft_wrap=True, highlight=False)
    on_cpu = not has_gpu() and not torch.cuda.is_available()
    share = [f"--gpu-memory-utilization={VLLM_SHARE / len(factors):.2f}"] if len(factors) > 1 and not on_cpu else []
    servers: list[SupervisedVllm] = []
    with ExitStack() as started:
        for factor in factors:
            what = "vLLM" if len(factors) == 1 else f"vLLM with YaRN factor {factor:g}"
            memory = LEFT_TO_VLLM
            if on_cpu:
                free, told = free_memory("cpu"), choice.arguments
                memory = cpu_memory(checkpoint, free, rope_factor=factor, arguments=told, environment=os.environ)
                console.print(f"{what} on a CPU: {memory.why}", markup=False)
            with loading(console, what) as progress:
                start = partial(
                    start_vllm,
                    checkpoint,
                    choice.python,
                    rope_factor=factor,
                    arguments=(*share, *memory.arguments, *choice.arguments),
                    environment=memory.environment,
                )
                try:
                    server = SupervisedVllm(start, progress)
                except RuntimeError as error:
                    raise ChildProcessError(f"{what} did not start. {error}") from error
            started.callback(server.close)
            servers.append(server)
        started.pop_all()
    return servers
