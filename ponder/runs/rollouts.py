"""Rollouts on disk: one Parquet file a step, one row a rollout. pandas, polars and DuckDB open them as they are."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponder.runs.atomic import write_bytes

if TYPE_CHECKING:
    import pyarrow

# What a row may leave out, and what files of 0.1.0 do not have.
OPTIONAL = ("learner_logprobs", "entropy", "spans", "stop_reason", "weights_version", "reward_parts", "episode")
_SURROGATE = re.compile("[\ud800-\udfff]")


def schema() -> "pyarrow.Schema":
    """The columns. `logprobs`, `mask`, `learner_logprobs` and `entropy` run along `response_ids`, `spans` along prompt and
    response; null scores, rewards and advantages mean "none", other nulls that nobody looked. `OPTIONAL` may be absent.
    """
    import pyarrow as pa

    def column(name: str, kind: pa.DataType, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable)

    span = pa.struct([column("kind", pa.string()), column("start", pa.int32()), column("end", pa.int32())])
    return pa.schema(
        [
            column("task_id", pa.string()),
            column("domain", pa.string()),
            column("source", pa.string()),
            column("question", pa.string()),
            column("prompt_ids", pa.list_(pa.int32())),
            column("response_ids", pa.list_(pa.int32())),
            column("logprobs", pa.list_(pa.float32())),
            column("mask", pa.list_(pa.int8())),
            column("text", pa.string()),
            column("reference", pa.string()),  # JSON
            column("status", pa.string()),
            column("score", pa.float32(), nullable=True),
            column("reason", pa.string()),
            column("parts", pa.string()),  # JSON: [{"name", "status", "score", "reason"}, ...] of a composed verdict
            column("reward", pa.float32(), nullable=True),
            column("advantage", pa.float32(), nullable=True),
            column("truncated", pa.bool_()),
            column("group", pa.int32()),
            column("sample", pa.int32()),
            column("learner_logprobs", pa.list_(pa.float32()), nullable=True),  # nats, at the start of the update
            column("entropy", pa.list_(pa.float32()), nullable=True),  # of the learner's distribution, nats
            column("spans", pa.list_(span), nullable=True),  # who wrote which tokens: prompt, policy, tool or forced
            column("stop_reason", pa.string(), nullable=True),  # why the policy stopped
            column("weights_version", pa.int32(), nullable=True),  # updates of the stage before this was sampled
            column("reward_parts", pa.string(), nullable=True),  # JSON: {name of a part: its number}
            column(
                "episode", pa.string(), nullable=True
            ),  # JSON: {"end", "turns", "calls", "failed_calls"}, with tools
        ]
    )


def write_rollouts(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one step's rollouts atomically.

    Each row holds the columns of `schema` and no others, those of `OPTIONAL` where there is something to say. Lists may be
    numpy arrays; `reference`, `parts`, `reward_parts` and `episode` are JSON text; a span is {"kind", "start", "end"}, end exclusive.

    Raises:
        SaveError: the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema()
    expected = set(columns.names)
    absent = dict.fromkeys(OPTIONAL)
    rows = [absent | row for row in rows]
    for row in rows:
        assert row.keys() == expected, f"rollout with wrong columns: {sorted(row.keys() ^ expected)}"
    table = pa.Table.from_pylist([{k: _storable(v) for k, v in row.items()} for row in rows], schema=columns)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue().to_pybytes())


def read_rollouts(path: Path) -> list[dict[str, Any]]:
    """Read one step's rollouts back, as plain Python values; every column is there, None where an older file has none."""
    import pyarrow.parquet as pq

    absent = dict.fromkeys(OPTIONAL)
    return [absent | row for row in pq.read_table(path).to_pylist()]


def count_rollouts(path: Path) -> int:
    """The number of rollouts in a file, from its footer alone."""
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _storable(value: Any) -> Any:
    # A task file may spell half a surrogate pair ("\ud83d"), which no UTF-8 column can hold.
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
