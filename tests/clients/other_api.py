"""Servers of others, as a client meets them: OpenAI's chat API without Ponder's extensions, each in its own dialect."""

import asyncio
import json
import threading
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

MODEL = "other"
EXTENSIONS = ("chat_template_kwargs", "enable_thinking", "thinking_budget", "thinking_token_budget", "top_k", "min_p")
USAGE = {"prompt_tokens": 9, "completion_tokens": 8, "completion_tokens_details": {"reasoning_tokens": 5}}
# Deltas of a stream, by dialect; a dict with other keys is a chunk as it is.
SAID = [{"content": "It "}, {"content": "is 3."}]
STREAMS = {
    "bare": [{"role": "assistant"}, *SAID],
    "reasoning": [{"role": "assistant", "content": ""}, {"reasoning": "one "}, {"reasoning": "two"}, *SAID],
    "inline": [{"content": "<th"}, {"content": "ink>\none"}, {"content": " two</thi"}, {"content": "nk>\n\nIt is 3."}],
    "no_done": SAID,
    "breaks": SAID,
    "error": [*SAID, {"error": {"message": "out of memory"}}],
    "nulls": [{"content": None, "tool_calls": None}, *SAID, {"choices": None, "usage": None, "error": None}],
    "hostile": [
        {"reasoning": "a\x1b[2J\x1b]0;evil\x07"},
        {"content": "\x1b]0;evil\x07b\r\x9b31m\x7f \u202egnp.exe \ud800"},
        {"tool_calls": [{"index": 0, "function": {"name": "\x1b[31mf", "arguments": "\x1b[0m"}}]},
    ],
    "calls": [
        {"tool_calls": [{"function": {"name": "add", "arguments": '{"a": '}}]},
        {"tool_calls": [{"function": {"name": "add", "arguments": "1}"}}]},
    ],
    "cut": SAID,
    "hold": [{"reasoning": "I think"}],
    "filter": [],
}
FINISH = {"cut": "length", "filter": "content_filter", "calls": "tool_calls"}
REFUSALS = {
    "too long": (400, {"error": {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}}),
    "detail": (422, {"detail": "not so"}),
    "broken": (502, None),
}


@dataclass
class Other:
    """`strict`: what is not OpenAI's is refused. A message is the name of what comes; `asked`: bodies of all requests."""

    models: tuple[str, ...] = (MODEL,)
    api_key: str = ""
    strict: bool = False
    asked: list[dict] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client of "hold" has hung up

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models(request: Request):
            if refused := self._refused(request):
                return refused
            return {"data": [{"id": name} for name in self.models]}

        @app.post("/v1/chat/completions")
        async def chat(request: Request):
            body = await request.json()
            self.asked.append(body)
            if refused := self._refused(request) or self._unknown(body):
                return refused
            name = body["messages"][-1]["content"]
            if name == "whole":
                message = {"role": "assistant", "content": "It is 3.", "reasoning_content": "one two"}
                return {"id": "x", "choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
            if name in REFUSALS:
                status, told = REFUSALS[name]
                page = PlainTextResponse("<html><h1>Bad Gateway</h1></html>", status)
                return JSONResponse(told, status) if told else page
            return StreamingResponse(self._stream(name), media_type="text/event-stream")

        return app

    def _refused(self, request: Request):
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return JSONResponse({"error": {"message": "Incorrect API key"}}, 401)
        return None

    def _unknown(self, body: dict):
        names = [name for name in EXTENSIONS if name in body]
        names += ["stream_options.continuous_usage_stats"] if "continuous_usage_stats" in str(body) else []
        if self.strict and names:
            return JSONResponse({"error": {"message": f"Unknown parameter: '{names[0]}'."}}, 400)
        return None

    async def _stream(self, name: str):
        for delta in STREAMS[name]:
            whole = delta.keys() & {"choices", "error"}
            yield _event(delta if whole else {"id": "x", "choices": [{"index": 0, "delta": delta}]})
        if name in ("error", "breaks"):
            return
        if name == "hold":
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        finish = {"delta": {"content": None}, "finish_reason": FINISH.get(name, "stop")}
        yield _event({"choices": [finish]})
        if name != "no_done":
            if name == "reasoning":
                yield _event({"choices": [], "usage": USAGE})
            yield "data: [DONE]\n\n"


def _event(body: dict) -> str:
    return f"data: {json.dumps(body)}\n\n"
