"""What people see of an evaluation."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.evals.choices import shuffled
from ponder.evals.diff import diff
from ponder.evals.published import differences, published
from ponder.evals.records import BUDGET
from ponder.evals.report_chart import bar_chart
from ponder.evals.report_html import render_html
from ponder.evals.report_markdown import markdown
from ponder.evals.report_terminal import diff_table, score_table
from ponder.evals.scores import scores, scores_json
from ponder.evals.store import Evaluation
from ponder.tasks.task import Task
from tests.evals.making import evaluation, problem, protocol, sample
from tests.evals.printing import printed

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31m ]]> & \"'|` \ud800"


def hostile() -> Evaluation:
    asked = protocol("math500", 2)
    rows = [
        problem(
            "a", "math500", HOSTILE, messages=({"role": "user", "content": HOSTILE},), reference=HOSTILE, place=HOSTILE
        )
    ]
    words = {"reasoning": HOSTILE, "content": HOSTILE, "reason": HOSTILE, "parsed": HOSTILE}
    answers = [sample("a", i, s, "math500", **words) for i, s in enumerate(["correct", "wrong"])]
    manifest = evaluation({"a": ["wrong", "wrong"]}, asked=asked, model=HOSTILE).manifest
    return Evaluation(manifest, rows, answers)


class Page(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def thirty(samples: int) -> Evaluation:
    return evaluation({f"p{i}": (["correct", "wrong"] * samples)[i % 2 :][:samples] for i in range(30)})


def test_one_answer_to_thirty_problems_is_nowhere_a_bare_score():
    value = thirty(1)
    rows = scores(value)
    for shown in (printed(score_table(rows)), markdown(value), render_html(value), bar_chart(value.manifest, rows)):
        assert not re.search(r"\b50(\.0)?%|>50\.0<|\b50\.0 \(", shown)
        assert "33.2" in shown and "66.8" in shown


def test_a_score_stands_with_its_interval_everywhere():
    value = thirty(4)
    said = f"{50.0} ({100 * scores(value)[0].avg.low:.1f}-{100 * scores(value)[0].avg.high:.1f})"
    for shown in (printed(score_table(scores(value))), markdown(value), render_html(value)):
        assert said in shown and "avg@4" in shown and "maj@4" in shown
    assert json.loads(json.dumps(scores_json(value)))["scores"][0]["avg"]["value"] == 0.5


def test_the_page_is_inert_and_whole():
    page = render_html(hostile())
    page.encode()
    tags = Page(page).tags
    assert [t for t, _ in tags].count("script") == 1 and not [t for t, _ in tags if t in ("img", "link", "iframe")]
    assert not [a for _, a in tags for name in a if name.startswith("on") or name in ("src", "href")]
    assert "\x1b" not in page and page.count("&lt;script&gt;") >= 6, (
        "prompt, reference, thinking, answers and model are there"
    )
    assert any(a.get("data-status") == "correct wrong" for _, a in tags)
    assert {a["data-value"] for _, a in tags if a.get("data-filter") == "status"} == {"all", "correct", "wrong"}


def test_each_answer_says_the_letter_that_was_right_as_it_saw_the_choices():
    asked = ({"role": "user", "content": "Which?\n\nA. one\nB. two\nC. three"},)
    task = Task(asked, "choice", "choice", "B", metadata={"choices": ["one", "two", "three"]})
    orders = [shuffled(task, 0, number) for number in range(6)]
    assert len({one.reference for one in orders}) > 1
    value = evaluation({"a": ["wrong"] * 6}, asked=protocol("gpqa", 6, "choice", shuffle_choices=True))
    rows = [replace(value.problems[0], messages=asked, reference="B")]
    answers = [replace(s, messages=one.messages, choice_order=one.metadata["choice_order"], parsed="A")
               for s, one in zip(value.samples, orders, strict=True)]  # fmt: skip
    page = render_html(Evaluation(value.manifest, rows, answers))
    assert re.findall(r"as its choices stood: <code>(\w)</code>", page) == [one.reference for one in orders]
    assert "expected <code>B</code> in this order of the choices" in page
    assert "as its choices stood" not in render_html(value)


def test_an_answer_that_failed_says_why():
    value = evaluation({"a": ["correct"], "b": ["wrong"]})
    lost = sample("b", 0, "error", failure="HTTP 500 from the server", content="")
    page = render_html(Evaluation(value.manifest, value.problems, [value.samples[0], lost]))
    assert "HTTP 500 from the server" in page and "no answer" in page


def test_the_terminal_and_the_card_show_foreign_text_as_text():
    value = hostile()
    assert "\x1b" not in printed(score_table(scores(value)))
    assert "<script>" not in markdown(value) and "\x1b" not in markdown(value)


def test_the_chart_is_an_svg_that_fetches_nothing_and_tells_measured_from_published():
    value = hostile()
    root = ElementTree.fromstring(bar_chart(value.manifest, scores(value)))
    whole = ElementTree.tostring(root, encoding="unicode")
    assert "href" not in whole and "alert" in root.get("aria-label"), "a hostile name is text"
    fills = [r.get("fill") for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert "var(--pc-0)" in fills and "url(#pc-h1)" in fills, "filled, and hatched"
    assert "samples 2 against 64" in " ".join(t.text for t in root.iter("{http://www.w3.org/2000/svg}text"))


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=4),
        st.lists(st.sampled_from(["correct", "wrong", "error"]), min_size=1, max_size=2),
        max_size=4,
    )
)
def test_every_evaluation_has_a_report(answers):
    value = evaluation(answers)
    ElementTree.fromstring(bar_chart(value.manifest, scores(value)))
    assert "</html>" in render_html(value) and markdown(value).endswith("\n")
    printed(score_table(scores(value)))


def test_a_diff_shows_its_problems_and_its_test():
    shown = printed(
        diff_table(diff(evaluation({"a": ["correct"], "b": ["wrong"]}), evaluation({"a": ["wrong"], "b": ["wrong"]})))
    )
    assert (
        "regressed 100 to 0: What is a?" in shown
        and "exact McNemar test over 2 problems" in shown
        and "-50.0 (" in shown
    )


def test_published_scores_have_their_source():
    rows = {(r.model, r.bench): r for r in published()}
    assert len(rows) == len(published()), "one score for a model and a benchmark"
    expected = {"aime24": 79.5, "aime25": 69.5, "livecodebench": 63.4, "ifeval": 83.9, "bfcl": 66.4, "livebench": 73.1}
    assert {b: r.score for (m, b), r in rows.items() if m == "QwQ-32B"} == expected
    assert all(r.source.startswith("https://") for r in published())
    assert rows["DeepSeek-R1", "aime24"].score == 79.8 and rows["o1-mini", "aime24"].score == 63.6


@pytest.mark.parametrize(
    ("changed", "samples", "said"),
    [
        (None, 64, []),
        ({"max_tokens": [32768, 256]}, 64, ["max_tokens 256 against 32768"]),
        (None, 1, ["samples 1 against 64"]),
        ({BUDGET: [None, 512]}, 64, ["thinking budget 512"]),
    ],
)
def test_how_a_measurement_differs_from_a_published_score(changed, samples, said):
    asked = evaluation({"a": ["wrong"]}, asked=protocol(samples=samples), changed=changed).manifest.benchmarks["aime24"]
    qwq = next(r for r in published() if (r.model, r.bench) == ("QwQ-32B", "aime24"))
    r1 = next(r for r in published() if (r.model, r.bench) == ("DeepSeek-R1", "aime24"))
    assert differences(asked, qwq) == said and differences(asked, r1) == [*said, "top_k not stated"]
