"""A chat API that plays scenes: what the tests of the chat page talk to. It speaks the wire as DashScope and OpenAI do."""

import asyncio
import json
import socket
import threading
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, StreamingResponse

from ponder.clients.page import mount

MODEL = "scenes"


@dataclass(frozen=True)
class Scene:
    """What the model does when the last message is a scene's name. `hold`: it goes no further than this, until it is
    told to answer now, or the client hangs up. `thinking` None: it does not think."""

    thinking: str | None = None
    content: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: str = "stop"
    thinking_end: str | None = "model"
    stop_reason: str | None = None
    rope_factor: float = 1.0
    hold: str = ""
    refuse: str = ""


@dataclass
class Api:
    """`asked`: the bodies of all requests. `hung_up`: how many clients have left before the end."""

    scenes: dict[str, Scene]
    api_key: str = ""
    asked: list[dict] = field(default_factory=list)
    continued: list[dict] = field(default_factory=list)
    hung_up: int = 0
    answer_now: dict[str, asyncio.Event] = field(default_factory=dict)
    control: bool = True
    change: threading.Condition = field(default_factory=threading.Condition)

    def wait_hung_up(self, count: int) -> None:
        """Until so many clients have left."""
        with self.change:
            assert self.change.wait_for(lambda: self.hung_up >= count, timeout=30)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models(request: Request):
            if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
                return error(401, "Incorrect API key provided")
            return {"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 4096}]}

        @app.post("/v1/chat/completions")
        async def chat(request: Request):
            body = await request.json()
            self.asked.append(body)
            if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
                return error(401, "Incorrect API key provided")
            scene = self.scenes[body["messages"][-1]["content"]]
            if scene.refuse:
                return error(400, scene.refuse)
            return StreamingResponse(self._play(scene, body), media_type="text/event-stream")

        @app.post("/v1/chat/completions/control")
        async def control(request: Request):
            body = await request.json()
            if not self.control or body["id"] not in self.answer_now:
                return error(404, "no such answer")
            assert body["action"] == "reasoning_end"
            self.answer_now[body["id"]].set()
            return {"id": body["id"], "success": True}

        @app.post("/tokenize")
        async def tokenize(request: Request):
            body = await request.json()
            text = body.get("prompt") or json.dumps(body["messages"])
            return {"tokens": [ord(letter) for letter in text], "count": len(text)}

        @app.post("/v1/completions")
        async def completions(request: Request):
            body = await request.json()
            self.continued.append(body)
            return StreamingResponse(self._more(body), media_type="text/event-stream")

        return app

    async def _play(self, scene: Scene, body: dict):
        name = f"chatcmpl-{len(self.asked)}"
        head = {"id": name, "object": "chat.completion.chunk", "model": body["model"], "created": 1}
        self.answer_now[name] = told = asyncio.Event()
        count = {"reasoning": 0, "all": 0}

        def usage() -> dict:
            return {
                "prompt_tokens": 10,
                "completion_tokens": count["all"],
                "total_tokens": 10 + count["all"],
                "completion_tokens_details": {"reasoning_tokens": count["reasoning"]},
                "rope_factor": scene.rope_factor,
            }

        def chunk(delta: dict, **more) -> str:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None} | more
            return event(head | {"choices": [choice], "usage": usage()})

        complete = False
        thinks = scene.thinking is not None and body.get("enable_thinking") is not False
        try:
            opening = {"content": None, "reasoning_content": ""} if thinks else {"content": ""}
            yield chunk({"role": "assistant"} | opening)
            for letter in scene.thinking if thinks else "":
                count["reasoning"] += 1
                count["all"] += 1
                yield chunk({"content": None, "reasoning_content": letter, "reasoning": letter})
                await asyncio.sleep(0)
            if scene.hold == "thinking" and thinks:
                await told.wait()
            for letter in scene.content:
                count["all"] += 1
                yield chunk({"content": letter})
                await asyncio.sleep(0)
            if scene.hold == "content":
                await asyncio.Event().wait()
            for index, (function, arguments) in enumerate(scene.calls):
                start = {"id": f"call_{index}", "type": "function", "function": {"name": function, "arguments": ""}}
                yield chunk({"tool_calls": [{"index": index} | start]})
                for letter in arguments:
                    yield chunk({"tool_calls": [{"index": index, "function": {"arguments": letter}}]})
            end = ("user" if told.is_set() else scene.thinking_end) if thinks else None
            finish = "tool_calls" if scene.calls else scene.finish
            yield chunk({"content": ""}, finish_reason=finish, reasoning_stop_reason=end, stop_reason=scene.stop_reason)
            yield event(head | {"choices": [], "usage": usage()})
            yield "data: [DONE]\n\n"
            complete = True
        finally:
            with self.change:
                self.hung_up += not complete
                self.change.notify_all()

    async def _more(self, body: dict):
        said = "".join(map(chr, body["prompt"]))
        text = " and so on" if "</think>" in said else " more thought\n</think>\n\nthe rest"
        for letter in text:
            choice = {"index": 0, "text": letter, "finish_reason": None, "token_ids": [ord(letter)]}
            yield event({"id": "cmpl-1", "choices": [choice]})
        choice = {"index": 0, "text": "", "finish_reason": "stop", "stop_reason": None, "token_ids": []}
        yield event({"id": "cmpl-1", "choices": [choice]})
        yield "data: [DONE]\n\n"


class Server:
    """An application behind real HTTP, in a thread of its own, with the chat page where `page` names its model."""

    def __init__(self, app: FastAPI, page: str = "", port: int = 0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.let_go = mount(app, f"{self.url}/v1", page) if page else None
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self.thread.start()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.server.serve(sockets=[self.listener])

    def close(self) -> None:
        if self.let_go:
            self.loop.call_soon_threadsafe(self.let_go)
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()


def event(body: dict) -> str:
    return f"data: {json.dumps(body)}\n\n"


def error(status: int, message: str) -> JSONResponse:
    kind = "invalid_request_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": None}}, status)
