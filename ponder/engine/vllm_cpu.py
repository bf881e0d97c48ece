"""How much memory a vLLM without a GPU is given, so that it starts.

Left to itself it wants 0.92 of the machine's memory, which is free on a machine that does nothing else, and ends where it
is not. Told what its keys and values may take (in whole GiB), it asks only for that; but then one answer of the whole
context has to fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ponder.engine.yarn import context_of
from ponder.model.config import load_config
from ponder.model.describe import describe

GIB = 2**30
CACHE_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"
# With these its user says what is taken.
MEMORY_FLAGS = ("--kv-cache-memory-bytes", "--gpu-memory-utilization")
PROCESSES_BYTES = 4 * GIB  # its processes, beside weights, keys and values: 2.8 were seen, and compiling takes more
CACHE_SHARE = 0.5  # of what is left: activations grow with prompts, and others live here too
CONTEXTS = 8  # of the whole length side by side: more is seldom used, and all of it is taken at the start
BLOCK = 128  # tokens, of its cache on a CPU
GPU_DEVICES = ("nvidia0", "nvidiactl", "kfd")


@dataclass(frozen=True)
class CpuMemory:
    """`context`: most tokens of prompt and answer, None where it is the model's own or the user says it; `cache_gib`: for
    keys and values, None where the user says that. `why`: both in words."""

    context: int | None
    cache_gib: int | None
    why: str

    @property
    def arguments(self) -> tuple[str, ...]:
        return () if self.context is None else ("--max-model-len", str(self.context))

    @property
    def environment(self) -> dict[str, str]:
        return {} if self.cache_gib is None else {CACHE_VARIABLE: str(self.cache_gib)}


LEFT_TO_VLLM = CpuMemory(None, None, "")


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether this machine has one that vLLM could run on; its own packages say the rest."""
    return any((devices / name).exists() for name in GPU_DEVICES)


def cpu_memory(
    model: Path,
    free_bytes: int,
    *,
    rope_factor: float = 1.0,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> CpuMemory:
    """
    Args:
        model: a checkpoint
        free_bytes: memory that may be taken
        arguments, environment: what the user says to vLLM, which is kept
    Raises:
        ValueError: the weights leave no room for keys and values.
    """
    config = load_config(model)
    about, whole = describe(config), int(context_of(config) * rope_factor)
    # Where nothing is said vLLM computes in 16 bits on a CPU, whatever the checkpoint's numbers are.
    size = 4 if value_of(arguments, "--dtype") in ("float32", "float") else 2
    weights = about.parameters * size
    per_token = 2 * config.num_layers * config.num_kv_heads * config.head_dim * size
    asked = value_of(arguments, "--max-model-len")
    wanted = int(asked) if asked is not None and asked.isdecimal() else whole
    given = (environment or {}).get(CACHE_VARIABLE, "")
    if given or any(value_of(arguments, flag) is not None for flag in MEMORY_FLAGS):
        return _within(int(given) * GIB // per_token if given.isdecimal() else None, asked, whole)
    left = free_bytes - weights - PROCESSES_BYTES
    if left < GIB:
        need = weights + PROCESSES_BYTES + GIB
        raise ValueError(
            f"{model} does not fit: with vLLM on a CPU its weights take {weights / GIB:.1f} GiB, vLLM's processes about "
            f"{PROCESSES_BYTES / GIB:.0f} and keys and values 1 at least, {need / GIB:.1f} GiB in all; "
            f"{max(free_bytes, 0) / GIB:.1f} GiB are free. Serve a smaller model, or stop what else takes memory"
        )
    most = max(1, int(left * CACHE_SHARE) // GIB)
    cache = min(most, _gib(CONTEXTS * (wanted + BLOCK) * per_token))
    if asked is not None:  # it has to fit, whatever we think of it
        cache = max(cache, _gib((wanted + BLOCK) * per_token))
    free = f"{cache} GiB for keys and values, as {free_bytes / GIB:.1f} GiB of memory are free"
    return _within(cache * GIB // per_token, asked, whole, cache, free)


def value_of(arguments: Sequence[str], flag: str) -> str | None:
    """What is said of an option of vLLM's, as --name=value or as two words; the last one counts."""
    found = None
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.replace("_", "-") == flag:
            found = value if equals else next(iter(arguments[place + 1 : place + 2]), "")
    return found


def _within(tokens: int | None, asked: str | None, whole: int, cache: int | None = None, free: str = "") -> CpuMemory:
    """`tokens`: that the cache holds, None where nobody knows yet."""
    cached = free or "the memory that it was told"
    if asked is not None:
        return CpuMemory(None, cache, f"a context of {asked}, as told; {cached}")
    if tokens is None or tokens >= whole + BLOCK:
        return CpuMemory(None, cache, f"a context of {whole} tokens, all that the model has; {cached}")
    context = max(tokens // BLOCK - 1, 1) * BLOCK
    return CpuMemory(context, cache, f"a context of {context} of the model's {whole} tokens: {cached}")


def _gib(size: int) -> int:
    return -(-size // GIB)
