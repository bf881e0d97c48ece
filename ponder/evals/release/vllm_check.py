"""Whether vLLM loads what goes out: really started, where there is one; else what can be known, and that it was not tried."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from ponder.engine.vllm_cpu import cpu_memory, has_gpu
from ponder.engine.vllm_process import start_vllm
from ponder.engine.vllm_profile import VllmProfile
from ponder.evals.release.checks import Check, one_line
from ponder.evals.release.loading import GREEDY_TOKENS, Computed
from ponder.model.config import load_config

# Of those that Ponder loads, the ones that the registry of vLLM 0.32.0 lists (vllm/model_executor/models/registry.py).
LISTED = frozenset({"LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"})
LISTED_IN = "0.32.0"
ANSWER_S = 300.0
CONTEXT = 1024  # is enough for a prompt, and takes little memory
# 16-bit arithmetic may take another token where two are as likely; more than that is another model.
TIE = 0.05  # of the largest logit


def check_vllm(released: Path, ours: Computed, python: Path | None, adapter: bool, say: Callable[[str], None]) -> Check:
    """
    Args:
        python: of the environment that vLLM is installed in; None: of this one, where it is here
    """
    if adapter:
        return Check("vLLM", "not checked", "an adapter alone: vLLM loads it beside its base (--enable-lora)")
    if python is None and importlib.util.find_spec("vllm") is None:
        return Check("vLLM", "not checked", f"no vLLM here (--vllm-python PATH names one); {_known(released)}")
    say("starting vLLM, which takes a minute or two")
    arguments = ["--enforce-eager", f"--max-model-len={min(CONTEXT, load_config(released).max_positions)}"]
    memory: dict[str, str] = {}
    try:
        if not has_gpu():
            free = psutil.virtual_memory().available
            memory = cpu_memory(released, free, arguments=arguments, environment=os.environ).environment
        server = start_vllm(released, python or Path(sys.executable), arguments=arguments, environment=memory)
    except (ValueError, RuntimeError) as error:
        return Check("vLLM", "failed", f"it does not start with this model: {one_line(error, 1200)}")
    try:
        return _compared(ours, _asked(server.profile, ours), python or Path(sys.executable))
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        return Check("vLLM", "failed", f"it loads the model and does not answer: {one_line(error)}")
    finally:
        server.close()


def _known(released: Path) -> str:
    name = load_config(released).to_hf()["architectures"][0]
    if name in LISTED:
        return f"{name} is among the architectures that vLLM {LISTED_IN} lists, which says nothing of these files"
    return f"{name} is not among the architectures that vLLM {LISTED_IN} lists"


def _asked(profile: VllmProfile, ours: Computed) -> list[int]:
    body = {
        "model": profile.model,
        "prompt": ours.ids,
        "max_tokens": GREEDY_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "return_token_ids": True,
    }
    answer = httpx.post(
        f"{profile.url}/v1/completions", json=body, headers=profile.headers, timeout=ANSWER_S, trust_env=False
    )
    answer.raise_for_status()
    return [int(token) for token in answer.json()["choices"][0]["token_ids"]]


def _compared(ours: Computed, theirs: list[int], python: Path) -> Check:
    """Its first token must be ours, or as likely by our logits; behind it two texts may part."""
    last = ours.logits[-1]
    if not theirs or not 0 <= theirs[0] < len(last):
        return Check("vLLM", "failed", f"it answers a prompt with {theirs}, which are no tokens of this model")
    margin = (last.max() - last[theirs[0]]).item()
    if margin > TIE * max(1.0, last.abs().max().item()):
        return Check(
            "vLLM",
            "failed",
            f"it goes on with token {theirs[0]} where Ponder's decoder has {ours.greedy[0]}, whose logit is {margin:.2g} higher: "
            "it computes something else",
        )
    same = next((i for i, pair in enumerate(zip(theirs, ours.greedy, strict=False)) if pair[0] != pair[1]), len(theirs))
    seen = f"started with {python}; {same} of its first {len(theirs)} greedy tokens are Ponder's"
    return Check("vLLM", "passed", seen)
