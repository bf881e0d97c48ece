"""An MCP server without any package: it says what a test wants, also what no package would say.

Its first argument is a JSON object: `tools`, a list as MCP has it; `results`, what calls answer, by name; `raw`, lines that are written
as they are in place of an answer, with ID for the request's id. `stubborn`: ends neither with its input nor by SIGTERM, and has a
child that does not either; their ids go to the file of that name.
"""

import json
import os
import signal
import sys
import time

script = json.loads(sys.argv[1])


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def result_of(request: dict) -> dict | None:
    method, params = request["method"], request.get("params", {})
    if method == "initialize":
        about = {"name": "bare", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": script["tools"]}
    if method == "tools/call":
        return script.get("results", {}).get(params["name"])
    return None


if "stubborn" in script:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        time.sleep(1000)
    with open(script["stubborn"], "w") as file:
        file.write(f"{os.getpid()} {child}")

for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    raw = script.get("raw", {}).get(request.get("params", {}).get("name"))
    if raw is not None:
        for text in raw:
            write(text.replace("ID", str(request["id"])))
        continue
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    result = result_of(request)
    known = {"result": result} if result is not None else {"error": {"code": -32601, "message": "no such method"}}
    write(json.dumps(answer | known))

if "stubborn" in script:
    time.sleep(1000)
