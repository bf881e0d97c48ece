"""Numbers and names as people read them, and foreign text as it is safe to show."""

import re

from ponder.runs.places import BIRTH

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Text without control characters (a terminal would obey them) and half surrogate pairs (UTF-8 has none)."""
    return _UNPRINTABLE.sub("\ufffd", text)


def percent(share: float | None) -> str:
    """A share as people write it; "-" where there is none. Only a perfect score reads 100%, only a zero 0%."""
    if share is None:
        return "-"
    rounded = f"{100 * share:.0f}%"
    return f"{100 * share:.1f}%" if rounded in ("0%", "100%") and share not in (0, 1) else rounded


def span(interval: list[float] | None) -> str:
    """An interval of shares: "89-94%"; "-" where there is none."""
    return "-" if interval is None else f"{100 * interval[0]:.0f}-{100 * interval[1]:.0f}%"


def spread(counts: list[int]) -> str:
    """The sizes of several evaluations: "200", "64 to 200"; "0" of none."""
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


def duration(seconds: float) -> str:
    """Seconds as "48 s", "4 min 07 s" or "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def title(stage: str, born: bool = True) -> str:
    """A stage's name as prose: "cold_start" is "cold start". What comes before the first is the birth of a model that was
    born in this run, and the start of one that was brought in."""
    return "start" if stage == BIRTH and not born else stage.replace("_", " ")


def moment(stage: str, born: bool = True) -> str:
    """When a model was as a stage left it: "at birth", "at the start", "after cold start"."""
    if stage == BIRTH:
        return "at birth" if born else "at the start"
    return f"after {title(stage)}"
