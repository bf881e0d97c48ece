"""The messages between a worker process and its pool: JSON, each preceded by its length in four bytes."""

import json
from typing import Any, BinaryIO


def packed(message: dict) -> bytes:
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def send(results: BinaryIO, message: dict) -> None:
    results.write(packed(message))
    results.flush()


def receive(requests: BinaryIO) -> dict[str, Any] | None:
    """The next message; None where the other side has gone."""
    size = requests.read(4)
    return json.loads(requests.read(int.from_bytes(size, "big"))) if size else None


def failure(reason: str) -> dict:
    """The result of a job that could not be done."""
    return {"status": "error", "score": None, "reason": reason}
