"""The report: figures, pictures, page and table, from whole and partial runs, with hostile text everywhere."""

import json
import math
import re
import struct
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from ponder.runs import Run, wilson_interval
from ponder.runs.console import answer_figures, run_tables, stage_table
from ponder.runs.lineage import new_lineage
from ponder.runs.panels import panels
from ponder.runs.report import write_report
from ponder.runs.shown_rollouts import pick_rollouts, show_rollouts
from ponder.runs.summary import best_line, build_report, further_figures, headline, missing_lines
from ponder.runs.wording import duration, percent, printable
from tests.runs.synthetic import HOSTILE, RECIPE, eval_result, rl_metrics, rollout, sft_metrics, write_run


class Page(HTMLParser):
    """What a browser would make of a page: its elements with attributes, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def png_size(data: bytes) -> tuple[int, int]:
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3
@pytest.mark.parametrize(
    "successes, n, low, high",
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_agrees_with_the_literature(successes: int, n: int, low: float, high: float):
    assert wilson_interval(successes, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_bounds_are_those_the_score_test_does_not_reject(case: tuple[int, int]):
    successes, n = case
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    for p in (low, high):
        assert abs(successes / n - p) == pytest.approx(1.959963984540054 * math.sqrt(p * (1 - p) / n), abs=1e-9)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_report_has_birth_first_and_the_last_evaluation_of_each_stage(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    report = build_report(run)
    assert report["recipe_name"] == "tiny" and report["run"] == str(run.path)
    assert [(s["name"], s["accuracy"], s["steps"], s["seconds"]) for s in report["stages"]] == [
        ("birth", 0.0, 0, 0.0), ("cold_start", 0.5, 4, 8.0), ("math", 0.5, 4, 8.0)
    ]  # fmt: skip
    last = report["stages"][2]
    interval = pytest.approx(wilson_interval(4, 8))
    assert last["interval"] == interval and last["mean_tokens"] == 23.5
    assert last["by_domain"] == {"addition": {"accuracy": 0.5, "interval": interval, "count": 8}}
    totals = report["totals"]
    assert (totals["steps"], totals["seconds"], totals["gain"], totals["rollouts"]) == (8, 16.0, 0.5, 8)
    assert totals["sampled_tokens"] == 4000 and totals["peak_rss_gb"] == pytest.approx(0.54)
    assert totals["phase_seconds"] == {"sample": 4.0, "verify": 1.0, "learn": 3.0}


def test_report_names_the_best_checkpoint_that_is_kept(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    for step, correct, score in ((2, 7, 0.9), (3, 8, 0.2), (6, 7, 0.4)):
        run.record_eval(eval_result("math", step, correct=correct, mean_score=score))
        if step != 3:  # the better one is not kept
            with run.checkpoint("math", step):
                pass
    best = build_report(run)["best"]
    assert (best["checkpoint"], best["measure"], best["value"]) == (
        f"{run.path}/checkpoints/math-000006",
        "accuracy",
        7 / 8,
    )
    said = best_line(build_report(run))
    assert (
        said
        == f"Best checkpoint of those kept: {run.path}/checkpoints/math-000006 (held-out accuracy 0.875, 8 answers)"
    )
    soft = eval_result("math", 6, correct=7, mean_score=0.4)
    soft["samples"][0]["score"] = 0.4
    run.record_eval(soft)
    best = build_report(run)["best"]
    assert (best["step"], best["measure"], best["value"]) == (2, "mean score", 0.9)


def test_report_counts_steps_after_the_last_evaluation(tmp_path: Path):
    run = write_run(tmp_path / "tiny", rl_steps=3)
    run.record("general", 1, rl_metrics(1))
    stages = build_report(run)["stages"]
    assert (stages[2]["steps"], stages[2]["seconds"], stages[2]["accuracy"]) == (3, 4.0 + 2.0, 0.25)
    assert (stages[3]["name"], stages[3]["accuracy"], stages[3]["interval"]) == ("general", None, None)


def test_write_report_writes_three_files(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    paths = write_report(run)
    assert [path.name for path in paths] == ["report.json", "curves.png", "report.html"]
    assert json.loads(paths[0].read_text()) == build_report(run)
    width, height = png_size(paths[1].read_bytes())
    assert width == 1600 and 900 < height < 1100
    with pytest.raises(ValueError, match="nothing to report"):
        write_report(Run.create(tmp_path / "empty", RECIPE, new_lineage(RECIPE, seed=1)))


def partial_runs(tmp_path: Path) -> dict[str, Run]:
    lineage = new_lineage(RECIPE, seed=1)
    runs = {name: Run.create(tmp_path / name, RECIPE, lineage) for name in ("one_step", "no_eval", "gaps", "birth")}
    runs["birth"].record_eval(eval_result("birth", 0, correct=0))
    runs["one_step"].record("math", 1, rl_metrics(1))
    runs["one_step"].record_eval(eval_result("math", 1))
    runs["no_eval"].record("cold_start", 1, sft_metrics(1))
    for step in range(1, 4):
        broken = {"entropy": float("nan"), "reward/mean": float("nan") if step == 2 else 0.5}
        runs["gaps"].record("math", step, {**rl_metrics(step), **broken})
    return {
        **runs,
        "sft_only": write_run(tmp_path / "sft_only", rl_steps=0),
        "rl_only": write_run(tmp_path / "rl_only", sft_steps=0, birth=False),
    }


def test_partial_runs_have_pictures_and_pages(tmp_path: Path):
    titles = {}
    for name, run in partial_runs(tmp_path).items():
        write_report(run)
        titles[name] = [panel.title for panel in panels(run)]
        width, _ = png_size((run.path / "curves.png").read_bytes())
        assert width == (1600 if len(titles[name]) > 1 else 800)
        page = Page((run.path / "report.html").read_text())
        assert [tag for tag, _ in page.elements].count("svg") == len(titles[name])
    supervised = ["Loss of supervised stages", "Gradient norm of supervised stages"]
    learning = ["Answers in training", "Length of answers", "Entropy"]
    assert titles == {
        "birth": ["Held-out accuracy"],
        "one_step": ["Held-out accuracy", *learning],
        "no_eval": supervised,
        "gaps": [*learning[:2], "Groups that teach nothing"],
        "sft_only": ["Held-out accuracy", *supervised],
        "rl_only": ["Held-out accuracy", *learning],
    }


def hostile_run(path: Path) -> Run:
    recipe = f"name: {json.dumps(HOSTILE)}\n"
    run = Run.create(path, recipe, {**new_lineage(recipe, seed=1), "platform": HOSTILE})
    domains = dict.fromkeys([HOSTILE, "[red]b[/red]"], eval_result("birth", 0)["by_domain"]["addition"])
    for stage in ("birth", "math"):
        result = eval_result(stage, 0 if stage == "birth" else 1, by_domain=domains, sampling={HOSTILE: HOSTILE})
        for sample in result["samples"]:
            sample |= dict.fromkeys(["domain", "question", "reasoning", "content", "status"], HOSTILE)
            sample["reference"] = {HOSTILE: [HOSTILE]}
        run.record_eval(result)
    run.record("math", 1, {**rl_metrics(1), f"reward/{HOSTILE}": 0.5})
    run.record_rollouts("math", 1, [rollout(text=HOSTILE, question=HOSTILE)])
    return run


def test_hostile_text_stays_text(tmp_path: Path):
    run = hostile_run(tmp_path / "run")
    write_report(run)
    html = (run.path / "report.html").read_text()
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1 and tags.count("svg") == 4
    assert not {"img", "iframe", "link", "object", "embed", "base", "form"} & set(tags)
    attributes = {name for _, values in page.elements for name in values}
    assert not {name for name in attributes if name.startswith("on")} and not {"src", "srcset"} & attributes
    links = {values["xlink:href"] for _, values in page.elements if "xlink:href" in values}
    assert "href" not in attributes and all(link.startswith("#") for link in links)
    visible = printable(HOSTILE)
    assert page.text.count(visible) > 20
    assert "\x1b" not in html and "url(http" not in html
    policy = next(values["content"] for tag, values in page.elements if values.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_endless_answers_are_cut(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    result = eval_result("math", 4)
    result["samples"][0]["reasoning"] = "again " * 100_000
    run.record_eval(result)
    write_report(run)
    html = (run.path / "report.html").read_text()
    assert len(html) < 300_000 and "592,000 more characters are in evals/" in html


def test_page_shows_the_same_problems_before_and_after(tmp_path: Path):
    run = write_run(tmp_path / "tiny", sft_steps=2)
    write_report(run)
    page = Page((run.path / "report.html").read_text())
    problems = [values for tag, values in page.elements if values.get("class") == "problem"]
    assert [values["data-change"] for values in problems] == ["gained"] * 4 + ["unsolved"] * 4
    for words in ("What is 3 + 1?", "at birth", "after cold start", "after math", "count on by one", "temperature 1.0"):
        assert words in page.text
    ids = [values["id"] for _, values in page.elements if "id" in values]
    assert len(ids) == len(set(ids)), "the pictures share an id, so one clips the other"


def masked_run(path: Path, steps: int = 20, **lineage: Any) -> Run:
    """A run whose reward says another thing than its pass rate, since what was cut off has no reward."""
    run = Run.create(path, RECIPE, {**new_lineage(RECIPE, seed=1), **lineage})
    run.record_eval(eval_result("birth", 0, correct=1))
    answers = {"pass_rate": 0.33, "truncated_share": 0.56, "reward/mean": 0.76}
    for step in range(1, steps + 1):
        run.record("math", step, rl_metrics(1) | (answers if step > steps - 2 else {}))
    run.record_eval(eval_result("math", steps, correct=4))
    return run


def test_pass_rate_share_cut_off_and_reward_stand_each_under_its_name(tmp_path: Path):
    run = masked_run(tmp_path / "run")
    report = build_report(run)
    assert [stage["training"] for stage in report["stages"]] == [
        None,
        {"steps": 2, "pass_rate": 0.33, "truncated_share": 0.56, "reward": 0.76},
    ]
    lines = [line.split() for line in printed(run_tables(report), 80).splitlines()]
    assert ["at", "the", "end", "of", "pass", "rate", "cut", "off", "reward", "over", "steps"] in lines
    assert ["math", "33%", "56%", "0.76", "2"] in lines
    assert answer_figures(run.metrics()[-1]) == "pass 33%  cut off 56%  reward 0.76"
    write_report(run)
    page = Page((run.path / "report.html").read_text())
    assert "pass ratecut offmean rewardover stepsmath33%56%0.762" in page.text
    for words in ("% pass", "% cut off", " reward"):  # beside the lines of the picture
        assert re.search(rf"[\d.]+{words}\n", page.text)


def test_what_was_not_born_here_is_not_said_to_be(tmp_path: Path):
    parent = {"path": "models/brought", "fingerprint": "0" * 64}
    for name, lineage, first, when in [
        ("born", {}, "birth", "at birth"),
        ("came", {"parent": parent}, "start", "at the start"),
    ]:
        run = masked_run(tmp_path / name, **lineage)
        report = build_report(run)
        assert headline(report) == f"Held-out accuracy: 12% {when}, 50% after math"
        assert [stage["title"] for stage in report["stages"]] == [first, "math"]
        write_report(run)
        page = (run.path / "report.html").read_text()
        shown = Page(page).text + printed(run_tables(report), 80)
        assert shown.count(when) > 8 and len(re.findall(rf"\b{first}\b", shown)) > 10
        assert ("birth" in shown.lower()) == (name == "born")


def printed(table: RenderableType, width: int) -> str:
    console = Console(width=width, file=StringIO())
    console.print(table)
    return console.file.getvalue()


def test_a_few_rollouts_are_shown_the_best_and_the_worst_first(tmp_path: Path):
    rewards = [None, 0.2, 0.9, 0.1, 0.5, 0.8, 0.3]
    rows = [rollout(group=index // 3, sample=index, reward=reward) for index, reward in enumerate(rewards)]
    assert [row["reward"] for row in pick_rollouts(rows, 9)] == [0.9, 0.1, 0.3, 0.8, 0.2, 0.5, None]
    assert [row["reward"] for row in pick_rollouts(rows, 2)] == [0.9, 0.1] and pick_rollouts([], 3) == []
    hostile = rollout(text=HOSTILE + "[red]x[/red]" + "a" * 5000, question=HOSTILE, reason=HOSTILE, status=HOSTILE)
    text = printed(show_rollouts([hostile, *rows], 1), 200)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text and re.search(r"characters\)\s+...\s+aaa", text) and len(text) < 3000
    text = printed(show_rollouts([rollout(advantage=-0.5)], 1), 200)
    assert text.splitlines()[:3] == [
        "addition  What is 1 + 1?",
        "two</think>2",
        "correct  reward 1.00  advantage -0.50  2 tokens  2 equals 2",
    ]


def test_table_fits_a_terminal(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    part = eval_result("math", 4)["by_domain"]["addition"]
    run.record_eval(eval_result("math", 4, by_domain=dict.fromkeys(["addition", "[b]sums", "count\x1bdown"], part)))
    text = printed(stage_table(build_report(run), width=90), 90)
    lines = [line.split() for line in text.splitlines() if line.strip() and "\u2500" not in line]
    assert lines[0][5:] == ["tokens", "addition", "[b]sums", "count\ufffddown"]
    assert lines[1] == ["birth", "0", "0", "s", "0%", "(0-32%)", "24", "0%", "-", "-"]
    assert lines[3] == ["math", "4", "8", "s", "38%", "(14-69%)", "24", "38%", "38%", "38%"]
    assert lines[2][:3] == ["cold", "start", "4"]
    narrow = printed(stage_table(build_report(run)), 80)
    assert "addition" not in narrow and "38% (14-69%)" in narrow


def test_tables_show_the_mean_score_and_pass_at_k_where_they_say_more(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    assert not further_figures(build_report(run))
    run.record_eval(eval_result("math", 4, correct=4, mean_score=0.625, samples_per_problem=4, pass_at_k=0.75))
    report = build_report(run)
    assert further_figures(report) == {"score": ["-", "-", "0.62"], "pass@4": ["-", "-", "75%"]}
    lines = [line.split() for line in printed(stage_table(report), 80).splitlines()]
    assert lines[0] == ["after", "steps", "time", "accuracy", "(95%)", "score", "pass@4", "tokens"]
    assert lines[-1] == ["math", "4", "8", "s", "50%", "(22-78%)", "0.62", "75%", "24"]
    write_report(run)
    assert "scorepass@4tokens" in Page((run.path / "report.html").read_text()).text
    assert run.evals()[-1].metrics()["eval/score"] == 0.625 and run.evals()[-1].metrics()["eval/pass_at_k"] == 0.75


@pytest.mark.parametrize(
    "share, text", [(0, "0%"), (1, "100%"), (0.999, "99.9%"), (0.004, "0.4%"), (None, "-"), (0.42, "42%")]
)
def test_percent(share: float | None, text: str):
    assert percent(share) == text


@pytest.mark.parametrize(
    "seconds, text", [(0.4, "0 s"), (59.7, "1 min 00 s"), (247, "4 min 07 s"), (12_000, "3 h 20 min")]
)
def test_duration(seconds: float, text: str):
    assert duration(seconds) == text


def test_answers_without_a_verdict_are_counted_and_shown(tmp_path: Path):
    run = write_run(tmp_path / "tiny")
    run.record_eval(eval_result("math", 5, correct=3, missing=2, bounds=[0.375, 0.625]))
    run.record_eval(eval_result("cold_start", 5, accuracy=None, interval=[0.0, 1.0], missing=8, bounds=[0.0, 1.0]))
    report = build_report(run)
    assert [stage["missing"] for stage in report["stages"]] == [0, 8, 2]
    assert report["stages"][1]["accuracy"] is None and report["stages"][1]["interval"] is None
    said = "math: on 2 of 8 held-out answers the verifier failed; whatever these were, the accuracy is 38% to 62%."
    assert said in missing_lines(report) and len(missing_lines(report)) == 2
    write_report(run)
    assert said in (run.path / "report.html").read_text()
    assert said in " ".join(printed(run_tables(report), 80).split())
