"""How strongly jobs are isolated, layer by layer, and which level that makes."""

from typing import Literal

Level = Literal["strict", "standard", "none"]
LAYERS = {
    "user namespace": "standard",
    "process namespace": "standard",
    "file system view": "standard",
    "network namespace": "standard",
    "IPC namespace": "standard",
    "no capabilities, no new privileges": "standard",
    "system call filter": "standard",
    "resource limits": "none",
    "memory control group": "strict",
    "process control group": "strict",
    "processor control group": "optional",
    "memory watch": "optional",  # stands in for the memory control group
}


class IsolationError(ValueError):
    """The machine gives less isolation than the level that was asked for."""


def check(level: Level, layers: dict[str, bool], refusal: str) -> None:
    """Raises IsolationError when a layer of the level is missing; `refusal` is what the kernel said."""
    required = {"strict": ("standard", "strict"), "standard": ("standard",), "none": ()}[level]
    missing = [name for name, needed in LAYERS.items() if needed in required and not layers[name]]
    if not missing:
        return
    lower = {"strict": "standard", "standard": "none"}[level]
    advice = {
        "strict": "Start it as root, where the control groups of memory and pids are mounted and writable",
        "standard": "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; in a container, start it so that "
        "clone and mount are permitted)",
    }[level]
    warning = ", under which programs have this user's own rights" if lower == "none" else ""
    raise IsolationError(
        f"isolation {level!r} is asked for, but this machine does not give: {', '.join(missing)}"
        f"{f' (the kernel says: {refusal})' if refusal else ''}. {advice}; or ask for less: {lower!r}{warning}"
    )
