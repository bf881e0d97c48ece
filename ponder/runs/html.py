"""report.html: one file that opens offline, in light and dark, on a phone and on paper.

Everything a model, a task file or a recipe wrote is hostile here: it is escaped, and a content security policy lets
the page run only its own script and fetch nothing.
"""

import base64
import hashlib
import json
from html import escape
from typing import TYPE_CHECKING, Any

from ponder.runs.html_style import SCRIPT, STYLE
from ponder.runs.places import BIRTH
from ponder.runs.results import EvalResult, EvalSample
from ponder.runs.run import Run
from ponder.runs.summary import headline
from ponder.runs.wording import duration, percent, printable, span, spread, title

if TYPE_CHECKING:
    from ponder.runs.panels import Panel

_PROBLEMS_SHOWN = 24
_FAILURES_SHOWN = 5
_LONGEST_TEXT = 8000  # characters of one answer or its thinking
_SYMBOLS = {"correct": "&#10003;", "wrong": "&#10007;", "truncated": "&#8230;", "unparseable": "?"}
_WORDS = {
    "Held-out accuracy": "share of answers judged correct on problems that no stage was trained on.",
    "95% interval": "where the accuracy over endless such problems lies, as far as this many answers can tell "
    "(Wilson, 1927). Two stages whose intervals overlap may be equally good.",
    "Birth": "the model before any training.",
    "Supervised stage": "learning to imitate demonstrations; a cold start gives the form of thinking, not its quality.",
    "RL stage": "reinforcement learning: the model answers, a verifier judges, and what was judged better than the "
    "other answers to the same problem becomes more likely. No demonstration is shown.",
    "Reward": "the number training maximises, made from verdicts.",
    "Verdict": "correct and wrong; unparseable: no answer where one belongs; truncated: out of tokens; timeout and "
    "error: the verifier's own failures, which never count as wrong.",
    "Entropy": "how undecided the model is about the next token, on average; near zero it stops exploring.",
    "Sampler and learner": "the part that writes and the part that learns. Their log-probabilities of the same token "
    "should agree; the gap is measured at every step.",
}


def render_html(run: Run, report: dict[str, Any], pictures: list[tuple["Panel", str]]) -> str:
    """The page for a run, given `summary.build_report(run)` and `curves.draw_svgs(run)`."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    name = _text(report["recipe_name"])
    curves = "".join(_figure(panel, svg) for panel, svg in pictures)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}: run report</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">Run report <span>{_text(report["run"])}</span></p>
<h1>{name}</h1>
<p class="lead">{_text(headline(report))}.</p>
{_paused(report["paused"])}
{_figures(report)}
</header>
<section><h2>Stages</h2>{_stage_table(report)}</section>
<section><h2>Curves</h2><div class="curves">{curves}</div></section>
{_problems(run.evals(), report)}
{_failures(run, report)}
<section><h2>How this run was made</h2>{_making(run, report)}</section>
<section><h2>What the words mean</h2><dl class="words">{_terms(_WORDS)}</dl></section>
<footer>Made by Ponder from the files beside it; nothing on this page is loaded from elsewhere.</footer>
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _paused(paused: dict[str, Any] | None) -> str:
    return f'<p class="paused">This run has paused itself. {_text(paused["reason"])}</p>' if paused else ""


def _figures(report: dict[str, Any]) -> str:
    measured = [stage for stage in report["stages"] if stage["accuracy"] is not None]
    totals, figures = report["totals"], []
    if measured:
        first, last = measured[0], measured[-1]
        before = f"<small>{percent(first['accuracy'])} &#8594;</small> " if len(measured) > 1 else ""
        figures.append((f"{before}{percent(last['accuracy'])}", "held-out accuracy"))
        lengths = f"<small>{first['mean_tokens']:,.0f} &#8594;</small> " if len(measured) > 1 else ""
        figures.append((f"{lengths}{last['mean_tokens']:,.0f}", "tokens per answer"))
    figures.append((duration(totals["seconds"]), f"of training, {totals['steps']:,} steps"))
    if totals["rollouts"]:
        figures.append((f"{totals['rollouts']:,}", "answers judged while learning"))
    if totals["peak_rss_gb"]:
        figures.append((f"{totals['peak_rss_gb']:.1f} GB", "of memory at most"))
    return (
        f'<ul class="figures">{"".join(f"<li><b>{value}</b><span>{what}</span></li>" for value, what in figures)}</ul>'
    )


def _stage_table(report: dict[str, Any]) -> str:
    stages = report["stages"]
    domains = list(dict.fromkeys(domain for stage in stages for domain in stage["by_domain"]))
    domains = domains if len(domains) > 1 else []
    heads = ["accuracy", "95% interval", *domains, "tokens", "truncated", "steps", "time"]
    lines = []
    for stage in stages:
        domain_cells = "".join(_domain_cell(stage["by_domain"].get(domain)) for domain in domains)
        tokens = "-" if stage["mean_tokens"] is None else f"{stage['mean_tokens']:,.0f}"
        lines.append(
            f'<tr><th scope="row">{_text(title(stage["name"]))}<small>{_kind(stage)}</small></th>'
            f"<td><b>{percent(stage['accuracy'])}</b></td><td>{_interval(stage)}</td>"
            f"{domain_cells}<td>{tokens}</td><td>{percent(stage['truncated_share'])}</td>"
            f"<td>{stage['steps']:,}</td><td>{duration(stage['seconds'])}</td></tr>"
        )
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
    counts = [stage["count"] for stage in stages if stage["count"]]
    note = f"Each over {spread(counts)} answers to held-out problems; tokens per answer, thinking included."
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">after</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>" + (f'<p class="note">{note}</p>' if counts else "")
    )


def _kind(stage: dict[str, Any]) -> str:
    return {"birth": "untrained", "sft": "supervised", "rl": "reinforcement learning"}[stage["kind"]]


def _interval(stage: dict[str, Any]) -> str:
    if stage["interval"] is None:
        return "-"
    low, high = stage["interval"]
    place = f"--low:{low:.4f};--high:{high:.4f};--at:{stage['accuracy']:.4f}"
    return f'{span(stage["interval"])} <span class="bar" style="{place}" aria-hidden="true"><i></i><b></b></span>'


def _domain_cell(part: dict[str, Any] | None) -> str:
    return f'<td title="95%: {span(part["interval"])}">{percent(part["accuracy"])}</td>' if part else "<td>-</td>"


def _figure(panel: "Panel", svg: str) -> str:
    return f"<figure><figcaption><b>{_text(panel.title)}</b>{_text(panel.subtitle)}</figcaption>{svg}</figure>"


def _problems(evals: list[EvalResult], report: dict[str, Any]) -> str:
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
        _problem(stages, [part[task] for part in answers], change, opened=index == 0)
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
<p class="note">The first {len(shown)} held-out problems of the evaluation, not a selection.{_text(sampling)}</p>
<div class="filter" role="group" aria-label="Show problems">{buttons}</div>
{"".join(entries)}</section>"""


def _change(samples: list[EvalSample]) -> str:
    before, after = samples[0].status == "correct", samples[-1].status == "correct"
    return {(False, True): "gained", (True, True): "kept", (True, False): "lost", (False, False): "unsolved"}[
        before, after
    ]


def _problem(stages: list[str], samples: list[EvalSample], change: str, opened: bool) -> str:
    verdicts = "".join(
        f"<span><small>{_text(title(stage))}</small>{_badge(sample.status)}</span>"
        for stage, sample in zip(stages, samples, strict=True)
    )
    answers = "".join(_answer(stage, sample) for stage, sample in zip(stages, samples, strict=True))
    reference = samples[-1].reference
    expected = reference if isinstance(reference, str) else json.dumps(reference)
    return f"""<details class="problem" data-change="{change}"{" open" if opened else ""}>
<summary><span class="question">{_text(samples[-1].question)}</span><span class="verdicts">{verdicts}</span></summary>
<p class="expected">{_text(samples[-1].domain)}; expected <code>{_text(expected)}</code></p>
<div class="answers">{answers}</div>
</details>"""


def _answer(stage: str, sample: EvalSample) -> str:
    where = "at birth" if stage == BIRTH else f"after {title(stage)}"
    thinking = (
        f"<details><summary>thinking</summary><pre>{_text(sample.reasoning)}</pre></details>"
        if sample.reasoning
        else ""
    )
    content = f"<pre>{_text(sample.content)}</pre>" if sample.content else '<p class="note">no answer</p>'
    return (
        f"<article><h3>{_text(where)} {_badge(sample.status)}</h3>{thinking}{content}"
        f'<p class="note">{sample.tokens:,} tokens</p></article>'
    )


def _badge(status: str) -> str:
    kind = status if status in ("correct", "wrong") else "other"
    return f'<span class="badge {kind}">{_SYMBOLS.get(status, "!")} {_text(status)}</span>'


def _failures(run: Run, report: dict[str, Any]) -> str:
    """Which verifiers failed how often, and the latest answers they failed on; nothing where none did."""
    samples = run.failures()[-_FAILURES_SHOWN:]
    if not report["failures"] and not samples:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("while", "answers", "errors", "timeouts"))
    lines = "".join(
        f'<tr><th scope="row">{_text(entry["verifier"] or "all verifiers")}</th>'
        f"<td>{_text(title(entry['stage']))}, {entry['during']}</td><td>{entry['verdicts']:,}</td>"
        f"<td>{entry['error']:,}</td><td>{entry['timeout']:,}</td></tr>"
        for entry in report["failures"]
    )
    table = f'<table><thead><tr><th scope="col">verifier</th>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    shown = "".join(
        f"<article><h3>{_text(row['verifier'])} {_badge(row['status'])} {_text(title(row['stage']))}, "
        f'step {row["step"]}</h3><p class="note">{_text(row["reason"])}</p><p>{_text(row["question"])}</p>'
        f"<pre>{_text(row['answer'])}</pre></article>"
        for row in samples
    )
    return f"""<section><h2>Where verifiers failed</h2>
<p class="note">An answer whose verifier fails is not learned from; in an evaluation it counts as not solved. The latest
are below, more in verifier_errors.jsonl.</p>
<div class="scroll">{table if lines else ""}</div><div class="answers failures">{shown}</div></section>"""


def _making(run: Run, report: dict[str, Any]) -> str:
    lineage, totals = run.lineage, report["totals"]
    parent = lineage.get("parent")
    facts = {
        "Started": lineage.get("started"),
        "Resumed": "; ".join(map(_resumption, lineage.get("resumed", []))),
        "Starting from": f"{parent['path']} ({parent['fingerprint'][:12]})" if parent else "new random weights",
        "Seed": lineage.get("seed"),
        "Recipe": f"{report['recipe_name']}, sha256 {str(lineage.get('recipe_sha256'))[:12]}",
        "Versions": ", ".join(f"{part} {lineage[part]}" for part in ("ponder", "torch", "python") if lineage.get(part)),
        "Machine": lineage.get("platform"),
        "Processor": lineage.get("processor"),
        "Sampled": f"{totals['sampled_tokens']:,} tokens in RL" if totals["sampled_tokens"] else "",
    }
    rows = _terms({key: str(value) for key, value in facts.items() if value not in (None, "")})
    return (
        f'<dl class="facts">{rows}</dl>{_phases(totals["phase_seconds"])}'
        '<details class="recipe"><summary>The recipe, resolved</summary>'
        f"<pre>{_text(run.recipe_text, longest=None)}</pre></details>"
    )


def _resumption(entry: dict[str, Any]) -> str:
    changes = [f", {path} {before} to {after}" for path, (before, after) in entry.get("changed", {}).items()]
    return f"{entry['time']} from {entry['stage']} step {entry['step']}{''.join(changes)}"


def _phases(seconds: dict[str, float]) -> str:
    total = sum(seconds.values())
    if not total:
        return ""
    words = {"sample": "sampling answers", "verify": "waiting for verdicts", "learn": "learning"}
    parts = "".join(f'<i class="{phase}" style="flex-grow:{part / total:.4f}"></i>' for phase, part in seconds.items())
    labels = "".join(
        f'<li><i class="{phase}"></i>{words[phase]} {duration(part)}, {percent(part / total)}</li>'
        for phase, part in seconds.items()
    )
    return f'<div class="phases"><div aria-hidden="true">{parts}</div><ul>{labels}</ul></div>'


def _terms(terms: dict[str, str]) -> str:
    return "".join(f"<div><dt>{_text(term)}</dt><dd>{_text(words)}</dd></div>" for term, words in terms.items())


def _text(value: Any, longest: int | None = _LONGEST_TEXT) -> str:
    """Any text as inert HTML: escaped, control characters made visible, cut where it is endless."""
    text = printable(str(value))
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]} ... ({len(text) - longest:,} more characters are in evals/)"
    return escape(text)
