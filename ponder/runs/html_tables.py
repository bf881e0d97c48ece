"""The tables of report.html: stages, what training was like at their ends, and verifiers that failed."""

from typing import Any

from ponder.runs.benchmarks import cell, comparison, notes, stage_titles
from ponder.runs.html_parts import badge, text
from ponder.runs.preferences import sentences, table_rows
from ponder.runs.run import Run
from ponder.runs.summary import further_figures, missing_lines
from ponder.runs.wording import duration, percent, span, spread, title

_FAILURES_SHOWN = 5


def stage_table(report: dict[str, Any]) -> str:
    stages = report["stages"]
    domains = list(dict.fromkeys(domain for stage in stages for domain in stage["by_domain"]))
    domains = domains if len(domains) > 1 else []
    further = further_figures(report)
    heads = ["accuracy", "95% interval", *further, *domains, "tokens", "truncated", "steps", "time"]
    lines = []
    for index, stage in enumerate(stages):
        further_cells = "".join(f"<td>{column[index]}</td>" for column in further.values())
        domain_cells = "".join(_domain_cell(stage["by_domain"].get(domain)) for domain in domains)
        tokens = "-" if stage["mean_tokens"] is None else f"{stage['mean_tokens']:,.0f}"
        lines.append(
            f'<tr><th scope="row">{text(stage["title"])}<small>{_kind(stage, report["born"])}</small></th>'
            f"<td><b>{percent(stage['accuracy'])}</b></td><td>{_interval(stage)}</td>"
            f"{further_cells}{domain_cells}<td>{tokens}</td><td>{percent(stage['truncated_share'])}</td>"
            f"<td>{stage['steps']:,}</td><td>{duration(stage['seconds'])}</td></tr>"
        )
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    counts = [stage["count"] for stage in stages if stage["count"]]
    note = " ".join(
        [
            f"Each over {spread(counts)} answers to held-out problems; tokens per answer, thinking included.",
            *map(text, missing_lines(report)),
        ]
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">after</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>" + (f'<p class="note">{note}</p>' if counts else "")
    )


def training_table(report: dict[str, Any]) -> str:
    """What the last steps of the RL stages were like; nothing where there are none."""
    lines = "".join(
        f'<tr><th scope="row">{text(stage["title"])}</th><td>{percent(last["pass_rate"])}</td>'
        f"<td>{percent(last['truncated_share'])}</td>"
        f"<td>{'-' if last['reward'] is None else format(last['reward'], '.2f')}</td><td>{last['steps']:,}</td></tr>"
        for stage in report["stages"]
        if (last := stage["training"])
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("pass rate", "cut off", "mean reward", "over steps"))
    return (
        '<div class="scroll training"><table><thead><tr><th scope="col">in training, at the end of</th>'
        f"{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
        if lines
        else ""
    )


def benchmarks_section(report: dict[str, Any]) -> str:
    """Scores by stage; nothing where the recipe names no benchmark."""
    if not report["benchmarks"]:
        return ""
    titles = stage_titles(report["benchmarks"])
    heads = "".join(f'<th scope="col">{text(title)}</th>' for title in titles.values())
    lines = ""
    for bench in report["benchmarks"]:
        by_stage = {stage["stage"]: stage for stage in bench["stages"]}
        cells = "".join(f"<td>{cell(by_stage.get(name))}</td>" for name in titles)
        small = f"<small>{text(bench['average'])}, protocol {text(bench['protocol'])}</small>"
        lines += f'<tr><th scope="row">{text(bench["name"])}{small}</th>{cells}</tr>'
    places = dict.fromkeys(stage["directory"] for bench in report["benchmarks"] for stage in bench["stages"])
    compared = comparison(report["benchmarks"])
    said = [
        "In points of a hundred, with the 95% interval over problems.",
        *notes(report["benchmarks"]),
        *report["trained_on"],
        f"Every answer with its verdict: report.html in {', '.join(places)}.",
        *([f"Problem by problem: {compared}"] if compared else []),
    ]
    below = "".join(f'<p class="note">{text(line, longest=None)}</p>' for line in said)
    return (
        f'<section><h2>Benchmarks</h2><div class="scroll"><table><thead><tr><th scope="col">benchmark</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>{below}</section>"
    )


def preferences_section(report: dict[str, Any]) -> str:
    """What the reward models are worth; nothing where the run has none."""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("accuracy", "95% interval", "pairs"))
    parts = ""
    for model in report["reward_models"]:
        lines = "".join(
            f'<tr><th scope="row">{text(name)}</th>' + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>"
            for name, *cells in table_rows(model)
        )
        said = [*sentences(model), f"It lies in {model['directory']}."]
        below = "".join(f'<p class="note">{text(line, longest=None)}</p>' for line in said)
        first = f'<th scope="col">{text(title(model["stage"], report["born"]))}, step {model["step"]}</th>'
        parts += f'<div class="scroll"><table><thead><tr>{first}{heads}</tr></thead><tbody>{lines}</tbody></table></div>{below}'
    return f"<section><h2>Reward models on held-out pairs</h2>{parts}</section>" if parts else ""


def failures_section(run: Run, report: dict[str, Any]) -> str:
    """Which verifiers failed how often, and the latest answers they failed on; nothing where none did."""
    samples = run.failures()[-_FAILURES_SHOWN:]
    if not report["failures"] and not samples:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("while", "answers", "errors", "timeouts"))
    lines = "".join(
        f'<tr><th scope="row">{text(entry["verifier"] or "all verifiers")}</th>'
        f"<td>{text(title(entry['stage'], report['born']))}, {entry['during']}</td><td>{entry['verdicts']:,}</td>"
        f"<td>{entry['error']:,}</td><td>{entry['timeout']:,}</td></tr>"
        for entry in report["failures"]
    )
    table = f'<table><thead><tr><th scope="col">verifier</th>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    shown = "".join(
        f"<article><h3>{text(row['verifier'])} {badge(row['status'])} {text(title(row['stage'], report['born']))}, "
        f'step {row["step"]}</h3><p class="note">{text(row["reason"])}</p><p>{text(row["question"])}</p>'
        f"<pre>{text(row['answer'])}</pre></article>"
        for row in samples
    )
    return f"""<section><h2>Where verifiers failed</h2>
<p class="note">An answer whose verifier fails is not learned from; in an evaluation it is missing, neither solved nor
unsolved (Ponder 0.1.0 counted it as not solved). The latest are below, more in verifier_errors.jsonl.</p>
<div class="scroll">{table if lines else ""}</div><div class="answers failures">{shown}</div></section>"""


def _kind(stage: dict[str, Any], born: bool) -> str:
    return {
        "birth": "untrained" if born else "as it came",
        "demonstrating": "making demonstrations",
        "sft": "supervised",
        "reward_model": "a reward model",
        "rl": "reinforcement learning",
    }[stage["kind"]]


def _interval(stage: dict[str, Any]) -> str:
    if stage["interval"] is None:
        return "-"
    low, high = stage["interval"]
    place = f"--low:{low:.4f};--high:{high:.4f};--at:{stage['accuracy']:.4f}"
    return f'{span(stage["interval"])} <span class="bar" style="{place}" aria-hidden="true"><i></i><b></b></span>'


def _domain_cell(part: dict[str, Any] | None) -> str:
    return f'<td title="95%: {span(part["interval"])}">{percent(part["accuracy"])}</td>' if part else "<td>-</td>"
