"""Servers of judges that misbehave: an `error` verdict with a sentence, never a 0, never a wait without end."""

import asyncio

import pytest

from tests.engine.openai_fake import STREAM, chat, delta, in_turn, response
from tests.verifiers.judge_model.asking import GOOD, judge_all, judge_one, judging, said, saying, task


def refused(verdict, sentence: str) -> None:
    assert (verdict.status, verdict.score) == ("error", None), verdict
    assert verdict.reason.startswith("critic: ") and sentence in verdict.reason, verdict.reason


async def never(asked, writer):
    await asyncio.Event().wait()


async def slowly(asked, writer):
    """A byte now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endlessly(asked, writer):
    """100 MB of an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    writer.write(b'{"choices": [{"message": {"content": "')
    for _ in range(100):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (
            in_turn(response(chat("I'm sorry, I can't help with that."))),
            "it does not end with a JSON object: \"I'm sorry",
        ),
        (in_turn(response(chat(""))), "it is empty"),
        (in_turn(response(chat(None, refusal="no"))), "it is empty"),
        (in_turn(response(chat(GOOD, "length"))), "cut off at 2048 tokens (judges.critic.max_tokens)"),
        (in_turn(response(chat(GOOD, "content_filter"))), "content filter"),
        (in_turn(response(b"<html><body>Sign in</body></html>", kind="text/html")), "no answer in OpenAI's form"),
        (in_turn(response(b"<html>", 404, "text/html")), "answers 404"),
        (in_turn(response({"error": {"message": "wrong key"}}, 401)), "wants another API key: 401"),
        (in_turn(response({"error": {"message": "too long"}}, 400)), "refuses the request: 400"),
        (in_turn(response({"choices": []})), "there are no choices"),
        (in_turn(response(b"[1, 2]")), "no answer in OpenAI's form"),
        (in_turn(response(chat(["a"]))), "no answer in OpenAI's form"),
        (in_turn(STREAM + delta(content="{")), "broke off"),
        (endlessly, "sends more than 4 MiB: that is no answer"),
    ],
)
def test_it_is_an_error_that_says_why(fake_openai, act, sentence):
    refused(judge_one(fake_openai(act), task()), sentence)


@pytest.mark.parametrize("act", [never, slowly])
def test_a_judge_that_does_not_come_to_an_end_is_given_up(fake_openai, act):
    server = fake_openai(act)
    refused(judge_one(server, task(), timeout_s=0.3), "has not answered within 0.3 s")


def test_a_judge_that_is_gone_is_an_error(fake_openai):
    server = fake_openai(never)
    server.url = "http://127.0.0.1:9/v1"
    refused(judge_one(server, task(), timeout_s=0.5), "cannot be reached")


def test_a_busy_judge_is_asked_again_after_a_wait(fake_openai):
    busy = response({"error": {"message": "slow down"}}, 429, Retry_After="0.01")
    server = fake_openai(in_turn(busy, response(b"", 503), response(chat(GOOD))))
    assert judge_one(server, task()).score == pytest.approx(0.9)
    assert len(server.asked) == 3


def test_a_judge_that_stays_busy_is_an_error_in_time(fake_openai):
    server = fake_openai(in_turn(response({"error": {"message": "slow down"}}, 429, Retry_After="0")))
    refused(judge_one(server, task()), "asked 6 times")
    assert len(server.asked) == 6


def test_one_that_fails_spoils_no_other(fake_openai):
    server = fake_openai(saying(lambda asked: "?" if "odd" in asked.body["messages"][1]["content"] else GOOD))
    with judging(server) as verification:
        verdicts = judge_all(
            verification, [(task(), said(f"{kind} {n}")) for n in range(6) for kind in ("odd", "good")]
        )
    assert [verdict.status for verdict in verdicts] == ["error", "wrong"] * 6


def test_no_more_are_asked_at_a_time_than_the_bound(fake_openai):
    """Also where each verdict takes two requests."""

    async def act(asked, writer):
        for _ in range(50):  # others may begin meanwhile, if they may
            await asyncio.sleep(0)
        writer.write(response(chat('{"better": "tie"}')))

    server = fake_openai(act)
    with judging(server, concurrent=3) as verification:
        pairs = [(task(reference="Hi.", mode="pairwise"), said(f"answer {n}")) for n in range(12)]
        assert [verdict.score for verdict in judge_all(verification, pairs)] == [0.5] * 12
    assert len(server.asked) == 24 and server.most <= 3


def test_a_budget_that_is_used_up_is_an_error_that_says_so_and_counts_after_a_restart(fake_openai, tmp_path):
    server, kept = fake_openai(saying(lambda asked: GOOD)), tmp_path / "kept.jsonl"
    pairs = [(task(), said(f"answer {n}")) for n in range(6)]
    with judging(server, kept, requests=4) as verification:
        verdicts = judge_all(verification, pairs)
    assert sorted(verdict.status for verdict in verdicts) == ["error"] * 2 + ["wrong"] * 4
    with judging(server, kept, requests=5) as verification:
        again = judge_all(verification, pairs)
    assert [verdict for verdict in verdicts if verdict.score is not None] == [
        now for now, before in zip(again, verdicts, strict=True) if before.score is not None
    ], "what was answered costs nothing"
    (late,) = [verdict for verdict in again if verdict.status == "error"]
    refused(late, "its budget of 5 requests is used up (judges.critic.requests)")
    assert len(server.asked) == 5


def test_requests_that_failed_count_too(fake_openai, tmp_path):
    server, kept = fake_openai(in_turn(response(b"", 404))), tmp_path / "kept.jsonl"
    for sentence in ("404", "404", "used up"):
        refused(judge_one(server, task(), answers=kept, requests=2), sentence)
    assert len(server.asked) == 2


def test_rules_do_not_wait_for_a_judge(fake_openai):
    """Verdicts of rules, and of workers, come while all of a judge's requests hang."""
    from ponder.tasks import Task

    integral = Task(({"role": "user", "content": "?"},), "math", "math", r"\int_0^1 x\,dx")
    sums = Task(({"role": "user", "content": "1+1"},), "math", "math", "2")
    with judging(fake_openai(never)) as verification:
        waiting = [verification.submit(task(), said(f"answer {n}")) for n in range(40)]
        rules = judge_all(verification, [(sums, said(r"\boxed{2}"))] * 5 + [(integral, said(r"\boxed{1/2}"))])
        assert [verdict.status for verdict in rules] == ["correct"] * 6
        assert not any(future.done() for future in waiting)
    assert all(future.cancelled() for future in waiting), "closing does not wait for the judge"
