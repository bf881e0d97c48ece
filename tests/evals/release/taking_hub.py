"""A hub of our own that takes files: just enough of the Hugging Face hub's HTTP API to make a repository and commit to it."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "hf_ours"
_MODEL = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)(?:/(?P<what>tree|preupload|commit)/main)?")


class TakingHub:
    """`repositories`: {id: {name: content}}; `private`: ids of those that are; `refuses`: the status of every commit, 0 takes it;
    `refuses_card`: whether its validation does."""

    def __init__(self):
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.refuses = 0
        self.refuses_card = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path, match = self._asked()
                if path == "/api/whoami-v2":
                    self._answer(200, {"name": "ada", "type": "user", "orgs": []})
                elif match and (files := hub.repositories.get(match["id"])) is not None:
                    listed = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files.items()]
                    siblings = [{"rfilename": name} for name in files]
                    about = {"id": match["id"], "sha": "0" * 40, "siblings": siblings, "private": False}
                    self._answer(200, listed if match["what"] == "tree" else about)
                else:
                    self._answer(404, {}, {"X-Error-Code": "RepoNotFound"})

            def do_POST(self):
                path, match = self._asked()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if path != "/api/validate-yaml" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self._answer(401, {"error": "Invalid credentials"})
                elif path == "/api/validate-yaml":
                    self._answer(400 if hub.refuses_card else 200, {"errors": [{"message": "license: no such"}]})
                elif path == "/api/repos/create":
                    asked = json.loads(body)
                    name = f"{asked.get('organization') or 'ada'}/{asked['name']}"
                    hub.repositories.setdefault(name, {".gitattributes": b""})
                    if asked.get("private") or asked.get("visibility") == "private":
                        hub.private.add(name)
                    self._answer(200, {"url": f"{hub.url}/{name}", "name": name})
                elif match and match["what"] == "preupload":
                    files = [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in json.loads(body)["files"]
                    ]
                    self._answer(200, {"files": files})
                elif match and match["what"] == "commit" and not hub.refuses:
                    for line in body.splitlines():
                        value = json.loads(line)["value"]
                        if "content" in value:
                            hub.repositories[match["id"]][value["path"]] = base64.b64decode(value["content"])
                    self._answer(200, {"commitUrl": f"{hub.url}/{match['id']}/commit/1", "commitOid": "1" * 40})
                else:
                    self._answer(hub.refuses or 404, {"error": "the storage is full"})

            def _asked(self):
                path = urlsplit(self.path).path
                return path, _MODEL.fullmatch(path)

            def _answer(self, status: int, value, headers=()) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                for key, text in {
                    "Content-Type": "application/json",
                    "Content-Length": len(body),
                    **dict(headers),
                }.items():
                    self.send_header(key, str(text))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """No log."""

        return Handler


@contextmanager
def taking_hub():
    hub = TakingHub()
    try:
        yield hub
    finally:
        hub.close()
