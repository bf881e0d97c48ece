"""From a checkpoint to a gateway, over the local engine or vLLM. What fits into memory is worked out before a byte of
weights is read; vLLM works that out itself.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from rich.console import Console

from ponder.chat.renderer import Renderer
from ponder.engine.local import DEFAULT_TOKEN_BUDGET, LocalEngine
from ponder.engine.model_defaults import sampling_defaults
from ponder.engine.thread import ThreadedEngine
from ponder.engine.vllm import VllmEngine
from ponder.engine.vllm_cpu import LEFT_TO_VLLM, cpu_memory, has_gpu
from ponder.engine.vllm_process import VllmServer, start_vllm
from ponder.engine.vllm_profile import VllmProfile, connect_vllm, follows_grammars
from ponder.engine.yarn import DEFAULT_FACTORS, context_of, offered_factors
from ponder.model.config import ModelConfig, load_config
from ponder.model.describe import describe
from ponder.model.directory import tokenizer_directory
from ponder.model.weights import load_decoder
from ponder.server.answer.gateway import Gateway
from ponder.server.start.engine_choice import EngineChoice
from ponder.server.start.loading import loading

GIB = 2**30
# Of the memory that is left beside the weights: the rest is for activations, the answers themselves, and others.
CACHE_SHARE, PREFIX_SHARE = 0.5, 0.2
MOST_PREFIX_TOKENS = 131_072
CHUNK_TOKENS = {"cpu": 1024, "cuda": 2048}  # of prompts, between two tokens of whoever is being answered
VLLM_SHARE = 0.9  # of a device's memory, vLLM's default, for all the servers that we start together
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """What a model takes and what it is given, in tokens of its keys and values."""

    weight_bytes: int
    cache_tokens: int
    prefix_tokens: int


def plan_memory(checkpoint: Path, free_bytes: int, factors: Sequence[float] = DEFAULT_FACTORS) -> Memory:
    """
    Args:
        factors: YaRN's, as far as the model takes them
    Raises:
        ValueError: the model and one answer of its whole context do not fit.
    """
    config = load_config(checkpoint)
    about = describe(config)
    left = free_bytes - about.weight_bytes
    context = context_of(config)
    tokens = int(left * CACHE_SHARE) // about.kv_bytes_per_token
    if tokens < context:
        need = about.weight_bytes + int(context * about.kv_bytes_per_token / CACHE_SHARE)
        raise ValueError(
            f"{checkpoint} does not fit: its weights take {about.weight_bytes / GIB:.1f} GiB, and with room to answer "
            f"it needs {need / GIB:.1f} GiB; {free_bytes / GIB:.1f} GiB are free. Serve a smaller model, or stop what "
            "else takes memory"
        )
    prefix = int(left * PREFIX_SHARE) // about.kv_bytes_per_token
    budget = max(DEFAULT_TOKEN_BUDGET, int(context * offered_factors(config, factors)[-1]))
    return Memory(about.weight_bytes, min(tokens, budget), min(prefix, MOST_PREFIX_TOKENS))


def open_gateway(checkpoint: Path, name: str, choice: EngineChoice = EngineChoice()) -> Gateway:  # noqa: B008 (frozen)
    """A gateway over the engine that was chosen. With vLLM it may take minutes, and says on standard output how it goes.

    Raises:
        ValueError: the checkpoint is broken, does not fit into memory, or cannot have what was asked for.
        ConnectionError: no vLLM answers where one should run.
        ChildProcessError: the vLLM that was started has failed; with what it said last.
    """
    config = load_config(checkpoint)
    renderer, defaults = Renderer.load(tokenizer_directory(checkpoint)), sampling_defaults(checkpoint)
    factors = choice.factors_for(config)
    if choice.kind == "local":
        engine = _open_local(checkpoint, factors)
    elif choice.urls:
        key = choice.key()
        profiles = [_connect(url, factor, key, config) for url, factor in zip(choice.urls, factors, strict=True)]
        engine = VllmEngine(profiles, config.vocab_size)
    else:
        servers = _start_all(checkpoint, choice, factors)
        engine = VllmEngine([server.profile for server in servers], config.vocab_size, servers)
    return Gateway(engine, renderer, name, defaults)


def _open_local(checkpoint: Path, factors: Sequence[float]) -> ThreadedEngine:
    """On the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    memory = plan_memory(checkpoint, free_memory(device), factors)
    engine = LocalEngine(
        load_decoder(checkpoint, device=device),
        token_budget=memory.cache_tokens,
        rope_factors=factors,
        prefix_tokens=memory.prefix_tokens,
        chunk_tokens=CHUNK_TOKENS[device],
    )
    return ThreadedEngine(engine)


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


def _start_all(checkpoint: Path, choice: EngineChoice, factors: Sequence[float]) -> list[VllmServer]:
    """One after the other, since each measures the memory that it may take. All of them, or none."""
    assert choice.python is not None
    console = Console(soft_wrap=True, highlight=False)
    on_cpu = not has_gpu() and not torch.cuda.is_available()
    share = [f"--gpu-memory-utilization={VLLM_SHARE / len(factors):.2f}"] if len(factors) > 1 and not on_cpu else []
    servers: list[VllmServer] = []
    with ExitStack() as started:
        for factor in factors:
            what = "vLLM" if len(factors) == 1 else f"vLLM with YaRN factor {factor:g}"
            memory = LEFT_TO_VLLM
            if on_cpu:
                free, told = free_memory("cpu"), choice.arguments
                memory = cpu_memory(checkpoint, free, rope_factor=factor, arguments=told, environment=os.environ)
                console.print(f"{what} on a CPU: {memory.why}", markup=False)
            with loading(console, what) as progress:
                try:
                    server = start_vllm(
                        checkpoint,
                        choice.python,
                        rope_factor=factor,
                        arguments=(*share, *memory.arguments, *choice.arguments),
                        environment=memory.environment,
                        progress=progress,
                    )
                except RuntimeError as error:
                    raise ChildProcessError(f"{what} did not start. {error}") from error
            started.callback(server.close)
            servers.append(server)
        started.pop_all()
    return servers


def free_memory(device: str) -> int:
    """Bytes that may still be taken: of the GPU, or of the machine and the container that we are in."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    free = psutil.virtual_memory().available
    limit, used = CGROUP / "memory.max", CGROUP / "memory.current"
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text) - int(used.read_text()))
    return free
