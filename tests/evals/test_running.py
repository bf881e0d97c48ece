"""Questions to a server that is busy, broken or gone: what was answered is kept, and nothing is counted twice or as wrong."""

import asyncio

import pytest

from ponder.engine.openai_profile import OpenAiProfile, Patience
from ponder.evals.running import Prices, run
from ponder.evals.server_answers import ServerAnswers
from ponder.evals.store import Store, read
from ponder.verifiers.verification import Verification
from tests.engine.openai_fake import chat, response
from tests.evals.sums import a_manifest, a_protocol, problems, questions

QUICK = Patience(attempts=3, backoff_s=0.001, retry_s=5.0, answer_s=20.0)
BUSY = response({"error": {"message": "too many requests"}}, 429)


def asked(tmp_path, server, protocol, count, concurrent=2, prices=None):
    """Runs what is not there yet; returns the evaluation."""

    async def main():
        answerer = ServerAnswers(OpenAiProfile(server.url, "m"), concurrent, QUICK)
        store = Store(tmp_path, a_manifest(protocol, count), problems(protocol, count))
        try:
            await run(answerer, questions(protocol, count), store, verification, prices or Prices())
        finally:
            store.close()
            await answerer.close()

    with Verification(workers=1) as verification:
        asyncio.run(main())
    return read(tmp_path)


def acts(*each):
    """An act for each request, or the bytes of a response; the last one for all further."""

    async def act(asked_, writer):
        one = each[min(asked_.number, len(each) - 1)]
        writer.write(one(asked_) if callable(one) else one)

    return act


def right(asked_) -> bytes:
    """Answers n+n with 2n."""
    n = int(asked_.body["messages"][-1]["content"].partition("+")[0])
    return response(chat(f"<think>so</think>It is \\boxed{{{2 * n}}}"))


def test_answers_are_judged_and_kept_with_their_thoughts_apart(tmp_path, fake_openai):
    protocol = a_protocol(samples=2)
    found = asked(tmp_path, fake_openai(acts(right)), protocol, 3, prices=Prices(1.0, 2.0))
    assert [(s.status, s.reasoning, s.sample) for s in found.samples] == [("correct", "so", n) for n in (0, 1)] * 3
    assert len({sample.seed for sample in found.samples}) == 6
    assert all(sample.cost == 0 for sample in found.samples)  # the server counts no tokens


def test_a_busy_server_is_asked_again(tmp_path, fake_openai):
    server = fake_openai(acts(BUSY, right))
    found = asked(tmp_path, server, a_protocol(), 3, concurrent=1)
    assert [s.status for s in found.samples] == ["correct"] * 3 and len(server.asked) == 4


HALF = response(b'{"choices": [{"message": {"content": "2')
FAILED = response({"error": {"message": "no"}}, 500)


@pytest.mark.parametrize("broken", [BUSY, FAILED, b""], ids=["429", "500", "nothing"])
def test_what_may_pass_is_asked_again_and_then_given_up_for_one_question(tmp_path, fake_openai, broken):
    server = fake_openai(acts(broken, broken, broken, right))
    found = asked(tmp_path, server, a_protocol(), 3, concurrent=1)
    assert [(s.status, s.score) for s in found.samples] == [("error", None), ("correct", 1.0), ("correct", 1.0)]
    assert found.samples[0].failure and len(server.asked) == QUICK.attempts + 2


@pytest.mark.parametrize("broken", [response({"error": {"message": "no"}}, 400), response({"choices": []}), HALF])
def test_what_has_no_answer_is_no_wrong_answer_and_is_asked_again_by_the_next_run(tmp_path, fake_openai, broken):
    protocol = a_protocol()
    found = asked(tmp_path, fake_openai(acts(broken, right)), protocol, 3, concurrent=1)
    assert [(s.status, s.score) for s in found.samples] == [("error", None), ("correct", 1.0), ("correct", 1.0)]
    assert found.samples[0].failure
    server = fake_openai(acts(right))
    again = asked(tmp_path, server, protocol, 3)
    assert [s.status for s in again.samples] == ["correct"] * 3 and len(server.asked) == 1


def test_a_server_that_fails_always_is_given_up_and_what_was_answered_is_kept(tmp_path, fake_openai):
    server = fake_openai(acts(right, right, response({"error": {"message": "no"}}, 400)))
    with pytest.raises(ConnectionError, match=r"the last 16 questions had no answer.*the same command goes on"):
        asked(tmp_path, server, a_protocol(), 40, concurrent=1)
    assert len(server.asked) == 18
    assert sum(s.status == "correct" for s in read(tmp_path).samples) == 2
