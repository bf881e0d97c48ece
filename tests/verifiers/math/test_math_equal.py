import subprocess
import sys
import threading
import time

import pytest

from ponder.tasks import Task
from ponder.verifiers import Response, Verdict
from ponder.verifiers.math import compare, decide, reference_text
from ponder.verifiers.verifier import Job
from tests.verifiers.math.math_right import RIGHT
from tests.verifiers.math.math_wrong import WRONG


def status(answer: str, reference: str) -> str:
    """Of a comparison that no worker may be asked for."""
    verdict = compare(answer, reference)
    assert isinstance(verdict, Verdict)
    return verdict.status


@pytest.mark.parametrize(("reference", "answer"), RIGHT)
def test_right(reference, answer):
    assert status(answer, reference) == "correct"


@pytest.mark.parametrize(("reference", "answer"), WRONG)
def test_wrong(reference, answer):
    assert status(answer, reference) != "correct"


@pytest.mark.parametrize("reference", sorted({reference for reference, _ in RIGHT + WRONG if reference != "{}"}))
def test_every_reference_is_right_for_itself(reference):
    assert status(reference, reference) == "correct"


def test_every_thread_says_the_same():
    pairs = RIGHT + WRONG
    expected = [compare(answer, reference) for reference, answer in pairs]
    found = {}

    def verification(name):
        found[name] = [compare(answer, reference) for reference, answer in reversed(pairs)][::-1]

    threads = [threading.Thread(target=verification, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [expected] * 4


@pytest.mark.parametrize(
    "answer",
    [
        r"\log_{y}(\sqrt[x]{10^{400}+y}) \pm x \pm \sqrt[3]{y} \pm 1",
        r"(10^{400} + x)^{y+2} \pm (10^{400})^{x} \pm 0.25",
    ],
)
def test_a_comparison_is_bounded_in_cpu_time(answer):
    began = time.process_time()
    assert compare(answer, r"7\pi x").status == "wrong"
    assert time.process_time() - began < 1.0  # 0.2 s; a slow processor may need some more


def test_the_reason_says_what_was_wrong():
    assert compare("6 or 7", "7").reason == "alternatives are given where one answer is asked for"
    assert compare("8", "7").reason == "not equal"
    assert compare("(" * 60 + "x" + ")" * 60, "x^2").reason == "over budget: nested deeper than 25 levels"
    sums = r"\sum_{k=1}^{2000}\sum_{j=1}^{2000} \frac{1}{k+j}"
    assert compare(sums, r"\sqrt{2}").reason == "over budget: more than 120,000 steps"
    assert "cannot be read" in compare("8\u202e", "7").reason


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("7", "9^{9^{9^{9}}}"),
        ("7", "99999999!"),
        ("7", r"\sum_{k=1}^{10^{12}} \frac{1}{k}"),
        ("7", r"\sum_{k=1}^{2000}\sum_{j=1}^{2000} \frac{1}{k+j}"),
        ("7", r"\int_0^1 x^{x^{x^{x}}} dx"),
        ("10^{10^{10}}", r"\int_0^1 x dx"),
        ("7", r"\binom{10^{400}+1}{\sqrt{2}}"),
        ("7", r"\log_{e} \binom{1}{\log_{i} 1}!"),
        ("2", r"\begin{pmatrix}" + r"1&2\\" * 40 + r"\end{pmatrix}^8"),
        ("7", r"\infty-\infty"),
        ("7", r"\binom{10^{20}}{10^{10}}"),
        ("10^{10^{10}}", "7"),
        ("9^{9^{9^{9}}}", "9^{9^{9^{8}}}"),
        (r"\sqrt{2}", r"\prod_{k=1}^{2000} k^k"),
        (",".join(rf"\sqrt{{{k}}}" for k in range(2, 99)), ",".join(rf"\sqrt{{{k}+0}}" for k in range(100, 3, -1))),
        ("x^2", "+".join(["x^{100000}"] * 100)),
    ],
)
def test_what_would_take_long_is_decided_by_budgets(reference, answer):
    assert status(answer, reference) == "wrong"


def test_powers_are_compared_without_writing_them_out():
    assert status("2^{10^{12}}", r"4^{5\cdot 10^{11}}") == "correct"
    assert status("2^{10^{12}}", r"4^{5\cdot 10^{11}+1}") == "wrong"
    assert status("(x+1)^{100000}", "(1+x)^{100000}") == "correct"
    assert status(r"10^{400}+1", r"10^{400}") == "wrong"


def test_only_references_with_integrals_and_limits_go_to_a_worker():
    job = compare(r"\frac{1}{2}", r"\int_0^1 x\,dx")
    assert isinstance(job, Job)
    assert job.request == {
        "run": "ponder.verifiers.math.fallback:compare",
        "reference": r"\int_0^1 x\,dx",
        "answer": r"\frac{1}{2}",
    }
    for asked in (r"\lim_{x\to 0}\frac{\sin x}{x}", r"\sum_{n=1}^{\infty}\frac{1}{n^2}", r"\frac{d}{dx} x^2"):
        assert isinstance(compare("7", asked), Job)
        # An answer alone must not send anybody to work: its running out of time would take it out of the loss.
        assert isinstance(compare(asked, "7"), Verdict)
    hidden = (r"\int_0^1 \phantom{7}", r"\int_0^1 x dx \text{ is not } 7", r"\int_0^1 x dx = 7", r"\int_0^1 x, 7")
    for answer in ("\\write18{sleep 20}", "no idea", "exit()", "\\heartsuit", "x\\heartsuit", *hidden):
        assert isinstance(compare(answer, r"\int_0^1 x\,dx"), Verdict)


def test_the_worker_takes_no_fragment_of_an_answer():
    pytest.importorskip("sympy")
    from ponder.verifiers.math import fallback

    def judged(answer, reference):
        return fallback.compare({"reference": reference, "answer": answer})["status"]

    assert judged(r"\int_0^1 x\,dx", r"\frac{1}{2}") == "correct"
    assert judged(r"\frac{d}{dx} x^2", "2x") == "correct"
    assert judged(r"\lim_{x\to 0}\frac{\sin x}{x}", "1") == "correct"
    for answer in (r"\int_0^3", r"\lim 3", r"\sum_{n=1}^\infty 3", r"\int_0^1 3x dx"):
        assert judged(answer, "3") != "correct"
    assert judged(r"\lim_{x\to 0} x", "5") == judged(r"\frac{d}{dx} x^2", "x") == "wrong"


def test_sympy_is_not_imported():
    code = (
        "import sys; from ponder.verifiers.math import compare\n"
        "print(compare('\\\\sqrt{8}', '2\\\\sqrt{2}').status, 'sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "correct False\n"


def said(content: str) -> Response:
    return Response("", content, thinking_closed=True, truncated=False)


@pytest.mark.parametrize(
    ("reference", "content", "expected"),
    [
        ("7", r"first \boxed{6}, so \boxed{7}", "correct"),
        ("7", r"first \boxed{7}, so \boxed{6}", "wrong"),
        ("7", r"\boxed{7} or \boxed{8}", "wrong"),
        ("6, 8", r"\boxed{8} and \boxed{6}", "correct"),
        ("7", r"\boxed{}", "unparseable"),
        ("7", "I cannot say.", "unparseable"),
        ("7", "It must be $7$.", "correct"),
        ("28\\%", r"$\boxed{28}$ pct", "correct"),
        (["1", "2"], r"\boxed{2, 1}", "correct"),
    ],
)
def test_verdicts_on_responses(reference, content, expected):
    task = Task(({"role": "user", "content": "Q"},), "math", "math", reference)
    assert decide(task, said(content)).status == expected


def test_reference_text():
    assert reference_text(204) == "204"
    assert reference_text(["1", "2"]) == "1, 2"
    assert reference_text(r"so \boxed{3}") == "3"
    assert reference_text(r"\boxed{1} papers and \boxed{2} bins") == "1, 2"
    assert reference_text(r"$\boxed{1}\boxed{2}$") == "1, 2"
    assert reference_text(r"\boxed{1} gives then at last \boxed{2}") == "2"
    assert reference_text(r"It is $100. Final Answer: The final answer is $28 \%$. I hope it is correct.") == r"$28 \%$"
    for nothing in (None, "", [], " "):
        with pytest.raises(ValueError, match="needs a reference answer"):
            reference_text(nothing)
