"""Writes runs in child processes that are killed in the middle of a chosen write.

Reads "PATH COUNT" lines; for each, a fork writes a run at PATH and gets SIGKILL at its COUNT-th system call that
changes a file, half-way through it where it is a write. Answers with the fork's exit code.
"""

import gc
import os
import signal
import sys
from pathlib import Path

import pyarrow.parquet  # noqa: F401  loaded once here, so that each fork starts at once
import tensorboard.compat.proto.event_pb2
import tensorboard.compat.proto.summary_pb2
import tensorboard.summary.writer.record_writer  # noqa: F401

from tests.runs.synthetic import write_run, write_stage

CHANGES = ("write", "fsync", "rename", "replace", "mkdir", "rmdir", "unlink", "ftruncate")


def die_at(count: int) -> None:
    left = count

    def counted(name: str, call):
        def wrapper(*arguments, **options):
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    descriptor, data = arguments
                    call(descriptor, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            if name != "fsync":  # it matters to power cuts only, and takes most of the time
                return call(*arguments, **options)

        return wrapper

    for name in CHANGES:
        setattr(os, name, counted(name, getattr(os, name)))


def write(path: Path) -> None:
    run = write_run(path, sft_steps=2, rl_steps=3)
    with run.checkpoint("math", 2) as directory:  # once more, so that a replacement is killed too
        (directory / "model.safetensors").write_bytes(b"2" * 1000)
    write_stage(run, "math", 4, 4)


gc.freeze()  # the forks then share more memory
for line in sys.stdin:
    where, count = line.rsplit(maxsplit=1)
    child = os.fork()
    if child == 0:
        die_at(int(count))
        write(Path(where))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
