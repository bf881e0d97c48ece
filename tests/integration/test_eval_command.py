"""`ponder eval` as people run it: a newborn, a suite of one's own, a kill, and the same command again."""

import json
import os
import signal
import subprocess
from collections import Counter

import pytest

from ponder.evals.store import SAMPLES, read
from tests.evals.making import evaluation, write
from tests.integration.eval_suites import command, told, write_suite
from tests.shared.fixtures import checkpoint  # noqa: F401 (fixture)


@pytest.fixture
def suite(tmp_path):
    return write_suite(tmp_path)


def answers(directory):
    return {(s.bench, s.problem, s.sample): (s.content, s.status, s.seed) for s in read(directory).samples}


def test_a_killed_evaluation_goes_on_and_ends_as_one_that_was_not(tmp_path, checkpoint, suite):  # noqa: F811
    asked = (checkpoint, "--bench", suite, "--concurrent", 4, "--memory", "200MB")
    code, _, said = told(*asked, "--to", tmp_path / "whole")
    assert code == 0, said
    process = subprocess.Popen(
        command(*asked, "--to", tmp_path / "cut"), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    lines = tmp_path / "cut" / SAMPLES
    while not lines.exists() or lines.read_bytes().count(b"\n") < 10:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = lines.read_bytes().count(b"\n")
    code, _, said = told(*asked, "--to", tmp_path / "cut")
    assert code == 0, said
    rows = Counter((row["problem"], row["sample"]) for row in map(json.loads, lines.read_text().splitlines()))
    assert 10 <= kept < 80 and len(rows) == 80 and set(rows.values()) == {1}
    assert answers(tmp_path / "cut") == answers(tmp_path / "whole")


def test_several_budgets_are_one_evaluation_that_goes_on(tmp_path, checkpoint, suite):  # noqa: F811
    asked = (checkpoint, "--bench", suite, "--memory", "200MB", "--rows", 3, "--budget", "8,0", "--to", tmp_path / "it")
    code, out, said = told(*asked)
    assert code == 0 and "knows no thinking" not in said, said
    names = [f"sums (thinking budget {budget}, 3 of 40 problems)" for budget in (0, 8)]
    assert all(name in out for name in names) and "by budget of thought" in out
    assert "</svg>" in (tmp_path / "it" / "budget.svg").read_text() and (tmp_path / "it" / "scaling.svg").exists()
    whole = answers(tmp_path / "it")
    found = {(s.bench, s.problem, s.sample): s for s in read(tmp_path / "it").samples}
    assert len(found) == 12, "three problems, two answers, two budgets"
    assert all(found[s.bench.replace("-8", "-0"), s.problem, s.sample].seed == s.seed for s in found.values())
    # As a kill in the middle of a line leaves it: what is lost is asked again, and nothing else.
    lines = tmp_path / "it" / SAMPLES
    half = lines.read_bytes().splitlines(keepends=True)
    lines.write_bytes(b"".join(half[:7]) + half[7][:40])
    code, _, said = told(*asked)
    assert code == 0 and "7 of them are there" in said, said
    assert answers(tmp_path / "it") == whole and lines.read_bytes().splitlines(keepends=True)[:7] == half[:7]


def test_ctrl_c_says_how_to_go_on(tmp_path, checkpoint, suite):  # noqa: F811
    asked = (checkpoint, "--bench", suite, "--concurrent", 1, "--memory", "200MB", "--to", tmp_path / "it")
    process = subprocess.Popen(command(*asked), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = tmp_path / "it" / SAMPLES
    while not lines.exists() or not lines.read_bytes():
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130 and "the same command goes on" in said and "Traceback" not in said


def test_a_server_that_is_not_there_is_said_and_nothing_is_wrong(tmp_path, suite):
    asked = ("http://127.0.0.1:9/v1", "--model", "it", "--bench", suite, "--rows", 1, "--samples", 1, "--concurrent", 1)
    code, out, said = told(*asked, "--to", tmp_path / "it", "--json")
    assert code == 1 and "had no answer; the same command asks them again" in said and "127.0.0.1:9" in said
    (score,) = json.loads(out)["scores"]
    assert score["avg"] is None and score["missing"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--bench", "gsmk8"), "gsm8k"),
        (("--bench", "gsm8k", "--data", "nowhere"), "gsm8k_test.jsonl"),
        (("--bench", "SUITE,SUITE"), "twice"),
        (("--bench", "SUITE", "--max-tokens", "100000"), "--max-tokens"),
        (("--bench", "SUITE", "--protocol", "qwq"), "qwq"),
        (("--bench", "SUITE", "--budget", "8,many"), "such as 0,128,512"),
        (("--bench", "SUITE", "--budget", "8,8"), "twice"),
        (("--bench", "SUITE", "--budget", "8,19"), "for a budget of 19 say --max-tokens 26 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path, checkpoint, suite, arguments, sentence):  # noqa: F811
    arguments = [argument.replace("SUITE", str(suite)) for argument in arguments]
    environment = os.environ | {"PONDER_DATA": "", "HF_HUB_OFFLINE": "1"}
    where = [*command(checkpoint, *arguments, "--memory", "200MB", "--to", tmp_path / "it")]
    done = subprocess.run(where, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "it" / SAMPLES).exists()


def test_two_protocols_in_one_diff_are_refused_with_what_differs(tmp_path):
    short = evaluation({"a": ["correct"]}, changed={"max_tokens": [32768, 256]})
    first, second = (
        write(tmp_path / name, value) for name, value in (("a", evaluation({"a": ["wrong"]})), ("b", short))
    )
    code, out, said = told("diff", first, second)
    assert code == 2 and not out and "max_tokens: 32768 against 256. Repeat one of the two" in said, said


def test_results_that_are_cut_in_half_are_read_as_far_as_they_go(tmp_path):
    directory = write(tmp_path / "it", evaluation({name: ["correct"] * 4 for name in "abc"}))
    content = (directory / SAMPLES).read_bytes()
    (directory / SAMPLES).write_bytes(content[: len(content) // 2])
    kept = content[: len(content) // 2].count(b"\n")
    code, out, said = told("report", directory)
    assert code == 0 and f"{12 - kept} of 12 answers are missing" in " ".join(out.split()), said
