"""A hub of our own on a loopback port: just enough of the Hugging Face hub's HTTP API to list and fetch models."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_API = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)(?:/(?P<what>revision|tree)/(?P<rev>.+))?")
_FILE = re.compile(r"/(?P<id>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<name>.+)")


@dataclass
class Repository:
    """
    files: contents by name
    gated: whether its terms have not been accepted: then its files can be listed, not fetched
    cut: {name: bytes after which the connection is cut, once}; `always_cut`: each time
    xet: whether its files are offered through Xet storage, too (where nobody answers)
    """

    files: dict[str, bytes]
    gated: bool = False
    cut: dict[str, int] = field(default_factory=dict)
    always_cut: bool = False
    xet: bool = False

    @property
    def commit(self) -> str:
        digest = hashlib.sha1()
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha1(content).digest())
        return digest.hexdigest()


class SmallHub:
    """`asked`: (method, path, Range or None) of each request."""

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.status = 200  # anything else is the answer to all
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fetched(self) -> list[str]:
        """Names of the files whose contents were asked for."""
        return [match["name"] for method, path, _ in self.asked if method == "GET" and (match := _FILE.fullmatch(path))]

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = unquote(urlsplit(self.path).path)
                hub.asked.append((self.command, path, self.headers.get("Range")))
                self.close_connection = True
                if hub.status != 200:
                    self._answer(hub.status, b"busy")
                elif match := _API.fullmatch(path):
                    self._about(match["id"], match["what"], match["rev"] or "main")
                elif match := _FILE.fullmatch(path):
                    self._file(match["id"], match["rev"], match["name"])
                else:
                    self._answer(404, b"{}")

            do_HEAD = do_GET

            def _found(self, name: str, revision: str) -> Repository | None:
                """Refuses in the hub's words what is not there."""
                repository = hub.repositories.get(name)
                if repository is None:
                    self._answer(401, b"Invalid username or password.", {"X-Error-Code": "RepoNotFound"})
                elif revision not in ("main", repository.commit):
                    self._answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                else:
                    return repository
                return None

            def _about(self, name: str, what: str | None, revision: str) -> None:
                if (repository := self._found(name, revision)) is None:
                    return
                if what == "tree":
                    about = [
                        {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                        for path, content in repository.files.items()
                    ]
                else:
                    siblings = [{"rfilename": path} for path in repository.files]
                    about = {"id": name, "modelId": name, "sha": repository.commit, "siblings": siblings}
                self._answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

            def _file(self, name: str, revision: str, path: str) -> None:
                if (repository := self._found(name, revision)) is None:
                    return
                if repository.gated:
                    self._answer(401, b"Access is restricted.", {"X-Error-Code": "GatedRepo"})
                    return
                if path not in repository.files:
                    self._answer(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": repository.commit})
                    return
                content = repository.files[path]
                headers = {
                    "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                    "X-Repo-Commit": repository.commit,
                    "Accept-Ranges": "bytes",
                }
                if repository.xet:
                    headers |= {"X-Xet-Hash": "0" * 64, "X-Xet-Refresh-Route": f"{hub.url}/nobody"}
                status, start = 200, 0
                if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                    status, start = 206, int(asked[1])
                    headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                most = None
                if self.command == "GET" and path in repository.cut:
                    most = repository.cut[path] if repository.always_cut else repository.cut.pop(path)
                self._answer(status, content[start:], headers, most)

            def _answer(self, status: int, body: bytes, headers=(), most: int | None = None) -> None:
                """`most`: bytes of the body that are sent of those that are announced."""
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), "Connection": "close", **dict(headers)}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body[:most])

            def log_message(self, *_):
                """No log: `asked` is one."""

        return Handler


@contextmanager
def small_hub():
    hub = SmallHub()
    try:
        yield hub
    finally:
        hub.close()
