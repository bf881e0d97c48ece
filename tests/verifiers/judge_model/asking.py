"""Judges behind a real server that does what a test says, and tasks for them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from ponder.recipe.judge import JudgeServer
from ponder.tasks import Task
from ponder.verifiers import Response, Verdict, Verification
from tests.engine.openai_fake import Act, Asked, FakeOpenAi, chat, response

WAIT_S = 60.0  # for what must come, on a machine that is busy
RUBRIC = [
    {"name": "helpful", "question": "Does it do what is asked?", "weight": 3},
    {"name": "brief", "question": "Is it free of padding?"},
]
GOOD = 'It is fine.\n{"helpful": 10, "brief": 6}'


def task(question: str = "Say hello.", reference: str | None = None, **asked) -> Task:
    metadata = {"judge": {"judge": "critic", "rubric": RUBRIC} | asked}
    return Task(({"role": "user", "content": question},), "chat", "judge", reference, metadata=metadata)


def said(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


def judging(server: FakeOpenAi, answers: Path | None = None, **settings) -> Verification:
    """One judge, called critic, whose server is never waited for long."""
    judge = JudgeServer(url=server.url, **{"model": "m", "timeout_s": 20.0} | settings)
    return Verification(judges={"critic": judge}, answers=answers)


def judge_all(verification: Verification, pairs, draw: int | None = None) -> list[Verdict]:
    futures = [verification.submit(one, answer, draw) for one, answer in pairs]
    return [future.result(WAIT_S) for future in futures]


def judge_one(server: FakeOpenAi, asked: Task, answer: str = "Hello.", **settings) -> Verdict:
    with judging(server, **settings) as verification:
        return judge_all(verification, [(asked, said(answer))])[0]


def saying(answer: Callable[[Asked], str]) -> Act:
    """A server whose model answers each request as the function says."""

    async def act(asked, writer):
        if asked.path.endswith("/models"):
            writer.write(response({"object": "list", "data": [{"id": "only"}]}))
        else:
            writer.write(response(chat(answer(asked))))

    return act


def prompt_of(asked: Asked) -> str:
    return asked.body["messages"][-1]["content"]


def parts_of(asked: Asked) -> dict[str, str]:
    """The parts of a question to a judge, read as a judge is told to read them: by the mark that its system message names."""
    mark = re.search(r"\[\[begin (\w+) NAME\]\]", asked.body["messages"][0]["content"])[1]
    found = re.findall(rf"^\[\[begin {mark} ([^\]]+)\]\]\n(.*?)\n\[\[end {mark} \1\]\]$", prompt_of(asked), re.S | re.M)
    return dict(found)


def asked_items(asked: Asked) -> list[str]:
    """The items that the form at the end of a question names."""
    form = prompt_of(asked).rpartition("\n")[2]
    return list(json.loads(form.replace("NUMBER", "0")))
