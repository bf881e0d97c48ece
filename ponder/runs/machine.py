"""What this machine has, and what Ponder can do with it: the facts behind `ponder doctor`."""

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ponder.extras import how_to_install
from ponder.runs.processor import abilities, processor

# The parts that a core install does without: module, what it brings, the extra it is in.
OPTIONAL = {
    "gradio": ("the chat page", "chat"),
    "datasets": ("tasks from Hugging Face data sets", "data"),
    "wandb": ("runs shown in Weights & Biases", "wandb"),
    "mlflow": ("runs shown in MLflow", "mlflow"),
    "transformers": ("releases, which are tried in it", "release"),
    "mcp": ("tools of MCP servers for agents", "tools"),
    "bm25s": ("search over a folder for agents", "tools"),
}


@dataclass(frozen=True)
class Check:
    name: str
    found: str
    good: bool
    means: str  # what it lets Ponder do, or what to do about it


def examine() -> list[Check]:
    checks = [_python(), _processor(), _cores(), _memory(), _disk(), *_torch()]
    for module, (brings, extra) in OPTIONAL.items():
        here = importlib.util.find_spec(module) is not None
        means = brings if here else f"{brings}: {how_to_install(extra)}"
        checks.append(Check(module, _version(module) if here else "not installed", here, means))
    return checks


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check("python", platform.python_version(), good, "fine" if good else "Ponder needs Python 3.11 or newer")


def _processor() -> Check:
    able = abilities()
    means = "float32 and bfloat16 at the speed of matrix units" if "amx_bf16" in able else "samples and learns"
    if "avx512_bf16" not in able:
        means = "bfloat16 saves memory here, and no time"
    return Check("processor", processor(), True, means)


def _cores() -> Check:
    cores = available_cores()
    return Check(
        "cores", str(cores), True, f"{cores} processes sample and learn side by side" if cores > 1 else "one process"
    )


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / 2**30
    good = free >= 2
    can = "trains the tiny recipe (under 2 GiB)" if good else "too little for the tiny recipe (2 GiB): close something"
    return Check("memory", f"{free:.1f} GiB free", good, can)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    good = free >= 1
    return Check("disk", f"{free:.1f} GiB free here", good, "fine" if good else "runs need about 1 GiB: make room")


def _torch() -> list[Check]:
    if importlib.util.find_spec("torch") is None:
        return [Check("torch", "not installed", False, "training and sampling need it: pip install torch")]
    import torch

    build = f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    checks = [Check("torch", build, True, "fine")]
    if not torch.cuda.is_available():
        return [*checks, Check("GPU", "none that torch can use", True, "everything runs on the CPU, with small models")]
    for index in range(torch.cuda.device_count()):
        properties: Any = torch.cuda.get_device_properties(index)
        gib = properties.total_memory / 2**30
        # bfloat16 weights and gradients, float32 moments and master weights: 16 bytes a parameter, half left for the rest
        can = f"full training of about {gib / 2 / 16 * 2**30 / 1e9:.1f}e9 parameters, sampling of {gib * 0.8 / 2 * 2**30 / 1e9:.0f}e9"
        checks.append(Check(f"GPU {index}", f"{properties.name}, {gib:.0f} GiB", True, can))
    return checks


def _version(module: str) -> str:
    try:
        return version(module)
    except PackageNotFoundError:
        return "present"
