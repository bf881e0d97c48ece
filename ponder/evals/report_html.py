"""An evaluation as one HTML file: scores, the picture, and every problem with its answers and verdicts.

It opens offline. What a model or a data file wrote is hostile here: it is escaped, and a content security policy lets the page
run only its own script and fetch nothing.
"""

import json
from collections.abc import Iterable

from ponder.evals.choices import shown_letter
from ponder.evals.records import Problem, Sample
from ponder.evals.report_chart import bar_chart
from ponder.evals.report_curves import budget_pictures, scaling_pictures
from ponder.evals.score_words import budget_rows, further, headline, kinds, notes, scaling_rows
from ponder.evals.scores import KINDS, BenchmarkScore, by_budget, samples_asked, scores
from ponder.evals.store import Evaluation
from ponder.runs.html_parts import LONGEST_TEXT, badge, page, terms, text
from ponder.runs.html_style import STYLE
from ponder.runs.wording import printable

MOST_PROBLEMS = 2_000  # in one page; all are in problems.jsonl
MOST_ANSWERS = 16  # to one problem

_SCRIPT = """
const chosen = {bench: "all", status: "all"};
const buttons = document.querySelectorAll("[data-filter]");
const problems = document.querySelectorAll(".problem");
for (const button of buttons) button.addEventListener("click", () => {
  chosen[button.dataset.filter] = button.dataset.value;
  for (const other of buttons) if (other.dataset.filter === button.dataset.filter)
    other.setAttribute("aria-pressed", String(other === button));
  let shown = 0;
  for (const problem of problems) {
    problem.hidden = (chosen.bench !== "all" && problem.dataset.bench !== chosen.bench)
      || (chosen.status !== "all" && !problem.dataset.status.split(" ").includes(chosen.status));
    shown += !problem.hidden;
  }
  document.getElementById("shown").textContent = shown.toLocaleString("en");
});
"""
_MORE_STYLE = """
.scores td, .scores th { text-align: left; white-space: normal; }
.scores b, .scores td:nth-child(4) { white-space: nowrap; }
.chart { overflow-x: auto; } .chart svg { min-width: 40rem; max-width: 72rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; } .pictures > div { flex: 0 1 26rem; min-width: 0; }
.pictures svg { display: block; width: 100%; height: auto; }
.prompt { margin: 0 0 .8rem; padding: .7rem 1rem; border-left: 3px solid var(--rule); }
.problem .verdicts > span { width: auto; }
@media screen and (max-width: 40rem) {
  .scores thead { display: none; }
  .scores tr { display: block; padding: .7rem 0; border-bottom: 1px solid var(--rule); }
  .scores th, .scores td { display: block; padding: 0; border: 0; }
  .scores td { display: grid; grid-template-columns: 6.5rem 1fr; padding-top: .25rem; }
  .scores td::before { content: attr(data-name); color: var(--muted); font-size: .82rem; }
}
"""


def render_html(evaluation: Evaluation, found: list[BenchmarkScore] | None = None) -> str:
    """The whole page. `found`: the evaluation's scores, where they are at hand."""
    manifest, rows = evaluation.manifest, found or scores(evaluation)
    name = text(manifest.model.get("name", "model"))
    body = f"""<header>
<p class="eyebrow">Evaluation <span>{text(manifest.started)}</span></p>
<h1>{name}</h1>
</header>
<section><h2>Scores</h2>{_score_table(rows)}</section>
<section><h2>Beside published scores</h2><div class="chart">{bar_chart(manifest, rows)}</div></section>
{_pictures("More answers to one problem", scaling_pictures(rows), _scaling_tables(rows))}
{_pictures("More thought", budget_pictures(rows), _budget_tables(rows))}
{_problems(evaluation, rows)}
<section><h2>How this was measured</h2><dl class="facts">{terms(_making(evaluation))}</dl></section>"""
    return page(f"{name}: evaluation", STYLE + _MORE_STYLE, body, _SCRIPT)


def _score_table(rows: list[BenchmarkScore]) -> str:
    heads = ("benchmark", "measure", "score, 95% interval", "further", "verdicts", "tokens per answer")
    lines = []
    for score in rows:
        tokens = (
            "-"
            if score.tokens is None
            else f"{score.tokens.mean:,.0f} on average, median {score.tokens.median:,.0f}, p95 {score.tokens.p95:,}"
        )
        more = "<br>".join(f"{text(key)} {text(value)}" for key, value in further(score).items()) or "-"
        values = (score.avg_name, f"<b>{headline(score)}</b>", f"<div>{more}</div>", kinds(score), tokens)
        cells = "".join(f'<td data-name="{h}">{value}</td>' for h, value in zip(heads[1:], values, strict=True))
        lines.append(
            f'<tr><th scope="row">{text(score.name)}<small>{score.problems:,} problems</small></th>{cells}</tr>'
        )
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    said = "".join(f'<p class="note">{text(note)}</p>' for score in rows for note in notes(score))
    return (
        f'<div class="scroll"><table class="scores"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
        f'</div><p class="note">Intervals are over problems.</p>{said}{_categories(rows)}'
    )


def _pictures(title: str, pictures: list[str], numbers: str) -> str:
    """A section, or nothing where there is nothing to draw."""
    if not pictures:
        return ""
    drawn = "".join(f"<div>{picture}</div>" for picture in pictures)
    return f'<section><h2>{title}</h2><div class="pictures">{drawn}</div>{numbers}</section>'


def _scaling_tables(rows: list[BenchmarkScore]) -> str:
    found = {score.name: lines for score in rows if (lines := scaling_rows(score))}
    return "".join(_numbers(name, ("k", "pass@k", "maj@k"), lines) for name, lines in found.items())


def _budget_tables(rows: list[BenchmarkScore]) -> str:
    heads = ("budget", "score, 95% interval", "tokens per answer", "thinking")
    return "".join(_numbers(group[0].name_without_budget, heads, budget_rows(group)) for group in by_budget(rows))


def _numbers(name: str, heads: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return (
        f'<details><summary>{text(name)} in numbers</summary><div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></details>"
    )


def _categories(rows: list[BenchmarkScore]) -> str:
    parts = []
    for score in rows:
        if not score.by_category or score.thin:
            continue
        lines = "".join(
            f'<tr><th scope="row">{text(category or "none")}</th><td>{100 * e.value:.1f} ({100 * e.low:.1f}-{100 * e.high:.1f})'
            f"</td></tr>"
            for category, e in score.by_category.items()
        )
        parts.append(f"<details><summary>{text(score.name)} by category</summary><table>{lines}</table></details>")
    return "".join(parts)


def _problems(evaluation: Evaluation, rows: list[BenchmarkScore]) -> str:
    answers: dict[tuple[str, str], list[Sample]] = {}
    for sample in sorted(evaluation.samples, key=lambda s: s.sample):
        answers.setdefault((sample.bench, sample.problem), []).append(sample)
    shown = evaluation.problems[:MOST_PROBLEMS]
    entries = "".join(_problem(p, answers.get((p.bench, p.id), [])) for p in shown)
    occurring = [kind for kind in KINDS if any(score.kinds[kind] for score in rows)]
    cut = (
        f" of {len(evaluation.problems):,}; all are in problems.jsonl" if len(evaluation.problems) > len(shown) else ""
    )
    return f"""<section><h2>Every problem, every answer</h2>
{_filter("bench", [score.bench for score in rows])}
{_filter("status", occurring)}
<p class="note"><span id="shown">{len(shown):,}</span> problems{cut}</p>
{entries}</section>"""


def _filter(what: str, values: list[str]) -> str:
    buttons = "".join(
        f'<button type="button" data-filter="{what}" data-value="{text(value)}" aria-pressed="{str(value == "all").lower()}">'
        f"{text(value)}</button>"
        for value in ["all", *values]
    )
    return f'<div class="filter" role="group" aria-label="Show by {what}">{buttons}</div>'


def _problem(problem: Problem, answers: list[Sample]) -> str:
    statuses = sorted({a.status for a in answers} or {"error"}, key=KINDS.index)
    badges = "".join(f"<span>{badge(s)}</span>" for s in statuses)
    correct = sum(a.status == "correct" for a in answers)
    reference = problem.reference if isinstance(problem.reference, str) else json.dumps(problem.reference)
    left = len(answers) - MOST_ANSWERS
    more = f'<p class="note">{left:,} more answers are in samples.jsonl.</p>' if left > 0 else ""
    question = next((m.get("content") for m in reversed(problem.messages) if m.get("role") == "user"), "")
    category = f"{text(problem.category)}; " if problem.category else ""
    return f"""<details class="problem" data-bench="{text(problem.bench)}" data-status="{" ".join(statuses)}">
<summary><span class="question">{text(str(question)[:400])}</span><span class="verdicts">{badges}
<span><small>{correct} of {len(answers)}</small></span></span></summary>
{_prompt(problem.messages)}
<p class="expected">{text(problem.place)}; {category}{_expected(reference, answers)}</p>
<div class="answers">{"".join(_answer(answer, reference) for answer in answers[:MOST_ANSWERS])}</div>{more}
</details>"""


def _prompt(messages: tuple[dict, ...]) -> str:
    parts = "".join(
        f"<small>{text(m.get('role', ''))}</small><pre>{_long(m.get('content', ''))}</pre>" for m in messages
    )
    return f'<div class="prompt">{parts}</div>'


def _expected(reference: str, answers: list[Sample]) -> str:
    """What is right; where choices were shuffled, each answer says which letter that was for it."""
    shuffled = any(answer.choice_order for answer in answers)
    return f"expected <code>{text(reference)}</code>{' in this order of the choices' if shuffled else ''}"


def _answer(sample: Sample, reference: str) -> str:
    thinking = (
        f"<details><summary>thinking</summary><pre>{_long(sample.reasoning)}</pre></details>"
        if sample.reasoning
        else ""
    )
    own = "" if sample.messages is None else f"<details><summary>asked</summary>{_prompt(sample.messages)}</details>"
    calls = f"<pre>{_long(json.dumps(list(sample.tool_calls), indent=1))}</pre>" if sample.tool_calls else ""
    content = f"<pre>{_long(sample.content)}</pre>" if sample.content else ""
    nothing = "" if content or calls else '<p class="note">no answer</p>'
    said = sample.failure or sample.reason
    read = f" Read as <code>{text(sample.parsed)}</code>." if sample.parsed is not None else ""
    order = sample.choice_order
    seen = f" Expected, as its choices stood: <code>{text(shown_letter(reference, order))}</code>." if order else ""
    tokens = "" if sample.tokens is None else f" {sample.tokens:,} tokens."
    return (
        f"<article><h3>answer {sample.sample + 1} {badge(sample.status)}</h3>{own}{thinking}{content}{calls}{nothing}"
        f'<p class="note">{text(said)}.{read}{seen}{tokens}</p></article>'
    )


def _long(value: object) -> str:
    """Foreign text, cut where it is endless, since the page holds many."""
    whole = printable(value if isinstance(value, str) else json.dumps(value))
    cut = len(whole) - LONGEST_TEXT
    return (
        text(whole, None)
        if cut <= 0
        else f"{text(whole[:LONGEST_TEXT], None)} ... ({cut:,} more characters in the files)"
    )


def _making(evaluation: Evaluation) -> dict[str, str]:
    manifest = evaluation.manifest
    facts = {
        "Model": ", ".join(f"{key} {value}" for key, value in manifest.model.items()),
        "Engine": ", ".join(f"{key} {value}" for key, value in manifest.engine.items()),
        "Seed": str(manifest.seed),
        "Version": f"ponder {manifest.ponder}",
        "Processor": manifest.processor,
    }
    for asked in manifest.benchmarks.values():
        drawn = asked.protocol.sampling.model_dump() | {key: now for key, (_, now) in asked.changed.items()}
        settings = ", ".join(f"{key} {value}" for key, value in drawn.items() if key != "samples")
        facts[asked.name] = (
            f"protocol {asked.protocol.variant} ({asked.protocol.source}); {samples_asked(asked)} answers to each problem; "
            f"{settings}; prompt {asked.protocol.prompt}; data {asked.data_source}, sha256 {asked.sha256}"
        )
    return facts
