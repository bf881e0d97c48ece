"""Messages between the judge and a worker.

A message is a length in four bytes (big-endian) and that many bytes.
"""

import socket

# Held by name here: a program may replace what the module offers.
from json import dumps, loads

MAX_DIGITS = 50_000  # of integers as text; as LiveCodeBench's own runner has it
MAX_COLLECTED = 64 << 20  # bytes of files that a run may bring back
NUMBER = 8  # bytes before each call and its answer: a secret number that says which answer belongs to which call


def send(channel: socket.socket, data: bytes) -> None:
    channel.sendall(len(data).to_bytes(4, "big") + data)


def receive(channel: socket.socket) -> bytes:
    """The next message; EOFError when the judge has closed the channel."""
    return receive_exactly(channel, int.from_bytes(receive_exactly(channel, 4), "big"))


def receive_exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = channel.recv(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send_json(channel: socket.socket, value: object) -> None:
    send(channel, dumps(value).encode())


def receive_json(channel: socket.socket):
    return loads(receive(channel))
