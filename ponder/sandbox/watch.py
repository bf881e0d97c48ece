"""A watch on the memory of whole jobs.

Where a control group holds a job, the kernel kills one of its processes and the watch ends the rest. Where there is no
control group (ordinary users) the watch itself adds up what the job's processes hold.
"""

import asyncio
import os
from collections.abc import Iterable

from ponder.sandbox.process import Worker

PERIOD_S = 0.01
FEW_DESCRIPTORS = 64
SOCKET_BYTES = 208 << 10  # what the kernel lets a socket hold unless it is told otherwise, which the filter refuses
_PAGE = os.sysconf("SC_PAGE_SIZE")


def job_memory(roots: Iterable[int], each: int, exactly: bool = False) -> int:
    """Bytes that processes and all below them hold in memory, less `each` for what a process shares with the zygote.

    By resident size, in which a page shared by several counts several times; `exactly` by the proportional size, which
    takes longer to read.
    """
    total, waiting = 0, list(roots)
    while waiting:
        process = waiting.pop()
        try:
            total += max(0, (_proportional if exactly else _resident)(process) - each)
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children", "rb") as file:
                    waiting += map(int, file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return total


def _resident(pid: int) -> int:
    """Resident pages, page tables, and what sockets may hold."""
    total = descriptors = 0
    with open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            name, _, value = line.partition(b":")
            if name in (b"VmRSS", b"VmPTE", b"VmSwap"):
                total += int(value.split()[0]) * 1024
            elif name == b"FDSize":
                descriptors = int(value)
    return total + (_sockets(pid) * SOCKET_BYTES if descriptors > FEW_DESCRIPTORS else 0)


def _sockets(pid: int) -> int:
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return sum(os.readlink(entry.path).startswith("socket:") for entry in entries)
    except PermissionError:  # the program hides them: then all may be sockets
        return 512


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            shared = next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
        with open(f"/proc/{pid}/statm", "rb") as file:
            mapped = int(file.read().split()[1]) * _PAGE
        return _resident(pid) - mapped + shared
    except PermissionError:  # the program hides it: then all it maps is its own
        return _resident(pid)


async def watch(running: Iterable[Worker]) -> None:
    """Kills jobs above their limit, for ever. Cancel to stop."""
    while True:
        await asyncio.sleep(PERIOD_S)
        for worker in list(running):
            if not worker.ended.done() and _is_above(worker):
                worker.kill("memory")


def _is_above(worker: Worker) -> bool:
    if worker.memory_limit is None:
        return worker.ran_out_of_memory()
    roots = {worker.pid, worker.process_1}  # orphans are below process 1
    if job_memory(roots, worker.base_memory) <= worker.memory_limit:
        return False
    return job_memory(roots, 0, exactly=True) > worker.memory_limit


def base_memory(worker: Worker) -> int:
    """What a worker that has done nothing yet holds, nearly all of it shared with its zygote."""
    try:
        return _resident(worker.pid)
    except FileNotFoundError:
        return 0
