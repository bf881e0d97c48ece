"""Which engine serves, as `ponder serve` is told; what cannot be is refused before anything starts."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ponder.engine.openai_profile import read_key
from ponder.engine.vllm_profile import VllmProfile
from ponder.engine.yarn import offered_factors
from ponder.model.config import ModelConfig

KEY_VARIABLE = "VLLM_API_KEY"  # vLLM's own name for it
MOST_FACTOR = 64.0
# What Ponder tells a vLLM that it starts; and with a parser of reasoning vLLM would begin grammars where it sees fit.
OURS = ("--model", "--host", "--port", "--uds", "--served-model-name", "--api-key", "--reasoning-parser")


@dataclass(frozen=True)
class EngineChoice:
    """
    Args:
        kind: local or vllm
        factors: YaRN's, that requests may have; None is the engine's default: what the model can, or 1 alone with vLLM
        python: with vLLM, the interpreter of its environment, to start one server for each factor
        urls: with vLLM, servers that run instead, one for each factor, in their order
        key_file: holds the API key of those; without it the environment variable VLLM_API_KEY has it, where there is one
        arguments: more of vLLM's own for servers that are started, a word each, such as "--dtype=float32"
        exact: with local, the same numbers for a sequence in any batch (law 4), which costs speed
        memory: with local, bytes that weights, keys and values may take
        context: with local, most tokens of one sequence
    Raises:
        ValueError: a combination that cannot be, with what to write instead.
    """

    kind: str = "local"
    factors: tuple[float, ...] | None = None
    python: Path | None = None
    urls: tuple[str, ...] = ()
    key_file: Path | None = None
    arguments: tuple[str, ...] = ()
    exact: bool = False
    memory: int | None = None
    context: int | None = None

    def __post_init__(self):
        if self.kind == "local":
            self._refuse_vllm_options()
        elif self.kind == "vllm":
            self._refuse_local_options()
            self._check_vllm()
        else:
            raise ValueError(f"--engine {self.kind}: there are local and vllm")

    def factors_for(self, config: ModelConfig) -> tuple[float, ...]:
        """YaRN's factors for this model, in the order that was asked for.

        Raises:
            ValueError: it can have none of them.
        """
        if config.rope.kind != "default" and self.factors not in (None, (1.0,)):
            raise ValueError(
                f"the model has a RoPE scaling of its own ({config.rope.kind}) and takes no other: leave --yarn out"
            )
        if self.kind == "vllm":
            return self.factors or (1.0,)
        return offered_factors(config) if self.factors is None else offered_factors(config, self.factors)

    def key(self) -> str | None:
        """The API key of the servers that run. Raises ValueError for a file that holds none."""
        if self.key_file is None:
            return os.environ.get(KEY_VARIABLE) or None
        return read_key(self.key_file)

    def _refuse_vllm_options(self) -> None:
        given = {
            "--vllm-python": self.python,
            "--vllm-url": self.urls,
            "--vllm-key-file": self.key_file,
            "--vllm-arg": self.arguments,
        }
        for name, value in given.items():
            if value:
                raise ValueError(f"{name} belongs to vLLM: add --engine vllm, or leave {name} out")

    def _refuse_local_options(self) -> None:
        given = {
            "--exact": (self.exact, "vLLM has no such mode"),
            "--memory": (self.memory, "vLLM takes --vllm-arg=--gpu-memory-utilization=0.8, and on a CPU a variable"),
            "--context": (self.context, "write --vllm-arg=--max-model-len=8192"),
        }
        for name, (value, instead) in given.items():
            if value:
                raise ValueError(f"{name} belongs to the local engine: leave it out ({instead})")

    def _check_vllm(self) -> None:
        if self.python is None and not self.urls:
            raise ValueError(
                "--engine vllm needs --vllm-python PATH, the Python of the environment that vLLM is installed in, or "
                "--vllm-url URL of a vLLM server that runs"
            )
        if self.python is not None and self.urls:
            raise ValueError("--vllm-python starts vLLM and --vllm-url is one that runs: give one of them")
        if self.python is not None:
            self._check_started()
        else:
            self._check_running()

    def _check_started(self) -> None:
        if self.key_file is not None:
            raise ValueError("a vLLM that Ponder starts gets a key that nobody else knows: leave --vllm-key-file out")
        if self.arguments and not self.arguments[0].startswith("--"):
            raise ValueError(f"--vllm-arg {self.arguments[0]}: write an option of vLLM's as --vllm-arg=--name=value")
        for argument in self.arguments:
            name = argument.partition("=")[0].replace("_", "-")
            if name in OURS:
                raise ValueError(f"--vllm-arg {name}: that is Ponder's to say or to do; leave it out")

    def _check_running(self) -> None:
        if self.arguments:
            raise ValueError("--vllm-arg is for a vLLM that Ponder starts; give it to your own where you start that")
        wanted = self.factors or (1.0,)
        if len(self.urls) != len(wanted):
            listed = ",".join(f"{factor:g}" for factor in wanted)
            raise ValueError(
                f"--vllm-url is given {len(self.urls)} times for --yarn {listed}: give one address for each factor, "
                "in the same order"
            )
        if len(set(self.urls)) != len(self.urls):
            raise ValueError("--vllm-url names one server twice: a server has one YaRN factor")
        for url in self.urls:
            if urlsplit(VllmProfile(url).url).path.strip("/"):
                raise ValueError(f"--vllm-url {url}: write the server's address alone, without a path such as /v1")


def parse_factors(text: str) -> tuple[float, ...]:
    """YaRN's factors from "1,4". Raises ValueError."""
    try:
        factors = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--yarn {text!r}: write numbers with commas between them, such as 1,4") from None
    for factor in factors:
        if not (math.isfinite(factor) and 1 <= factor <= MOST_FACTOR):
            raise ValueError(f"--yarn {text!r}: a factor is between 1 and {MOST_FACTOR:g}, not {factor:g}")
    if len(set(factors)) != len(factors):
        raise ValueError(f"--yarn {text!r}: a factor stands there twice")
    return factors
