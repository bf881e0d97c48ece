"""Grades by a rubric become verdicts, over real HTTP; equal questions are asked once, now and after a restart."""

import asyncio
import json
import threading

import pytest

from tests.engine.openai_fake import chat, response
from tests.verifiers.judge_model.asking import (
    GOOD,
    WAIT_S,
    asked_items,
    judge_all,
    judge_one,
    judging,
    parts_of,
    prompt_of,
    said,
    saying,
    task,
)

RIGHT, WRONG = '{"better": "A"}', '{"better": "B"}'
MANY = [{"name": f"item_{number}", "question": "Is it so?"} for number in range(8)]


def test_a_score_is_the_mean_by_weight_and_each_item_is_a_part(fake_openai):
    server = fake_openai(saying(lambda asked: GOOD))
    verdict = judge_one(server, task(reference="Hello!"))
    assert (verdict.status, verdict.score) == ("wrong", pytest.approx(0.9))
    assert [(part.name, part.verdict.score, part.weight) for part in verdict.parts] == [
        ("helpful", 1.0, 0.75),
        ("brief", 0.6, 0.25),
    ]
    assert verdict.reason == "0.90 by critic: helpful 10, brief 6 (of 10); it says: It is fine."
    assert json.loads(verdict.parsed) == {"helpful": 10, "brief": 6} and verdict.reference == "Hello!"
    assert parts_of(server.asked[0]) == {"question": "Say hello.", "reference answer": "Hello!", "answer": "Hello."}
    body = server.asked[0].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.0, 2048)


@pytest.mark.parametrize(("grade", "status", "score"), [(10, "correct", 1.0), (0, "wrong", 0.0)])
def test_the_ends_of_the_scale(fake_openai, grade, status, score):
    answer = json.dumps({"helpful": grade, "brief": grade})
    verdict = judge_one(fake_openai(saying(lambda asked: answer)), task())
    assert (verdict.status, verdict.score) == (status, score)


def test_the_thinking_of_a_judge_is_not_its_answer(fake_openai):
    async def act(asked, writer):
        writer.write(response(chat(GOOD, reasoning_content='{"helpful": 0, "brief": 0}')))

    assert judge_one(fake_openai(act), task()).score == pytest.approx(0.9)


def test_the_only_model_of_a_server_need_not_be_named(fake_openai):
    server = fake_openai(saying(lambda asked: GOOD))
    assert judge_one(server, task(), model=None).score == pytest.approx(0.9)
    assert [asked.path for asked in server.asked] == ["/v1/models", "/v1/chat/completions"]
    assert server.asked[1].body["model"] == "only"


def test_the_key_is_that_of_the_named_variable_and_fields_go_along(fake_openai, monkeypatch):
    monkeypatch.setenv("CRITIC_KEY", "sk-critic")
    server = fake_openai(saying(lambda asked: GOOD))
    judge_one(server, task(), key="CRITIC_KEY", fields={"reasoning_effort": "low"})
    assert server.asked[0].headers["authorization"] == "Bearer sk-critic"
    assert server.asked[0].body["reasoning_effort"] == "low"


# ---- pairwise ----


def prefers_the_answer(asked):
    return RIGHT if parts_of(asked)["answer A"] == "Hello." else WRONG


@pytest.mark.parametrize(
    ("judge", "score", "reason"),
    [
        (prefers_the_answer, 1.0, "better than the reference by critic, in both orders"),
        (
            lambda asked: WRONG if prefers_the_answer(asked) == RIGHT else RIGHT,
            0.0,
            "worse than the reference by critic",
        ),
        (lambda asked: '{"better": "tie"}', 0.5, "a tie by critic, in both orders"),
        (lambda asked: RIGHT, 0.5, "a tie by critic: answer in one order, reference in the other"),
        (lambda asked: WRONG, 0.5, "a tie by critic: reference in one order, answer in the other"),
    ],
)
def test_a_preference_counts_where_both_orders_agree(fake_openai, judge, score, reason):
    server = fake_openai(saying(judge))
    verdict = judge_one(server, task(reference="Hi.", mode="pairwise"))
    assert verdict.score == score and verdict.status == ("correct" if score == 1.0 else "wrong")
    assert verdict.reason.startswith(reason) and verdict.reference == "Hi."
    orders = [(parts["answer A"], parts["answer B"]) for parts in map(parts_of, server.asked)]
    assert orders == [("Hello.", "Hi."), ("Hi.", "Hello.")]


def test_one_unreadable_order_is_an_error_of_the_whole(fake_openai):
    server = fake_openai(saying(lambda asked: RIGHT if prefers_the_answer(asked) == RIGHT else "no"))
    verdict = judge_one(server, task(reference="Hi.", mode="pairwise"))
    assert (verdict.status, verdict.score) == ("error", None)


def test_without_a_reference_there_is_nothing_to_compare_with(fake_openai):
    server = fake_openai(saying(lambda asked: RIGHT))
    verdict = judge_one(server, task(mode="pairwise"))
    assert verdict.status == "error" and "compares answers with the task's reference" in verdict.reason
    assert not server.asked


# ---- items left out ----


def grades_for_all(asked):
    return json.dumps(dict.fromkeys(asked_items(asked), 10))


def items_of_steps(fake_openai, drop: float, draws) -> list[list[str]]:
    server = fake_openai(saying(grades_for_all))
    with judging(server) as verification:
        for draw in draws:
            verdict = judge_all(verification, [(task(rubric=MANY, drop=drop), said(f"draw {draw}"))], draw)[0]
            assert verdict.score == 1.0
    return [asked_items(asked) for asked in server.asked]


def test_a_step_leaves_out_items_by_counted_randomness(fake_openai):
    steps = items_of_steps(fake_openai, 0.5, range(30))
    assert steps == items_of_steps(fake_openai, 0.5, range(30)), "a pure function of the draw"
    assert len({tuple(items) for items in steps}) > 10
    assert 0.35 < sum(map(len, steps)) / (30 * len(MANY)) < 0.65


def test_never_are_all_left_out(fake_openai):
    assert {len(items) for items in items_of_steps(fake_openai, 0.99, range(20))} <= {1, 2}


def test_all_answers_of_a_step_are_asked_the_same_items(fake_openai):
    server = fake_openai(saying(grades_for_all))
    pairs = [(task(f"Question {n % 3}", rubric=MANY, drop=0.5), said(f"answer {n}")) for n in range(9)]
    with judging(server) as verification:
        judge_all(verification, pairs, draw=7)
    assert len({tuple(asked_items(asked)) for asked in server.asked}) == 1


def test_where_nothing_is_drawn_all_items_are_asked(fake_openai):
    assert items_of_steps(fake_openai, 0.9, [None]) == [[item["name"] for item in MANY]]


# ---- once ----


def test_equal_questions_are_asked_once_also_while_the_first_is_on_its_way(fake_openai):
    let_go, grades = threading.Event(), iter(range(10))

    async def act(asked, writer):
        while not let_go.is_set():
            await asyncio.sleep(0.01)
        writer.write(response(chat(json.dumps({"helpful": next(grades), "brief": 0}))))

    server = fake_openai(act)
    with judging(server) as verification:
        futures = [verification.submit(task(), said("Hello.")) for _ in range(8)]
        let_go.set()
        assert len({future.result(WAIT_S).score for future in futures}) == 1
    assert len(server.asked) == 1


def test_answers_on_disk_are_not_asked_again_and_give_the_same_verdicts(fake_openai, tmp_path):
    kept, numbers = tmp_path / "run" / "judge_answers.jsonl", iter(range(100))
    server = fake_openai(saying(lambda asked: json.dumps({"helpful": next(numbers) % 10, "brief": 3})))
    pairs = [(task(), said(f"answer {n}")) for n in range(6)]
    with judging(server, kept) as verification:
        first = judge_all(verification, pairs)
    with kept.open("ab") as file:
        file.write(b'{"judge": "critic", "ke')  # a kill in the middle of a line
    with judging(server, kept) as verification:
        assert judge_all(verification, [*pairs, (task(), said("another"))])[:6] == first
    assert len(server.asked) == 7 and len(kept.read_text().splitlines()) == 7


def test_what_cannot_be_read_on_disk_is_read_no_other_way_after_a_restart(fake_openai, tmp_path):
    server = fake_openai(saying(lambda asked: "nonsense"))
    for _ in range(2):
        assert judge_one(server, task(), answers=tmp_path / "kept.jsonl").status == "error"
    assert len(server.asked) == 1


def test_a_file_of_something_else_is_refused(fake_openai, tmp_path):
    (tmp_path / "kept.jsonl").write_text('{"question": "1+1"}\n')
    server = fake_openai(saying(lambda asked: GOOD))
    with (
        judging(server, tmp_path / "kept.jsonl") as verification,
        pytest.raises(ValueError, match=r"kept.jsonl, line 1: no answer of a judge"),
    ):
        verification.prepare([task()])


# ---- beside rules, and before a training ----


def test_no_judge_is_asked_behind_a_shut_gate_and_its_name_is_that_of_its_part(fake_openai):
    server = fake_openai(saying(lambda asked: GOOD))
    one = task()
    leaf = one.metadata["judge"]
    short = {"verifier": "length", "reference": {"max_words": 2}}
    reward = {"gate": [short], "then": {"sum": [{"weight": 1, "of": short}, {"weight": 1, "of": leaf}]}}
    plain = type(one)(one.messages, "chat", "format", None, metadata={"reward": reward})
    with judging(server) as verification:
        open_gate, shut_gate = judge_all(verification, [(plain, said("Hello.")), (plain, said("a b c d"))])
    assert open_gate.score == pytest.approx(0.95) and shut_gate.score == 0.0
    assert [part.name for part in open_gate.parts[-1].verdict.parts] == ["length", "critic"]
    assert len(server.asked) == 1


def test_a_judge_is_tried_once_before_a_training(fake_openai):
    server = fake_openai(saying(lambda asked: "I am no judge." if len(server.asked) < 2 else GOOD))
    with judging(server) as verification:
        verification.prepare([task(f"Question {n}") for n in range(5)])
        verification.prepare([task("Question 6")])
    assert len(server.asked) == 2, "the second could be read"
    assert "Question 1" in prompt_of(server.asked[1])


def test_a_judge_that_cannot_judge_is_refused_before_a_training(fake_openai):
    with judging(fake_openai(saying(lambda asked: "I am no judge."))) as verification:
        with pytest.raises(ValueError, match=r"judges.critic: it must judge before .* JSON object: 'I am no judge.'"):
            verification.prepare([task()])
        with pytest.raises(ValueError, match="Unknown judge 'critik'"):
            verification.prepare([task(judge="critik")])
        with pytest.raises(ValueError, match="there is none"):
            verification.prepare([task(mode="pairwise")])
