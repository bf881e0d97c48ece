"""Process 1 for each worker's process namespace: a process that does nothing, and that takes everything in it along.

A worker is not process 1 itself, since the kernel lets no signal end that one unless it has a handler for it, and gives
it every orphan to wait for: a program is to die of signals, and to wait for its own children, as it does everywhere. The
idle processes are made, a few ahead of need, by a helper of the zygote that does nothing else. It ignores SIGCHLD, and
they inherit that: so the kernel lets them go, and the orphans that come to them, without anybody waiting.
"""

import contextlib
import os
import select
import signal
import socket

from jail import syscalls as sys_

AHEAD = 4


class ProcessOnes:
    """The zygote's side: hands out pidfds."""

    def __init__(self):
        self._socket, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            _make_on_demand(far)
        far.close()
        for _ in range(AHEAD):
            self._socket.send(b"1")

    def take(self) -> int:
        """The pidfd of one, whose namespace is empty otherwise. Raises OSError where none can be made."""
        message, descriptors, _, _ = socket.recv_fds(self._socket, 256, 1)
        self._socket.send(b"1")
        if not descriptors:
            raise OSError(message.decode() or "the helper that makes processes has ended")
        return descriptors[0]


def kill(pidfd: int) -> None:
    """Kills process 1 of a namespace, and so all that is in it; they are gone when its pidfd can be read."""
    with contextlib.suppress(ProcessLookupError):  # the judge has been faster
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def end(pidfd: int) -> None:
    """Kills them, and waits until they are gone. Closes the pidfd."""
    kill(pidfd)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
    os.close(pidfd)


def _make_on_demand(orders: socket.socket) -> None:
    """All that the helper does: one process for each message. It ends with the zygote, process 1 of its own namespace."""
    try:
        os.dup2(orders.fileno(), 3)
        sys_.close_descriptors_from(4)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        orders = socket.socket(fileno=3)
        while orders.recv(1):
            try:
                pidfd = sys_.start_idle_process()
            except OSError as error:
                orders.send(str(error).encode()[:200])
                continue
            socket.send_fds(orders, [b"1"], [pidfd])
            os.close(pidfd)
    except OSError:
        os._exit(1)  # the zygote has gone
    os._exit(0)
