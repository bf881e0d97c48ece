"""What the audit plants on its own machine for attacks to reach for, and its search for what outlived them."""

import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Killed processes need a moment to vanish; whatever is still there after this long has outlived its job.
SETTLE_S = 0.5
# Variables that a jail may well set to the host's values without giving anything away.
_PLAIN = ("PATH", "HOME", "LANG", "TZ", "TERM", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR")
_PLAIN_STARTS = ("LC_", "PYTHON", "PYTEST", "OMP_", "OPENBLAS_")


class Host:
    """Secrets on this machine: a file, an environment variable, ports and sockets that tell theirs, a process.

    Made before the sandbox starts its workers, the variable is there for them to leak. `marks` are the values of the
    @@NAME@@ marks in cases. `damage()` lists what an attack did to the machine, and cleans it up. Use it as a context
    manager, or call `close`.
    """

    def __init__(self):
        # 13 characters, a Python name: it also names processes, for which the kernel keeps 15.
        self.mark = "audit" + secrets.token_hex(4)
        self._key = secrets.randbelow(2**30) + 1
        self._folder = Path(tempfile.mkdtemp(prefix="ponder-host-"))
        self._variable = f"PONDER_AUDIT_{secrets.token_hex(4).upper()}"
        os.environ[self._variable] = secrets.token_hex(16)
        file_secret, port_secret, socket_secret = (f"secret-{secrets.token_hex(8)}" for _ in range(3))
        path = self._folder / "secret.txt"
        path.write_text(file_secret)
        # World-readable on purpose: what must protect them is the jail's view, not their modes.
        self._folder.chmod(0o755)
        path.chmod(0o644)
        self._sockets: list[socket.socket] = []
        abstract = f"ponder-{secrets.token_hex(8)}"
        socket_file = self._folder / "socket"
        port = self._listen(socket.AF_INET, ("127.0.0.1", 0), port_secret).getsockname()[1]
        self._answer(("127.0.0.1", port), port_secret)
        self._listen(socket.AF_UNIX, f"\0{abstract}", socket_secret)
        self._listen(socket.AF_UNIX, str(socket_file), socket_secret)
        socket_file.chmod(0o777)
        self._victim = self._start_victim()
        self._fixed = {
            "MARK": self.mark,
            "KEY": str(self._key),
            "FILE": str(path),
            "FILE_SECRET": file_secret,
            "ENVIRONMENT": " ".join(_hashed_environment()),
            "PORT": str(port),
            "PORT_SECRET": port_secret,
            "SOCKET": abstract,
            "SOCKET_FILE": str(socket_file),
            "SOCKET_SECRET": socket_secret,
            "SERVER": str(os.getpid()),
        }

    def marks(self) -> dict[str, str]:
        """The values for one case; NONCE is new each time."""
        return {**self._fixed, "NONCE": secrets.token_hex(8), "VICTIM": str(self._victim.pid)}

    def damage(self) -> list[str]:
        """What is wrong with this machine after a job: survivors, files, segments, a dead victim. Empty when all is well."""
        found = []
        if not self._victim_is_well():
            found.append("a process of the host was killed or stopped")
            self._victim.kill()
            self._victim.wait()
            self._victim = self._start_victim()
        until = time.monotonic() + SETTLE_S
        while (survivors := self._survivors()) and time.monotonic() < until:
            time.sleep(0.005)
        for pid in survivors:
            found.append(f"process {pid} outlived its job")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                found.append(f"process {pid} ended late, by itself")
        for path in self._leftovers():
            found.append(f"{path} was left on the host")
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        for kind in ("shm", "msg", "sem"):
            rows = _read(Path("/proc/sysvipc") / kind).splitlines()[1:]
            if any(row.split()[:1] == [str(self._key)] for row in rows):
                found.append(f"a System V object ({kind}) was left on the host")
        return found

    def close(self) -> None:
        os.environ.pop(self._variable, None)
        for held in self._sockets:
            # shutdown wakes the thread that waits in accept or recvfrom; closing alone would not.
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                held.close()
                continue
            held.close()
        self._victim.kill()
        self._victim.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _listen(self, family: int, address, secret: str) -> socket.socket:
        server = socket.socket(family, socket.SOCK_STREAM)
        server.bind(address)
        server.listen()
        self._sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return  # closed
                with connection:
                    connection.sendall(secret.encode())

        threading.Thread(target=serve, name="audit-listener", daemon=True).start()
        return server

    def _answer(self, address, secret: str) -> None:
        """Answers datagrams, so that an attack can prove that UDP reached the host."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(address)
        self._sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    data, sender = server.recvfrom(1000)
                    # An empty datagram is what shutdown leaves to be read.
                    if not data:
                        return
                    server.sendto(secret.encode(), sender)
                except OSError:
                    return

        threading.Thread(target=serve, name="audit-listener", daemon=True).start()

    def _start_victim(self) -> subprocess.Popen:
        # It waits on a pipe of this process, so that it ends even if the audit is killed.
        command = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

    def _victim_is_well(self) -> bool:
        if self._victim.poll() is not None:
            return False
        status = _read(Path(f"/proc/{self._victim.pid}/stat")).rpartition(")")[2].split()
        return not status or status[0] != "T"

    def _survivors(self) -> list[int]:
        found = []
        for folder in Path("/proc").iterdir():
            # A zombie has ended; its parent will collect it.
            if folder.name.isdecimal() and _read(folder / "comm").strip() == self.mark:
                state = _read(folder / "stat").rpartition(")")[2].split()
                if state and state[0] not in "ZX":
                    found.append(int(folder.name))
        return found

    def _leftovers(self) -> list[Path]:
        folders = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path.cwd(), Path("/")}
        return [path for folder in folders if folder.is_dir() for path in folder.iterdir() if self.mark in path.name]


def _hashed_environment() -> list[str]:
    """The environment's entries, each as the first 16 digits of its SHA-256, without what gives nothing away."""
    entries = [
        f"{name}={value}"
        for name, value in os.environ.items()
        if name not in _PLAIN and not name.startswith(_PLAIN_STARTS) and value
    ]
    return [hashlib.sha256(entry.encode("utf-8", "surrogateescape")).hexdigest()[:16] for entry in entries]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # gone in the meantime, or no such file on this system
