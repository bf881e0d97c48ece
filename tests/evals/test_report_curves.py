"""Pictures and rows of what more answers and more thought bring."""

from dataclasses import replace
from xml.etree import ElementTree

from ponder.evals.records import BUDGET, BenchmarkAsked
from ponder.evals.report_chart import bar_chart
from ponder.evals.report_curves import budget_pictures, scaling_pictures
from ponder.evals.report_html import render_html
from ponder.evals.report_markdown import markdown
from ponder.evals.report_svg import stacked
from ponder.evals.report_terminal import score_table
from ponder.evals.scores import scores, scores_json
from ponder.evals.store import Evaluation
from tests.evals.making import evaluation, manifest, problem, protocol, sample
from tests.evals.printing import printed

SVG = "{http://www.w3.org/2000/svg}"


def with_budgets(budgets=(0, 128, 512), problems=80, samples=1, **more) -> Evaluation:
    """Of each budget a larger share is correct, with as many tokens of thought."""
    asked, names = protocol("math500", samples), [f"math500-budget-{budget}" for budget in budgets]
    benchmarks = {
        name: BenchmarkAsked(asked, "m.jsonl", "d" * 64, problems, problems, {BUDGET: [None, budget]})
        for name, budget in zip(names, budgets, strict=True)
    }
    rows = [problem(f"p{n}", name) for name in names for n in range(problems)]
    answers = [
        sample(f"p{n}", i, "correct" if n % 10 <= 2 * at else "wrong", name, tokens=budget + 40,
               **{"reasoning_tokens": budget, **more})
        for at, (name, budget) in enumerate(zip(names, budgets, strict=True))
        for n in range(problems) for i in range(samples)
    ]  # fmt: skip
    return Evaluation(manifest(benchmarks), rows, answers)


def words(svg: str) -> str:
    return " ".join(text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_answers_are_drawn_against_k_and_stand_as_rows_in_every_report():
    value = evaluation({f"p{i}": ["correct", "wrong", "wrong", "correct"][i % 3 :] * 4 for i in range(30)})
    value = Evaluation(value.manifest, value.problems, [s for s in value.samples if s.sample < 8])
    (score,) = scores(value)
    (picture,) = scaling_pictures([score])
    assert "1 2 4 8" in words(picture) and "maj@k: the most frequent of k is correct" in words(picture)
    assert "href" not in picture and len(list(ElementTree.fromstring(picture).iter(f"{SVG}polyline"))) == 2
    for k in (1, 2, 4, 8):
        row = f"{100 * score.pass_at[k].value:.1f} ({100 * score.pass_at[k].low:.1f}-{100 * score.pass_at[k].high:.1f})"
        for shown in (printed(score_table([score])), markdown(value), render_html(value)):
            assert row in shown and f"{100 * score.maj_at[k].value:.1f} (" in shown
    (told,) = scores_json(value)["scores"]
    assert list(told["maj_at"]) == ["1", "2", "4", "8"] and told["maj_at"]["8"]["low"] < told["maj_at"]["8"]["high"]


def test_one_answer_each_has_no_curve():
    value = evaluation({f"p{i}": ["correct"] for i in range(80)})
    assert not scaling_pictures(scores(value)) and not budget_pictures(scores(value))
    assert "More answers" not in render_html(value) and "More thought" not in render_html(value)


def test_budgets_are_one_picture_with_score_and_tokens():
    value = with_budgets()
    (picture,) = budget_pictures(scores(value))
    assert "0 128 512" in words(picture) and "50.0" in words(picture) and "thinking budget" not in words(picture)
    assert [s.budget for s in scores(value)] == [0, 128, 512] and not any(s.over_budget for s in scores(value))
    for shown in (printed(score_table(scores(value))), markdown(value), render_html(value)):
        assert "math500 (thinking budget 128)" in shown and "30.0 (" in shown
        assert "168" in shown, "mean tokens"
    assert ElementTree.fromstring(stacked([picture, picture])) is not None


def test_only_the_largest_budget_stands_beside_published_scores():
    value = with_budgets()
    chart = bar_chart(value.manifest, scores(value))
    assert chart.count('fill="var(--pc-0)"/>') == 1, "one bar that is filled"
    assert "thinking budget 512" in words(chart) and "of several budgets of thought the largest" in words(chart)


def test_few_problems_with_one_answer_each_are_intervals_in_the_picture_too():
    value = with_budgets(problems=20)
    (picture,) = budget_pictures(scores(value))
    assert "50.0" not in words(picture).split() and "interval of the score" in words(picture)
    assert len(list(ElementTree.fromstring(picture).iter(f"{SVG}polyline"))) == 2, "tokens alone"


def test_who_does_not_keep_to_a_budget_is_told_of():
    value = with_budgets(budgets=(0, 128), reasoning_tokens=200)
    assert [s.over_budget for s in scores(value)] == [80, 80]
    assert "80 of 80 answers thought longer than the budget" in markdown(value)
    silent = with_budgets(reasoning_tokens=0)
    assert "a budget bounds nothing here" in words(budget_pictures(scores(silent))[0])


def test_eighty_columns_are_enough():
    value = with_budgets(samples=4)
    long = replace(value.manifest.benchmarks["math500-budget-0"], rows_in_data=500)
    value = replace(value, manifest=manifest(value.manifest.benchmarks | {"math500-budget-0": long}))
    lines = printed(score_table(scores(value), 80), 80).splitlines()
    assert "math500 (thinking budget 0, 80 of 500 problems)" in [line.rstrip() for line in lines], "in one piece"
    assert "  avg@4     10.0 (5.2-18.5)" in [line.rstrip() for line in lines]
