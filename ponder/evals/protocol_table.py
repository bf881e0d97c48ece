"""The protocols that come with Ponder as a table, for docs/evals.md."""

from ponder.evals.loading import known, load_protocol
from ponder.evals.protocol import Protocol, Sampling

HEAD = ("benchmark", "protocol", "problems", "samples", "sampling", "tokens", "source")


def table() -> str:
    """A Markdown table with a line for each variant of each protocol, the default first."""
    lines = [_line(*HEAD), _line(*["---"] * len(HEAD))]
    for name, _, variants in known():
        lines += [_row(load_protocol(name, variant)) for variant in variants]
    return "".join(lines)


def _row(protocol: Protocol) -> str:
    sampling = protocol.sampling
    rows = "" if protocol.data.rows is None else f"{protocol.data.rows:,}"
    return _line(
        protocol.result_name,
        protocol.variant,
        rows,
        str(sampling.samples),
        _drawn(sampling),
        f"{sampling.max_tokens:,}",
        protocol.source,
    )


def _drawn(sampling: Sampling) -> str:
    if sampling.temperature == 0:
        return "greedy"
    return f"T {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
