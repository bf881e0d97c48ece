"""One worker process as the server sees it: its channel, its output as it comes, its end."""

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import dataclass

from ponder.sandbox.cgroups import Group
from ponder.sandbox.job import Outcome

LATE_S = 0.02
READ = 1 << 18  # bytes taken from a pipe at a time


class WorkerLost(Exception):
    """The worker ended for no reason of the job's: killed from outside, or with its zygote. The job can be tried again."""


class ChannelClosed(Exception):
    """The worker has closed its channel: it has ended, or its program has closed it."""


class Forged(Exception):
    """What came over the channel is no message of a worker: the program has written there."""


class TooLarge(Exception):
    """A message is larger, by its announced `size` in bytes, than the judge is ready to read."""

    def __init__(self, size: int):
        super().__init__(f"a message of {size:,} bytes")
        self.size = size


@dataclass(frozen=True)
class End:
    status: int  # as wait(2) gives it


class Drain:
    """Reads a pipe to its end, whatever the program writes; keeps the first `keep` bytes.

    `on_flood` is called once when more than `limit` bytes have come.
    """

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop):
        self._descriptor, self._loop = descriptor, loop
        self.limit = self.keep = 1 << 20
        self.on_flood = None
        self._parts: list[bytes] = []
        self._kept = self._seen = 0
        self._closed = False
        loop.add_reader(descriptor, self.read)

    def read(self) -> bool:
        """Takes what is there; False when there was nothing (more)."""
        if self._closed:
            return False
        try:
            data = os.read(self._descriptor, READ)
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        if self._kept < self.keep:
            self._parts.append(data[: self.keep - self._kept])
            self._kept += len(self._parts[-1])
        self._seen += len(data)
        if self._seen > self.limit and self.on_flood is not None:
            flood, self.on_flood = self.on_flood, None
            flood()
        return True

    @property
    def cut(self) -> bool:
        """Whether some of what came was not kept."""
        return self._seen > self._kept

    @property
    def flooded(self) -> bool:
        return self._seen > self.limit

    def take(self) -> bytes:
        """What was kept; counting starts anew."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._kept = self._seen = 0
        return data

    def finish(self) -> None:
        """Takes what is left once nobody can write any more. The end of the pipe is not waited for: a descriptor that
        was sent over a socket and never received keeps it open."""
        while self.read():
            continue
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)


class Worker:
    """A worker that waits for its job. It serves one job (or one session), then it is gone."""

    def __init__(self, number: int, channel: socket.socket, stdout: int, stderr: int):
        self._loop = asyncio.get_running_loop()
        self.number, self.channel = number, channel
        self.stdout, self.stderr = Drain(stdout, self._loop), Drain(stderr, self._loop)
        self.pid = self.process_1 = self._pidfd = self._process_1_pidfd = -1
        self.group: Group | None = None
        self.ended: asyncio.Future[End] = self._loop.create_future()
        self.killed_for: Outcome | None = None
        self.last_try = True  # whether the job has no other worker to come
        self.base_memory = 0
        self.memory_limit: int | None = None  # bytes, for the watch; None where a control group holds the job
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: tuple[float, Outcome] | None = None
        self._forgiven = False
        self._came, self._wanted = bytearray(), 0
        self._heard: asyncio.Future[None] | None = None
        self._listening = self._closed = False

    def started(self, pid: int, pidfd: int, process_1: int, process_1_pidfd: int) -> None:
        """`process_1` is that of the worker's process namespace; where it has none, the worker itself once more."""
        self.pid, self._pidfd = pid, pidfd
        self.process_1, self._process_1_pidfd = process_1, process_1_pidfd

    def lost(self) -> None:
        """The zygote is gone: nobody will tell of this worker's end."""
        self.kill()
        if not self.ended.done():
            self.ended.set_exception(WorkerLost("the process that starts the workers has died"))
            self.ended.exception()  # looked at: a spare worker has nobody else to look

    # ---- time ----

    def set_timer(self, seconds: float, outcome: Outcome = "timeout") -> None:
        """Kills the job after `seconds`; replaces the deadline before."""
        when = self._loop.time() + seconds
        self._deadline = when, outcome
        self._forgiven = False
        if self._timer is None or self._timer.when() > when:
            self._arm(when)

    def stop_timer(self) -> None:
        """A timer that is armed stays so: it finds no deadline when it fires, and the next one often needs it again."""
        self._deadline = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        when, outcome = self._deadline
        now = self._loop.time()
        if when > now:
            self._arm(when)
        elif now - when > LATE_S and not self._forgiven:
            # The server itself was late, so that the answer may have come: it is given as long once more to read it.
            self._forgiven = True
            self._arm(now + min(now - when, 1.0))
        else:
            self.kill(outcome)

    def kill(self, outcome: Outcome | None = None) -> None:
        """Ends the job with all its processes: they end with process 1 of their namespace."""
        if self.killed_for is None and not self.ended.done():
            self.killed_for = outcome
        _send(self._process_1_pidfd, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        _send(self._pidfd, number)

    # ---- the channel ----

    async def send(self, *messages: bytes) -> None:
        """Each message with its length. A worker that is gone is noticed by whoever waits for its answer."""
        data = b"".join(part for message in messages for part in (len(message).to_bytes(4, "big"), message))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self._loop.sock_sendall(self.channel, data)

    async def receive(self, most: int) -> bytes:
        """The next message of at most `most` bytes. Raises ChannelClosed, TooLarge."""
        await self._have(4)
        size = int.from_bytes(self._came[:4], "big")
        if size > most:
            raise TooLarge(size)
        await self._have(4 + size)
        message = bytes(memoryview(self._came)[4 : 4 + size])
        del self._came[: 4 + size]
        return message

    async def _have(self, size: int) -> None:
        """Waits until so many bytes have come. Raises ChannelClosed."""
        self._wanted = size
        while len(self._came) < size:
            if self._closed:
                raise ChannelClosed
            if not self._listening:
                self._listening = True
                self._loop.add_reader(self.channel, self._hear)
            self._heard = self._loop.create_future()
            await self._heard

    def _hear(self) -> None:
        try:
            part = self.channel.recv(READ)
        except BlockingIOError:
            return
        except ConnectionResetError:
            part = b""
        self._came += part
        if not part:
            self._closed = True
        if not part or len(self._came) > max(self._wanted, READ):  # more comes than anyone asked for: let it wait
            self._loop.remove_reader(self.channel)
            self._listening = False
        if self._heard is not None and not self._heard.done() and (not part or len(self._came) >= self._wanted):
            self._heard.set_result(None)

    def nothing_unasked(self) -> None:
        """Raises Forged where something lies in the channel that nobody has asked for."""
        if not self._came:
            try:
                self._came += self.channel.recv(1)
            except (BlockingIOError, ConnectionResetError):
                return
        if self._came:
            raise Forged("the program wrote into the judge's channel")

    # ---- the end ----

    async def end(self) -> End:
        """Waits for the end of the job, and takes the rest of its output. Raises WorkerLost."""
        end = await self.ended
        self.stop_timer()
        self.stdout.finish()
        self.stderr.finish()
        return end

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._listening:
            self._loop.remove_reader(self.channel)
            self._listening = False
        self.stdout.close()
        self.stderr.close()
        self.channel.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            os.close(self._process_1_pidfd)
            self._pidfd = self._process_1_pidfd = -1

    def ran_out_of_memory(self) -> bool:
        return self.killed_for == "memory" or (self.group is not None and self.group.ran_out_of_memory())


def _send(pidfd: int, number: signal.Signals) -> None:
    if pidfd >= 0:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            signal.pidfd_send_signal(pidfd, number)
