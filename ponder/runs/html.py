"""report.html: one file that opens offline, in light and dark, on a phone and on paper.

Everything a model, a task file or a recipe wrote is hostile here: it is escaped, and a content security policy lets
the page run only its own script and fetch nothing.
"""

from typing import TYPE_CHECKING, Any

from ponder.runs.html_parts import page, terms, text
from ponder.runs.html_problems import problems_section
from ponder.runs.html_style import SCRIPT, STYLE
from ponder.runs.html_tables import (
    benchmarks_section,
    failures_section,
    preferences_section,
    stage_table,
    training_table,
)
from ponder.runs.run import Run
from ponder.runs.summary import best_line, headline
from ponder.runs.wording import duration, percent

if TYPE_CHECKING:
    from ponder.runs.panels import Panel


def render_html(run: Run, report: dict[str, Any], pictures: list[tuple["Panel", str]]) -> str:
    """The page for a run, given `summary.build_report(run)` and `curves.draw_svgs(run)`."""
    name = text(report["recipe_name"])
    curves = "".join(_figure(panel, svg) for panel, svg in pictures)
    body = f"""<header>
<p class="eyebrow">Run report <span>{text(report["run"])}</span></p>
<h1>{name}</h1>
<p class="lead">{text(headline(report))}.</p>
{_paused(report["paused"])}
{_figures(report)}
</header>
<section><h2>Stages</h2>{stage_table(report)}{training_table(report)}</section>
{benchmarks_section(report)}
{preferences_section(report)}
<section><h2>Curves</h2><div class="curves">{curves}</div></section>
{problems_section(run.evals(), report)}
{failures_section(run, report)}
<section><h2>How this run was made</h2>{_making(run, report)}</section>
<section><h2>What the words mean</h2><dl class="words">{terms(_words(report))}</dl></section>"""
    return page(f"{name}: run report", STYLE, body, SCRIPT)


def _words(report: dict[str, Any]) -> dict[str, str]:
    benchmark = (
        "problems that others use as well, asked as a protocol says. pass@1: share of them that one answer solves; avg@k: the "
        "mean of that over k answers to each."
    )
    return {
        "Held-out accuracy": "share of answers found correct on problems that no stage was trained on.",
        "95% interval": "where the accuracy over endless such problems lies, as far as this many answers can tell "
        "(Wilson, 1927). Two stages whose intervals overlap may be equally good.",
        **(
            {"Birth": "the model before any training."}
            if report["born"]
            else {"Start": "the model as it came to this run."}
        ),
        "Supervised stage": "learning to imitate demonstrations; a cold start gives the form of thinking, not its quality.",
        **(
            {
                "Demonstrating stage": "the model, or a teacher, answers tasks; answers found correct are kept for a later stage to "
                "imitate. Nothing is learned in it."
            }
            if any(stage["kind"] == "demonstrating" for stage in report["stages"])
            else {}
        ),
        **(
            {
                "Reward model": "a model that gives an answer one number, learned from pairs of answers of which one is preferred. "
                "Accuracy: the share of pairs whose preferred answer it gives the higher one."
            }
            if report["reward_models"]
            else {}
        ),
        "RL stage": "reinforcement learning: the model answers, a verifier checks, and what earned more than the "
        "other answers to the same problem becomes more likely. No demonstration is shown.",
        **({"Benchmark": benchmark} if report["benchmarks"] else {}),
        "Pass rate": "share of a step's answers found correct. What was cut off by the token limit did not pass.",
        "Reward": "the number training maximises, made from verdicts; the mean is over the answers that have one. Where "
        "answers that were cut off have none, it can rise while the pass rate falls.",
        "Verdict": "correct and wrong; unparseable: no answer where one belongs; truncated: out of tokens; timeout and "
        "error: the verifier's own failures, which never count as wrong.",
        "Entropy": "how undecided the model is about the next token, on average; near zero it stops exploring.",
        "Sampler and learner": "the part that writes and the part that learns. Their log-probabilities of the same token "
        "should agree; the gap is measured at every step.",
    }


def _paused(paused: dict[str, Any] | None) -> str:
    return f'<p class="paused">This run has paused itself. {text(paused["reason"])}</p>' if paused else ""


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
        figures.append((f"{totals['rollouts']:,}", "answers verified while learning"))
    if totals["peak_rss_gb"]:
        figures.append((f"{totals['peak_rss_gb']:.1f} GB", "of memory at most"))
    return (
        f'<ul class="figures">{"".join(f"<li><b>{value}</b><span>{what}</span></li>" for value, what in figures)}</ul>'
    )


def _figure(panel: "Panel", svg: str) -> str:
    return f"<figure><figcaption><b>{text(panel.title)}</b>{text(panel.subtitle)}</figcaption>{svg}</figure>"


def _making(run: Run, report: dict[str, Any]) -> str:
    lineage, totals = run.lineage, report["totals"]
    parent = lineage.get("parent")
    facts = {
        "Started": lineage.get("started"),
        "Resumed": "; ".join(map(_resumption, lineage.get("resumed", []))),
        "Starting from": f"{parent.get('hub') or parent['path']} ({parent['fingerprint'][:12]})"
        if parent
        else "new random weights",
        "Seed": lineage.get("seed"),
        "Recipe": f"{report['recipe_name']}, sha256 {str(lineage.get('recipe_sha256'))[:12]}",
        "Versions": ", ".join(f"{part} {lineage[part]}" for part in ("ponder", "torch", "python") if lineage.get(part)),
        "Machine": lineage.get("platform"),
        "Processor": lineage.get("processor"),
        "Rows read": ", ".join(f"{name} {count:,}" for name, count in report["rows"].items()),
        "Contamination": " ".join(report["trained_on"]),
        "Best checkpoint": best_line(report),
        "Sampled": f"{totals['sampled_tokens']:,} tokens in RL" if totals["sampled_tokens"] else "",
    }
    rows = terms({key: str(value) for key, value in facts.items() if value not in (None, "")})
    return (
        f'<dl class="facts">{rows}</dl>{_phases(totals["phase_seconds"])}'
        '<details class="recipe"><summary>The recipe, resolved</summary>'
        f"<pre>{text(run.recipe_text, longest=None)}</pre></details>"
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
