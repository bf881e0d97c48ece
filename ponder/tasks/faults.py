"""Many faults in one message."""

from collections.abc import Sequence

MAX_FAULTS = 20  # that a message lists


def listed_faults(faults: Sequence[str], what: str) -> str:
    """The one fault, or how many there are (`what` says of what kind) with the first MAX_FAULTS, a line each."""
    if len(faults) == 1:
        return faults[0]
    shown = "".join(f"\n  {fault}" for fault in faults[:MAX_FAULTS])
    more = f"\n  ... and {len(faults) - MAX_FAULTS:,} more" if len(faults) > MAX_FAULTS else ""
    return f"{len(faults):,} {what}:{shown}{more}"
