"""The section of report.html that shows the same problems before and after."""

import json
from typing import Any

from ponder.runs.html_parts import badge, text
from ponder.runs.results import EvalResult, EvalSample
from ponder.runs.wording import moment, title

_PROBLEMS_SHOWN = 24


def problems_section(evals: list[EvalResult], report: dict[str, Any]) -> str:
    """The first held-out problems that every stage's last evaluation shows, in the order of the evaluation."""
    last = {result.stage: result for result in evals}
    columns = [last[stage["name"]] for stage in report["stages"] if stage["name"] in last]
    if not columns:
        return ""
    answers = [{sample.task_id: sample for sample in reversed(result.samples)} for result in columns]
    shared = [task for task in dict.fromkeys(s.task_id for s in columns[-1].samples) if all(task in a for a in answers)]
    if not shared:
        return ""
    shown = shared[:_PROBLEMS_SHOWN]
    stages = [result.stage for result in columns]
    changes = [_change([part[task] for part in answers]) for task in shown]
    entries = [
        _problem(stages, [part[task] for part in answers], change, report["born"], opened=index == 0)
        for index, (task, change) in enumerate(zip(shown, changes, strict=True))
    ]
    kinds = {"all": "all", "gained": "learned", "kept": "right from the start", "lost": "lost", "unsolved": "unsolved"}
    buttons = "".join(
        f'<button type="button" data-show="{kind}" aria-pressed="{str(kind == "all").lower()}">{words} '
        f"<b>{len(shown) if kind == 'all' else changes.count(kind)}</b></button>"
        for kind, words in kinds.items()
    )
    settings = ", ".join(f"{key} {value}" for key, value in columns[-1].sampling.items())
    sampling = f" Sampled with {settings}." if settings else ""
    return f"""<section><h2>The same problems, before and after</h2>
<p class="note">The first {len(shown)} held-out problems of the evaluation, not a selection.{text(sampling)}</p>
<div class="filter" role="group" aria-label="Show problems">{buttons}</div>
{"".join(entries)}</section>"""


def _change(samples: list[EvalSample]) -> str:
    before, after = samples[0].status == "correct", samples[-1].status == "correct"
    return {(False, True): "gained", (True, True): "kept", (True, False): "lost", (False, False): "unsolved"}[
        before, after
    ]


def _problem(stages: list[str], samples: list[EvalSample], change: str, born: bool, opened: bool) -> str:
    verdicts = "".join(
        f"<span><small>{text(title(stage, born))}</small>{badge(sample.status)}</span>"
        for stage, sample in zip(stages, samples, strict=True)
    )
    answers = "".join(_answer(moment(stage, born), sample) for stage, sample in zip(stages, samples, strict=True))
    reference = samples[-1].reference
    expected = reference if isinstance(reference, str) else json.dumps(reference)
    return f"""<details class="problem" data-change="{change}"{" open" if opened else ""}>
<summary><span class="question">{text(samples[-1].question)}</span><span class="verdicts">{verdicts}</span></summary>
<p class="expected">{text(samples[-1].domain)}; expected <code>{text(expected)}</code></p>
<div class="answers">{answers}</div>
</details>"""


def _answer(where: str, sample: EvalSample) -> str:
    thinking = (
        f"<details><summary>thinking</summary><pre>{text(sample.reasoning)}</pre></details>" if sample.reasoning else ""
    )
    content = f"<pre>{text(sample.content)}</pre>" if sample.content else '<p class="note">no answer</p>'
    return (
        f"<article><h3>{text(where)} {badge(sample.status)}</h3>{thinking}{content}"
        f'<p class="note">{sample.tokens:,} tokens</p></article>'
    )
