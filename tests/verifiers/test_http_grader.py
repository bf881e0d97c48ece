"""A grader over real HTTP: what a judge that is another machine's may do, and what becomes of it."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from ponder.tasks import Task
from ponder.verifiers import Response, Verification
from ponder.verifiers.batches import BatchGrader, BatchLimits

WAIT_S = 20.0


class Judge(BaseHTTPRequestHandler):
    """Scores texts by their share of vowels; some texts are commands."""

    let_go = threading.Event()
    sizes: list[int]

    def do_POST(self):
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.sizes.append(len(texts))
        if "hang" in texts:
            self.let_go.wait(WAIT_S)
        if "fail" in texts:
            return self.send_error(503, "no model is loaded")
        scores = [math.nan if text == "nan" else sum(c in "aeiou" for c in text) / len(text) for text in texts]
        body = json.dumps(scores[1:] if "short" in texts else scores).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def judge():
    Judge.let_go, Judge.sizes = threading.Event(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Judge.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def vowels(url: str, **limits) -> BatchGrader:
    client = httpx.AsyncClient(base_url=url, timeout=None)

    async def grade(batch):
        reply = await client.post("/", json=[one.response.content for one in batch])
        return reply.raise_for_status().json()

    return BatchGrader("vowels", grade, BatchLimits(**limits), cleanup=client.aclose)


def ask(verification: Verification, content: str, reward="task"):
    task = Task(({"role": "user", "content": "Q"},), "any", "vowels", None, metadata={"reward": reward})
    return verification.submit(task, Response("", content, thinking_closed=True, truncated=False))


def test_many_responses_travel_together_and_compose_with_rules(judge):
    words = ["aei", "abcd", "bcd", "ae bc fg"] * 4
    gate = {"gate": [{"verifier": "length", "reference": {"max_words": 2}}], "then": "task"}
    with Verification(graders={"vowels": vowels(judge, size=8, wait_s=0.2)}) as verification:
        verdicts = [future.result(WAIT_S) for future in [ask(verification, word, gate) for word in words]]
    assert [(v.status, v.score) for v in verdicts[:4]] == [
        ("correct", 1.0),
        ("wrong", 0.25),
        ("wrong", 0.0),
        ("wrong", 0.0),
    ]
    assert verdicts[3].parts[0].verdict.reason.startswith("3 words")
    assert sum(Judge.sizes) == 12 and max(Judge.sizes) <= 8 and len(Judge.sizes) < 12


def test_failures_of_the_other_machine_are_never_scores(judge):
    with Verification(graders={"vowels": vowels(judge, size=1, deadline_s=1.0)}) as verification:
        futures = {content: ask(verification, content) for content in ("fail", "short", "nan", "hang", "aei")}
        verdicts = {content: future.result(WAIT_S) for content, future in futures.items()}
    assert {content: (v.status, v.score) for content, v in verdicts.items()} == {
        "fail": ("error", None),
        "short": ("error", None),
        "nan": ("error", None),
        "hang": ("timeout", None),
        "aei": ("correct", 1.0),
    }
    assert "503 no model is loaded" in verdicts["fail"].reason
    assert verdicts["short"].reason == "vowels: it was asked for a list of 1 answers and gave 0 answers"


def test_a_machine_that_is_not_there_is_an_error(judge):
    with Verification(graders={"vowels": vowels("http://127.0.0.1:9")}) as verification:
        verdict = ask(verification, "aei").result(WAIT_S)
    assert (verdict.status, verdict.score) == ("error", None) and "ConnectError" in verdict.reason


def test_closing_does_not_wait_for_the_other_machine(judge):
    verification = Verification(graders={"vowels": vowels(judge)})
    future = ask(verification, "hang")
    while not Judge.sizes:  # until it has the request
        threading.Event().wait(0.01)
    verification.close()
    assert future.cancelled()
