"""Rollouts of PrimeIntellect's verifiers (0.4 or later) rewarded by the math verifier. Prints one line of JSON.

The library's own agent, interception server and client run; the model is a server here that answers from a list.
Run by an interpreter that has verifiers and what Ponder needs.
"""

import asyncio
import json
import os
import sys
from importlib.metadata import version

import httpx
import verifiers.v1 as vf
from aiohttp import web
from verifiers.v1.harnesses.null import NullHarness, NullHarnessConfig

from ponder.verifiers.adapters.verifiers import score

# (reply, finish reason, reference); the second needs a worker process, the last has no usable reference.
ROWS = [
    ("so \\boxed{4}", "stop", "4"),
    ("\\boxed{\\frac{1}{2}}", "stop", "\\int_0^1 x\\,dx"),
    ("<think>4?</think>\\boxed{5}", "stop", "4"),
    ("it may be \\boxed{4}", "length", "4"),
    ("\\boxed{4}", "stop", ""),
]


class MathData(vf.TaskData):
    answer: str


class MathTask(vf.Task[MathData]):
    @vf.reward
    async def correct(self, trace: vf.Trace) -> float:
        return await score("math", trace, self.data.answer)


async def plugged(task: MathData, trace: vf.Trace) -> float:
    """The same as a function that a task's configuration names."""
    return await score("math", trace, task.answer)


class InProcess(NullHarness):
    """Asks the model once, from this process: the library's own programs want a network to install themselves."""

    async def setup(self, runtime) -> None:
        pass

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, **_):
        body = {"model": ctx.model, "messages": [{"role": "user", "content": data.prompt}]}
        async with httpx.AsyncClient() as client:
            headers = {"Authorization": f"Bearer {secret}"}
            (await client.post(f"{endpoint}/chat/completions", json=body, headers=headers)).raise_for_status()
        return vf.ProgramResult(exit_code=0, stdout="", stderr="")


async def main() -> None:
    os.environ["MODEL_KEY"] = "none"
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    agent = vf.make_agent(
        vf.AgentConfig(
            model="listed",
            harness=NullHarnessConfig(id="null"),
            client=vf.EvalClientConfig(base_url=address, api_key_var="MODEL_KEY"),
            runtime=vf.SubprocessConfig(),
        )
    )
    agent.harness = InProcess(agent.config.harness)
    plugs = vf.TaskConfig(rewards={"correct": {"fn": f"{__file__}:plugged"}})
    report = {"verifiers": version("verifiers")}
    for name, config in (("method", None), ("plugged", plugs)):
        tasks = [MathTask(MathData(idx=i, prompt=f"{i}", answer=row[2]), config) for i, row in enumerate(ROWS)]
        traces = await asyncio.gather(*(agent.run(task) for task in tasks))
        report[name] = [
            {
                "ok": trace.ok,
                "correct": trace.rewards["correct"].score if trace.rewards.get("correct") else None,
                "error": trace.last_error.message if trace.last_error else None,
            }
            for trace in traces
        ]
    await runner.cleanup()
    sys.stdout.write(json.dumps(report) + "\n")


async def complete(request: web.Request) -> web.Response:
    """A chat completion: the reply of the row whose number is the prompt."""
    body = await request.json()
    reply, finish_reason, _ = ROWS[int(body["messages"][-1]["content"])]
    choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
    return web.json_response(answer | {"usage": usage})


if __name__ == "__main__":
    asyncio.run(main())
