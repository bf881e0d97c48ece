"""Many faults in one message."""

import re
from collections.abc import Iterator, Sequence

MAX_FAULTS = 20  # lines of a message
MAX_ALIKE = 4  # rows with the same fault that have a line each, and that are named in a line for more of them

_PLACED = re.compile(r"(?P<file>.*?), (?P<unit>line|item|row) (?P<number>\d+): (?P<fault>.*)", re.DOTALL)


def listed_faults(faults: Sequence[str], what: str) -> str:
    """The one fault, or how many there are (`what` says of what kind) with the first MAX_FAULTS, a line each. What is wrong
    alike with more than MAX_ALIKE rows of a file is one line, at the place of the first."""
    if len(faults) == 1:
        return faults[0]
    lines = list(_lines(faults))
    shown = "".join(f"\n  {line}" for line, _ in lines[:MAX_FAULTS])
    left = sum(count for _, count in lines[MAX_FAULTS:])
    return f"{len(faults):,} {what}:{shown}" + (f"\n  ... and {left:,} more" if left else "")


def _lines(faults: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(line, how many faults it is for), in the order of the faults."""
    alike: dict[tuple[str, str, str], list[str]] = {}  # by file, unit and fault: the numbers of the rows
    of_fault = []
    for fault in faults:
        placed = _PLACED.fullmatch(fault)
        key = (placed["file"], placed["unit"], placed["fault"]) if placed else None
        of_fault.append(key)
        if placed and key:
            alike.setdefault(key, []).append(placed["number"])
    for fault, key in zip(faults, of_fault, strict=True):
        numbers = alike.get(key, []) if key else []
        if len(numbers) > MAX_ALIKE and key:
            file, unit, same = key
            named = ", ".join(numbers[:MAX_ALIKE])
            yield f"{file}, {unit}s {named} and {len(numbers) - MAX_ALIKE:,} more: {same}", len(numbers)
            alike[key] = []
        elif not key or numbers:
            yield fault, 1
