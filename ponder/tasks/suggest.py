"""One sentence for every unknown name: what it was, what was probably meant, what there is."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(kind: str, name: str, known: Iterable[str], show_all: int = 20) -> str:
    """Message for a name that is not among `known`, with the nearest ones.

    >>> unknown_name("family", "chain_sums", ["chain_sum", "leg_counting"])
    "Unknown family 'chain_sums': did you mean 'chain_sum'? Known: chain_sum, leg_counting."
    """
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else "."
    listed = f" Known: {', '.join(known)}." if len(known) <= show_all else f" There are {len(known)}."
    return f"Unknown {kind} {name!r}{hint}{listed}"
