"""Which processor this is and what it can do, where numbers and speed depend on it. Imports no torch."""

import functools
import platform
from pathlib import Path

ABILITIES = ("avx2", "avx512", "avx512_bf16", "amx_bf16")
_FLAGS = {"avx512f": "avx512"}  # as Linux names it


@functools.cache
def _cpuinfo() -> dict[str, str]:
    """Of the first processor of /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def model_name() -> str:
    """As the processor calls itself, with its family and model where its name says little."""
    about = _cpuinfo()
    name = about.get("model name") or platform.processor() or platform.machine() or "unknown processor"
    numbers = [about.get("cpu family"), about.get("model")]
    return f"{name} (family {numbers[0]}, model {numbers[1]})" if all(numbers) else name


def abilities() -> tuple[str, ...]:
    """Those of ABILITIES that it has."""
    flags = {_FLAGS.get(flag, flag) for flag in _cpuinfo().get("flags", "").split()}
    return tuple(name for name in ABILITIES if name in flags)


def processor() -> str:
    """One line: name, then what it can do; equal for processors that take the same kernels."""
    return f"{model_name()}: {', '.join(abilities()) or 'none of ' + ', '.join(ABILITIES)}"
