"""Rollouts on disk: one Parquet file a step, one row a rollout. pandas, polars and DuckDB open them as they are."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ponder.runs.atomic import write_bytes

if TYPE_CHECKING:
    import pyarrow

_SURROGATE = re.compile("[\ud800-\udfff]")


def schema() -> "pyarrow.Schema":
    """The columns. `logprobs` and `mask` run along `response_ids`; null scores, rewards and advantages mean "none"."""
    import pyarrow as pa

    def column(name: str, kind: pa.DataType, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable)

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
        ]
    )


def write_rollouts(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one step's rollouts atomically.

    Each row holds exactly the columns of `schema`; lists may be numpy arrays; `reference` and `parts` are JSON text.

    Raises:
        SaveError: the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema()
    expected = set(columns.names)
    for row in rows:
        assert row.keys() == expected, f"rollout with wrong columns: {sorted(row.keys() ^ expected)}"
    table = pa.Table.from_pylist([{k: _storable(v) for k, v in row.items()} for row in rows], schema=columns)
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getvalue().to_pybytes())


def read_rollouts(path: Path) -> list[dict[str, Any]]:
    """Read one step's rollouts back, as plain Python values."""
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def count_rollouts(path: Path) -> int:
    """The number of rollouts in a file, from its footer alone."""
    import pyarrow.parquet as pq

    return pq.read_metadata(path).num_rows


def _storable(value: Any) -> Any:
    # A task file may spell half a surrogate pair ("\ud83d"), which no UTF-8 column can hold.
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
