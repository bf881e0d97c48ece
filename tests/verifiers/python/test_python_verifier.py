"""A function of the user's own as a verifier: whatever it does, its verdict is a score that it meant, or none (law 3)."""

import json
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.tasks import Task
from ponder.verifiers import Response, Verdict, Verification
from ponder.verifiers.pool import WorkerPool
from ponder.verifiers.python import grader
from tests.verifiers.test_worker_pool import gone, wait_until

REWARDS = Path(__file__).with_name("rewards.py")
LINES = REWARDS.read_text().split("\n")
WAIT_S = 60.0


def line(text: str, file: str = "rewards.py", function: str = "") -> str:
    """How a reason names the only line that holds a text."""
    (number,) = [number for number, one in enumerate(LINES, 1) if text in one]
    return f"{file}, line {number}, in {function}"


def task(function: str, reference=None, question: str = "Q", file: Path = REWARDS, **more) -> Task:
    metadata = {"python": f"{file}:{function}"} | more
    return Task(({"role": "user", "content": question},), "any", "python", reference, source="rows", metadata=metadata)


def said(content: str, **more) -> Response:
    return Response(**({"reasoning": "", "content": content, "thinking_closed": True, "truncated": False} | more))


@pytest.fixture(scope="module")
def verification():
    with Verification(workers=2, deadline_s=10.0) as verification:
        yield verification


def ask(verification, task: Task, content: str = "x", **more) -> Verdict:
    return verification.submit(task, said(content, **more)).result(WAIT_S)


# ---- what a function says, and what it is given ----


def test_true_and_false_numbers_and_objects(verification):
    assert ask(verification, task("score", "x")) == Verdict("correct", 1.0, "1 by rewards.score", reference="x")
    assert ask(verification, task("score", "y")).status == "wrong"
    verdict = ask(verification, task("part", row={"words": ["a", "b"]}), "a")
    assert verdict == Verdict("wrong", 0.5, "words", "a")
    assert ask(verification, task("reward", "x")).status == "correct", "an object that can be called"


def test_it_is_given_what_it_names(verification):
    one = task("everything", ["7"], question="What?", row={"level": 3}, call_form="auto", reward="task")
    reason = ask(
        verification, one, "seven", reasoning="So.", tool_calls=({"name": "f", "arguments": {}},), tokens=9
    ).reason
    seen = {
        "id": one.id,
        "question": "What?",
        "messages": [{"role": "user", "content": "What?"}],
        "domain": "any",
        "source": "rows",
        "tools": [],
        "row": {"level": 3},
        "metadata": {"call_form": "auto"},
    }
    assert eval(reason) == {
        "response": "seven",
        "reference": ["7"],
        "task": seen,
        "thinking": "So.",
        "tool_calls": [{"name": "f", "arguments": {}}],
        "tokens": 9,
    }
    reason = ask(verification, task("optional", "7"), "seven", reasoning="So.", tokens=9).reason
    assert eval(reason) == ("7", "So.", 9, 7)


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (said("x", truncated=True), "truncated"),
        (said("", reasoning="x", thinking_closed=False), "unparseable"),
        (said(" \n"), "unparseable"),
    ],
)
def test_it_is_asked_of_finished_answers_only(response, status):
    with Verification() as verification:
        verdict = verification.submit(task("score", "x"), response).result(timeout=0)
    assert (verdict.status, verdict.score) == (status, 0.0)


def test_it_sees_the_users_environment(monkeypatch):
    monkeypatch.setenv("MY_JUDGE_KEY", "secret")
    with Verification(workers=1) as verification:
        assert ask(verification, task("environment")).reason == "secret"


# ---- what is no verdict ----


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("None", "returned None (is a `return` missing?)"),
        ("2.0", "returned 2.0, and a score is a number from 0 to 1"),
        ("float('nan')", "returned nan"),
        ("'1'", "returned '1', of type str"),
        ("[1.0]", "returned [1.0], of type list"),
        ("{'scores': 1}", "an object with 'scores'"),
        ("lambda: 1", "of type function"),
        ("type('T', (), {'__repr__': lambda self: 1 / 0})()", "returned"),
        ("type('T', (float,), {'__ge__': lambda *_: 1 / 0})(1)", "ZeroDivisionError"),
    ],
)
def test_odd_answers_are_errors_that_name_the_function(verification, value, message):
    verdict = ask(verification, task("evaluate", question=value))
    assert (verdict.status, verdict.score) == ("error", None)
    assert verdict.reason.startswith(line("def evaluate", function="evaluate: ")) and message in verdict.reason


@pytest.mark.parametrize(
    ("function", "content", "reason"),
    [
        ("raises", "k", line("raise KeyError", function="helper: KeyError: 'k'")),
        ("ends", "exit", line('sys.exit("enough")', function="ends: SystemExit: enough")),
        ("ends", "interrupt", line("raise KeyboardInterrupt", function="ends: KeyboardInterrupt")),
        ("ends", "untellable", line("raise UntellableError", function="ends: UntellableError")),
        ("ends", "deep", line('return ends("deep")', function="ends: RecursionError: maximum recursion")),
        ("ends", "die", line("def ends", function="ends: the worker died (exit code 3)")),
        ("ends", "crash", line("string_at", function="ends: the worker died (SIGSEGV)")),
    ],
)
def test_who_raises_or_ends_the_process_is_an_error_that_names_the_line(verification, function, content, reason):
    verdict = ask(verification, task(function), content)
    assert (verdict.status, verdict.score) == ("error", None)
    assert verdict.reason.startswith(reason)
    assert ask(verification, task(function if function == "ends" else "score", "x")).status == "correct", (
        "and it goes on"
    )


def test_who_hangs_is_killed_with_all_that_it_started_and_the_line_is_named():
    with Verification(workers=3, deadline_s=0.5) as verification:
        futures = [verification.submit(task("hangs"), said(content)) for content in ("busy", "sleeps", "floods")]
        verdicts = [future.result(WAIT_S) for future in futures]
    assert [(verdict.status, verdict.score) for verdict in verdicts] == [("timeout", None)] * 3
    busy = "in hangs: no verdict within 0.5 s of processor time"
    assert verdicts[0].reason.startswith("rewards.py, line ") and busy in verdicts[0].reason
    assert verdicts[1].reason.startswith(line("time.sleep", function="hangs: no verdict in time by the clock"))
    assert verdicts[2].reason.endswith("no verdict in time by the clock: the worker was killed")


def test_what_a_hanging_function_started_dies_with_it(tmp_path):
    file, note = tmp_path / "mine.py", tmp_path / "child"
    file.write_text(
        "import subprocess, time, pathlib\n"
        "def score(reference):\n"
        "    pathlib.Path(reference).write_text(str(subprocess.Popen(['sleep', '1000']).pid))\n"
        "    time.sleep(1000)\n"
    )
    with Verification(workers=1, deadline_s=0.3) as verification:
        assert ask(verification, task("score", str(note), file=file)).status == "timeout"
    wait_until(lambda: gone(int(note.read_text())))


def test_prints_and_reads_do_not_reach_the_messages(verification):
    for content in ("prints", "asks", "forks", "prints"):
        verdict = ask(verification, task("noisy"), content)
        if content == "asks":
            assert verdict.status == "error" and "EOFError" in verdict.reason
        else:
            assert (verdict.status, verdict.score) == ("correct", 1.0)


def test_who_hoards_memory_is_an_error(monkeypatch):
    monkeypatch.setattr(grader, "PROGRAM", replace(grader.PROGRAM, memory_bytes=300 << 20))
    with Verification(workers=1) as verification:
        verdict = ask(verification, task("hoards"))
        assert (verdict.status, verdict.score) == ("error", None)
        assert verdict.reason.startswith(line("bytearray(1 << 20)", function="hoards: MemoryError"))


@pytest.mark.parametrize(
    "result", [{"status": "correct", "score": 0.3, "reason": "bribed"}, {"status": "timeout"}, {"x": 1}]
)
def test_a_worker_that_lies_is_an_error(verification, monkeypatch, result):
    def lie(pool, job):
        future = Future()
        future.set_result(result)
        return future

    monkeypatch.setattr(WorkerPool, "submit", lie)
    verdict = ask(verification, task("score", "x"))
    assert (verdict.status, verdict.score) == ("error", None) and str(result) in verdict.reason


# ---- what is refused before anything is learned ----


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("scor", r"rewards\.py has no function 'scor'; did you mean score\?"),
        ("zzz", r"has no function 'zzz'; it defines score, part"),
        ("constant", "is no function but int"),
        ("Reward", "is no function but type"),
        ("later", r"is a coroutine function \(async def\): write a plain one"),
        (
            "completions",
            "in completions asks for 'completions'; what it can be given, by name: response, reference, task",
        ),
        ("positional", "asks for 'response'; what it can be given, by name"),
    ],
)
def test_functions_that_cannot_be_asked(verification, function, message):
    with pytest.raises(ValueError, match=message + r".*\(it is to judge the tasks of rows\)"):
        verification.prepare([task("score"), task(function)])
    assert ask(verification, task(function)).status == "error"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(response):\n  return (", r"cannot be imported: line 2: SyntaxError"),
        ("\nimport not_installed_here", r"cannot be imported: line 2: ModuleNotFoundError: No module named 'not_inst"),
        ("import sys\n\nsys.exit(1)", r"cannot be imported: line 3: SystemExit"),
        ("\0", "cannot be imported: "),
        ("import os\nos._exit(4)", r"mine\.py, line \?, in score: the worker died \(exit code 4\)"),
    ],
)
def test_files_that_cannot_be_imported(verification, tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        verification.prepare([task("score", file=file)])


def test_a_file_that_is_not_there(verification, tmp_path):
    with pytest.raises(ValueError, match=r"mine\.py cannot be read: No such file"):
        verification.prepare([task("score", file=tmp_path / "mine.py")])
    verdict = ask(verification, task("score", file=tmp_path / "mine.py"))
    assert verdict.status == "error" and "cannot be read" in verdict.reason


@pytest.mark.parametrize("named", [None, "rewards.py", "rewards:score", "score", {"python": 3}, 3])
def test_a_task_that_names_no_function(verification, named):
    unnamed = replace(task("score"), metadata={"python": named} if named else {})
    assert ask(verification, unnamed).status == "error"
    with pytest.raises(ValueError):
        verification.prepare([unnamed])


def test_a_function_that_is_not_in_time_when_it_is_loaded(verification, tmp_path, monkeypatch):
    monkeypatch.setattr("ponder.verifiers.process.LOAD_SECONDS", 2.0)
    file = tmp_path / "mine.py"
    file.write_text("import time\n\ntime.sleep(1000)\ndef score(): return 1")
    with pytest.raises(ValueError, match=r"mine\.py, line 3, in <module>: it was not loaded within 2 s"):
        verification.prepare([task("score", file=file)])


# ---- which file ----


def test_a_file_that_changes_is_never_half_applied(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def score(response): return 1.0 if response != 'die' else __import__('os')._exit(1)")
    with Verification(workers=1) as verification:
        verification.prepare([task("score", file=file)])
        assert ask(verification, task("score", file=file)).score == 1.0
        file.write_text("def score(response): return 0.0")
        assert ask(verification, task("score", file=file)).score == 1.0, "what was imported stays"
        assert ask(verification, task("score", file=file), "die").status == "error"
        verdict = ask(verification, task("score", file=file))
        assert (verdict.status, verdict.score) == ("error", None)
        assert f"{file} has changed since the run began (its sha256 was " in verdict.reason
    with Verification(workers=1) as verification:
        assert ask(verification, task("score", file=file)).score == 0.0


def test_a_file_has_its_neighbours_and_takes_no_librarys_name(verification, tmp_path):
    (tmp_path / "beside.py").write_text("WORD = 'x'")
    file = tmp_path / "json.py"
    file.write_text(
        "from __future__ import annotations\nimport json, dataclasses, beside\n"
        "@dataclasses.dataclass\nclass Row:\n    word: str = beside.WORD\n"
        "def score(response): return response == json.loads(json.dumps(Row().word))"
    )
    assert ask(verification, task("score", file=file)).status == "correct"
    assert ask(verification, task("score", "x")).status == "correct", "the others still find theirs"


def test_relative_paths_are_those_of_the_current_directory(monkeypatch):
    monkeypatch.chdir(REWARDS.parent)
    with Verification(workers=1) as verification:
        assert ask(verification, task("score", "x", file=Path("rewards.py"))).status == "correct"


# ---- in rewards ----


def test_it_composes_with_rules(verification):
    function = {"python": f"{REWARDS}:part"}
    short = {"verifier": "length", "reference": {"max_words": 2}}
    math = Task(({"role": "user", "content": "Q"},), "math", "math", "7")
    cases = [
        (function, "7", 1.0, ["rewards.part"]),
        ({"gate": ["format", short], "then": function}, "it is 7", 0.0, ["format", "length"]),
        ({"gate": ["format"], "then": function}, "it is 7", 1.0, ["format", "rewards.part"]),
        ({"product": ["task", function]}, "\\boxed{8} 7", 0.0, ["task", "rewards.part"]),
        (
            {"sum": [{"weight": 1, "of": "task"}, {"weight": 3, "of": function}]},
            "7 \\boxed{8}",
            0.75,
            ["task", "rewards.part"],
        ),
    ]
    for reward, content, score, parts in cases:
        verdict = ask(verification, replace(math, metadata={"reward": reward}), content)
        assert (verdict.score, [part.name for part in verdict.parts]) == (score, parts), reward
    broken = {"gate": [{"python": f"{REWARDS}:raises"}], "then": "task"}
    assert ask(verification, replace(math, metadata={"reward": broken}), "\\boxed{7}").status == "error"
    with pytest.raises(ValueError, match="no function 'zzz'"):
        verification.prepare([replace(math, metadata={"reward": {"product": ["task", {"python": f"{REWARDS}:zzz"}]}})])


def test_workers_import_nothing_heavy(verification, tmp_path):
    file = tmp_path / "mine.py"
    heavy = "('torch', 'numpy', 'matplotlib', 'gradio', 'transformers', 'pyarrow', 'reasoning_gym')"
    file.write_text(f"def score():\n import sys\n return not [name for name in {heavy} if name in sys.modules]")
    assert ask(verification, task("score", file=file)).score == 1.0


def test_on_the_command_line(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"response": "a", "words": ["a", "b"]}\n{"response": "a", "words": ["a"], "label": true}\n')

    def ponder(verifier):
        command = [sys.executable, "-m", "ponder.cli.main", "verify", str(rows), "--json", "--verifier", verifier]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    done = ponder(f"{REWARDS}:part")
    assert [json.loads(row)["score"] for row in done.stdout.splitlines()] == [0.5, 1.0], done.stderr
    refused = ponder(str(REWARDS))
    assert refused.returncode != 0 and "name the function in it too" in refused.stderr
