"""Control groups: what a whole job may use of memory and processes, and an equal share of the processors.

Version 1 (a hierarchy for each controller) and version 2 (one for all). Making groups takes root, or a delegated tree;
without them a job is held by resource limits and a watch on its memory (ponder.sandbox.watch).
"""

import contextlib
import itertools
import os
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
_NUMBERS = itertools.count()  # this process may hold several sandboxes
BASE_BYTES = 24 << 20  # a worker's own share: page tables, copied pages of the zygote, kernel memory


class Group:
    """The group of one worker at a time; used again when all its processes have ended.

    The files that every job needs stay open: opening them takes longer than writing.
    """

    def __init__(self, directories: dict[str, Path], version: int):
        self._directories, self._version = directories, version
        self._limits: tuple[int, int] | None = None
        self._ooms_before = 0
        self._members = [os.open(d / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for d in {*directories.values()}]
        events = "memory.oom_control" if version == 1 else "memory.events"
        self._events = os.open(directories["memory"] / events, os.O_RDONLY | os.O_CLOEXEC)

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Raises OSError where the kernel refuses, as it does while an earlier job's memory is still being freed."""
        self._ooms_before = self._oom_count()
        if self._limits == (memory_bytes, processes):
            return
        self._limits = None
        memory, total = self._directories["memory"], str(memory_bytes + BASE_BYTES)
        if self._version == 1:
            (memory / "memory.limit_in_bytes").write_text(total)
        else:
            (memory / "memory.max").write_text(total)
            (memory / "memory.swap.max").write_text("0")
        (self._directories["pids"] / "pids.max").write_text(str(processes))
        self._limits = memory_bytes, processes

    def add(self, pid: int) -> None:
        for members in self._members:
            os.write(members, str(pid).encode())

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group since `limit` for want of memory."""
        return self._oom_count() > self._ooms_before

    def remove(self) -> None:
        for descriptor in (*self._members, self._events):
            os.close(descriptor)
        for directory in {*self._directories.values()}:
            with contextlib.suppress(OSError):  # busy for a moment longer, or gone: the next start sweeps it up
                directory.rmdir()

    def _oom_count(self) -> int:
        for line in os.pread(self._events, 4096, 0).splitlines():
            key, _, value = line.partition(b" ")
            if key == b"oom_kill":
                return int(value)
        return 0


class Groups:
    """Makes groups under this process's own, where it may. ValueError where it may not: see `find`."""

    def __init__(self, parents: dict[str, Path], version: int):
        self._parents, self._version = parents, version
        self._free: list[Group] = []
        self._sweep()

    @classmethod
    def find(cls) -> "Groups | None":
        """None where the kernel offers no control groups, or none that this process may use."""
        own, version = _own_directories()
        if not {"memory", "pids"} <= own.keys():
            return None
        groups = cls(own, version)
        try:
            groups.give_back(groups.take())
        except OSError:
            return None
        return groups

    @property
    def controllers(self) -> list[str]:
        return list(self._parents)

    def take(self) -> Group:
        if self._free:
            return self._free.pop()
        own_name = f"ponder-{os.getpid()}-{next(_NUMBERS)}"
        directories = {name: parent / own_name for name, parent in self._parents.items()}
        for directory in {*directories.values()}:
            directory.mkdir()
        group = Group(directories, self._version)
        group.limit(1 << 30, 1024)
        return group

    def give_back(self, group: Group) -> None:
        self._free.append(group)

    def close(self) -> None:
        for group in self._free:
            group.remove()
        self._free.clear()

    def _sweep(self) -> None:
        """Groups of sandboxes that were killed."""
        for parent in {*self._parents.values()}:
            for directory in parent.glob("ponder-*-*"):
                if not Path("/proc", directory.name.split("-")[1]).exists():
                    with contextlib.suppress(OSError):  # somebody else sweeps too, or it is still busy
                        directory.rmdir()


def _own_directories() -> tuple[dict[str, Path], int]:
    """({controller: directory of this process's group}, version); what is not writable is left out."""
    mounts: dict[str, Path] = {}
    unified = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        where = Path(fields.split()[4])
        if kind == "cgroup":
            for name in set(options.split(" ")[-1].split(",")) & set(CONTROLLERS):
                mounts[name] = where
        elif kind == "cgroup2":
            unified = where
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        paths |= {name: path.lstrip("/") for name in names.split(",")}
    if mounts:
        found = {name: mounts[name] / paths.get(name, "") for name in CONTROLLERS if name in mounts}
        return {name: path for name, path in found.items() if os.access(path, os.W_OK)}, 1
    if unified is None or not os.access(unified, os.W_OK):
        return {}, 2
    # A group with processes in it cannot have children with controllers; the top of the tree can.
    offered = (unified / "cgroup.subtree_control").read_text().split()
    return {name: unified for name in CONTROLLERS if name in offered}, 2
