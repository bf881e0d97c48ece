"""The panels of the picture: what each shows and how it is drawn.

Thin lines are single steps, thick ones their running mean; a line is named where it ends instead of in a legend.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ponder.runs.lineage import born_here
from ponder.runs.metrics import Row
from ponder.runs.places import BIRTH
from ponder.runs.preferences import judged_pairs
from ponder.runs.results import EvalResult
from ponder.runs.run import Run
from ponder.runs.wording import percent, printable, spread, title

COLOURS = {  # report.html has a CSS variable for each, so that the page can turn dark
    "paper": "#ffffff",
    "ink": "#1d2733",
    "muted": "#66727f",
    "rule": "#e5e9ed",
    "learned": "#14796d",  # reinforcement learning
    "taught": "#6286b3",  # supervised stages
    "length": "#bd6a36",
    "entropy": "#85609f",
}
KEPT = "demonstrations/kept"
PREFERRED = "preference/accuracy"
_DOMAINS_SHOWN = 4
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.0f}%")


@dataclass(frozen=True)
class Panel:
    """One picture: its title, what it shows in words, and how to draw it."""

    title: str
    subtitle: str
    draw: Callable[[Axes], None]


def panels(run: Run) -> list[Panel]:
    """The panels this run has data for, the most telling first, four at most."""
    rows, evals = run.metrics(), [result for result in run.evals() if result.accuracy is not None]
    rl = [row for row in rows if "reward/mean" in row]
    made = [row for row in rows if KEPT in row]
    preference = [row for row in rows if PREFERRED in row]
    sft = [row for row in rows if not {"reward/mean", KEPT, PREFERRED} & row.keys()]
    judged = judged_pairs(run)[-1:]
    candidates = [
        (bool(evals), accuracy_panel(rows, evals, title(BIRTH, born_here(run.lineage)))),
        (_has(rl, "reward/mean"), answers_panel(rl)),
        (_has(rl, "length/mean"), length_panel(rl)),
        (_has(rl, "entropy"), entropy_panel(rl)),
        (bool(judged), calibration_panel(judged)),
        (_has(preference, PREFERRED), preference_panel(preference)),
        (_has(made, KEPT), kept_panel(made)),
        (_has(sft, "loss"), loss_panel(sft)),
        (_has(sft, "grad_norm"), gradient_panel(sft)),
        (_has(rl, "groups/zero_variance_share"), variance_panel(rl)),
    ]
    return [panel for present, panel in candidates if present][:4]


def accuracy_panel(rows: list[Row], evals: list[EvalResult], first: str) -> Panel:
    """`first`: what the model before any stage is called."""

    def draw(axes: Axes) -> None:
        rl_stages = {row["stage"] for row in rows if "reward/mean" in row}
        ends = _stage_ends(rows, evals)
        # Stages differ in steps by orders of magnitude, so each has a width of its own and steps of its own.
        widths = {stage: 1.0 if stage in rl_stages else 0.55 for stage in ends}
        left, before = 0.0, [result for result in evals if result.stage == BIRTH][-1:]
        notes = [(0.0, result.accuracy, COLOURS["taught"], "center") for result in before]
        ticks, labels = [0.0], [first if before else "0"]
        axes.plot(
            [0.0] * len(before), [result.accuracy for result in before], "o", color=COLOURS["taught"], clip_on=False
        )
        for stage, last_step in ends.items():
            width = widths[stage]
            colour = COLOURS["learned" if stage in rl_stages else "taught"]
            own = [result for result in evals if result.stage == stage]
            x = [left] * len(before) + [left + width * result.step / last_step for result in own]
            _accuracy_line(axes, x, [*before, *own], colour)
            if own:
                notes.append((x[-1], own[-1].accuracy, colour, "right"))
            middle = (left + width / 2, 1)
            kwargs = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
            axes.annotate(title(stage), middle, (0, 5), color=colour, size=11.5, **kwargs)
            steps = _round_steps(last_step, share=width / sum(widths.values()))
            ticks += [left + width * step / last_step for step in steps]
            labels += [f"{step:,}" for step in steps]
            left += width
            before = own[-1:] or before
            axes.axvline(left, color=COLOURS["rule"], lw=1.2, zorder=0.5)
        axes.set_xlim(-0.055 * max(left, 1), max(left, 0.1))
        axes.set_ylim(0, 1)
        axes.set_xticks(ticks, labels)
        axes.set_xlabel("steps of each stage", loc="right", size=11)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[2, 10]))
        axes.yaxis.set_major_formatter(_PERCENT)
        for x, accuracy, colour, side in notes[:-1]:
            _note(axes, x, accuracy, percent(accuracy), colour, side)
        _, accuracy, colour, _ = notes[-1]
        _name_ends(axes, [(accuracy, percent(accuracy), colour, True)])

    answers = spread([result.count for result in evals])
    return Panel("Held-out accuracy", f"{answers} answers to problems never trained on; band: 95% interval", draw)


def answers_panel(rows: list[Row]) -> Panel:
    """Pass rate, share cut off and reward, each under its name: under `truncated: mask` the reward alone would mislead."""

    names = dict.fromkeys(name for row in rows for name in row if name.startswith("reward/"))
    domains = [name for name in names if name not in ("reward/mean", "reward/std")]
    domains = domains if 1 < len(domains) <= _DOMAINS_SHOWN else []

    def draw(axes: Axes) -> None:
        ends = []
        for name in domains:
            y = _smooth(rows, name)
            axes.plot(_steps(rows), y, color=COLOURS["learned"], lw=1.1, alpha=0.5)
            ends.append((_last(y), printable(name.removeprefix("reward/"))[:16], COLOURS["muted"], False))
        for name, colour, form, bold in [
            ("truncated_share", "length", "{:.0%} cut off", False),
            ("reward/mean", "taught", "{:.2f} reward", False),
            ("pass_rate", "learned", "{:.0%} pass", True),  # last, so that it lies on top where two are the same
        ]:
            if _has(rows, name):
                y = _trend(axes, rows, name, COLOURS[colour], single_steps=bold and not domains)[1]
                ends.append((y[-1], form.format(y[-1]), COLOURS[colour], bold))
        every = np.array([value for line in axes.lines for value in np.atleast_1d(line.get_ydata())], dtype=float)
        if np.nanmin(every) >= 0 and np.nanmax(every) <= 1:  # the usual case gets the scale of accuracy
            axes.set_ylim(0, 1)
        _name_ends(axes, ends)

    thin = "; thin: reward by domain" if domains else ""
    return Panel("Answers in training", f"share that passed, share cut off by max_tokens, mean reward{thin}", draw)


def length_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Length of answers",
        "tokens sampled per answer, thinking included",
        lambda axes: _single_trend(axes, rows, "length/mean", COLOURS["length"], "{:,.0f}"),
    )


def entropy_panel(rows: list[Row]) -> Panel:
    gaps = [row["mismatch/max"] for row in rows if row.get("mismatch/max") is not None]
    gap = f"; log-probabilities of sampler and learner within {max(gaps):.0e}" if gaps else ""
    return Panel(
        "Entropy",
        f"nats per token{gap}",
        lambda axes: _single_trend(axes, rows, "entropy", COLOURS["entropy"], "{:.2g}"),
    )


def kept_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Demonstrations that were made",
        "right answers kept so far in the stage",
        lambda axes: _single_trend(axes, rows, KEPT, COLOURS["taught"], "{:,.0f}"),
    )


def preference_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Pairs of the reward model's training",
        "share whose preferred answer had the higher score, before each update",
        lambda axes: _single_trend(axes, rows, PREFERRED, COLOURS["learned"], "{:.0%}"),
    )


def calibration_panel(judged: list[dict[str, Any]]) -> Panel:
    """`judged`: the reward model that is shown, as `preferences.judged_pairs` has it; or none."""
    parts = judged[0]["parts"] if judged else {}
    colours = dict(zip(parts, (COLOURS["learned"], COLOURS["length"]), strict=False))

    def draw(axes: Axes) -> None:
        axes.plot([0.5, 1], [0.5, 1], color=COLOURS["muted"], lw=1, ls="--")
        ends = []
        for name, part in parts.items():
            bins = part["calibration"]["bins"]
            predicted, observed = ([one[key] for one in bins] for key in ("predicted", "accuracy"))
            low, high = ([one["interval"][end] for one in bins] for end in (0, 1))
            below = [max(0.0, at - bound) for at, bound in zip(observed, low, strict=True)]
            above = [max(0.0, bound - at) for at, bound in zip(observed, high, strict=True)]
            axes.errorbar(
                predicted, observed, [below, above], color=colours[name], lw=2, elinewidth=1, marker="o", ms=5
            )
            ends.append((observed[-1], name, colours[name], True))
        axes.set_xlim(0.48, 1.02)
        axes.set_ylim(0, 1.02)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_PERCENT)
        axes.set_xlabel("the reward model's probability of the answer that it prefers", loc="right", size=11)
        _name_ends(axes, ends)

    errors = ", ".join(f"{name} {100 * part['calibration']['expected_error']:.1f}" for name, part in parts.items())
    return Panel(
        "Calibration of the reward model",
        f"share that is right by its own probability; expected error, points: {errors}",
        draw,
    )


def loss_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Loss of supervised stages",
        "nats per token of the demonstrations",
        lambda axes: _single_trend(axes, rows, "loss", COLOURS["taught"], "{:.2g}"),
    )


def gradient_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Gradient norm of supervised stages",
        "before clipping",
        lambda axes: _single_trend(axes, rows, "grad_norm", COLOURS["entropy"], "{:.2g}"),
    )


def variance_panel(rows: list[Row]) -> Panel:
    return Panel(
        "Groups that teach nothing",
        "share of groups whose answers all earned the same reward",
        lambda axes: _single_trend(axes, rows, "groups/zero_variance_share", COLOURS["muted"], "{:.0%}"),
    )


def _single_trend(axes: Axes, rows: list[Row], name: str, colour: str, form: str) -> None:
    """A panel with one metric, from zero up, with the values it begins and ends at."""
    x, y = _trend(axes, rows, name, colour)
    axes.set_ylim(bottom=0)
    if len(x) > 1:
        _note(axes, x[0], y[0], form.format(y[0]), colour, "left")
    _name_ends(axes, [(y[-1], form.format(y[-1]), colour, True)])


def _trend(
    axes: Axes, rows: list[Row], name: str, colour: str, single_steps: bool = True
) -> tuple[list[int], list[float]]:
    """Draw a metric over the steps of its stages, laid end to end; return its running mean, where there is one."""
    x, y = _steps(rows), _values(rows, name)
    smooth = _smooth(rows, name)
    if single_steps:
        axes.plot(x, y, color=colour, lw=1.0, alpha=0.35)
    axes.plot(x, smooth, color=colour, lw=2.6, marker="o" if len(x) == 1 else None)
    for index in range(1, len(rows)):
        if rows[index]["stage"] != rows[index - 1]["stage"]:
            axes.axvline(x[index - 1], color=COLOURS["rule"], lw=1.2, zorder=0.5)
    axes.set_xlim(0, x[-1] if len(x) > 1 else x[-1] + 1)
    steps = (
        "RL steps"
        if "reward/mean" in rows[0]
        else "steps"
        if {KEPT, PREFERRED} & rows[0].keys()
        else "supervised steps"
    )
    axes.set_xlabel(steps, loc="right", size=11)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(y=0.15)
    return [step for step, value in zip(x, smooth, strict=True) if np.isfinite(value)], smooth[
        np.isfinite(smooth)
    ].tolist()


def _accuracy_line(axes: Axes, x: list[float], results: list[EvalResult], colour: str) -> None:
    low, high = [result.interval[0] for result in results], [result.interval[1] for result in results]
    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    marker = "o" if len(x) < 40 else None
    axes.plot(x, [result.accuracy for result in results], color=colour, lw=2.6, marker=marker, ms=4, clip_on=False)


def _note(axes: Axes, x: float, y: float, text: str, colour: str, side: str) -> None:
    """Write beside a point, on the side where a rising line leaves room."""
    offset = {"right": -7, "center": 0, "left": 6}[side]
    axes.annotate(text, (x, y), (offset, 9), textcoords="offset points", ha=side, color=colour, weight="bold", size=13)


def _name_ends(axes: Axes, ends: list[tuple[float, str, str, bool]]) -> None:
    """Write (value, text, colour, bold) beside the right edge at the height of each value, kept apart."""
    gap = 0.085  # of the height of the panel
    low, high = axes.get_ylim()
    heights = sorted(
        (np.clip((value - low) / (high - low), 0, 1), text, colour, bold) for value, text, colour, bold in ends
    )
    placed = np.array([height for height, *_ in heights])
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + gap)
    placed -= max(0.0, placed[-1] - 1.0)
    for index in range(len(placed) - 2, -1, -1):
        placed[index] = min(placed[index], placed[index + 1] - gap)
    for height, (_, text, colour, bold) in zip(placed, heights, strict=True):
        axes.annotate(
            text,
            (1, height),
            (8, 0),
            "axes fraction",
            textcoords="offset points",
            va="center",
            color=colour,
            weight="bold" if bold else "normal",
            size=13 if bold else 11,
        )


def _stage_ends(rows: list[Row], evals: list[EvalResult]) -> dict[str, int]:
    """The last step of each stage, in the order of training, without birth."""
    ends: dict[str, int] = {}
    for stage, step in [(row["stage"], row["step"]) for row in rows] + [(r.stage, r.step) for r in evals]:
        if stage != BIRTH:
            ends[stage] = max(ends.get(stage, 1), step)
    return ends


def _round_steps(last: int, share: float) -> list[int]:
    """The last step of a stage and round numbers before it, as many as its share of the panel's width holds."""
    if share < 0.3:
        return [last]
    round_numbers = MaxNLocator(max(2, round(5 * share)), integer=True, steps=[1, 2, 5, 10]).tick_values(0, last)
    return [int(step) for step in round_numbers if 0 < step < 0.8 * last] + [last]


def _steps(rows: list[Row]) -> list[int]:
    """Steps counted on from stage to stage."""
    steps, offset = [], 0
    for index, row in enumerate(rows):
        if index and row["stage"] != rows[index - 1]["stage"]:
            offset = steps[-1]
        steps.append(offset + row["step"])
    return steps


def _has(rows: list[Row], name: str) -> bool:
    return any(row.get(name) is not None for row in rows)


def _values(rows: list[Row], name: str) -> np.ndarray:
    return np.array([row.get(name) for row in rows], dtype=float)  # None becomes NaN, a gap in the line


def _smooth(rows: list[Row], name: str) -> np.ndarray:
    """Running mean within each stage, over about a tenth of all steps; narrower at a stage's start, often steep."""
    values, half = _values(rows, name), len(rows) // 20
    starts = [index for index, row in enumerate(rows) if index == 0 or row["stage"] != rows[index - 1]["stage"]]
    smooth = np.full(len(rows), np.nan)
    for start, end in pairwise([*starts, len(rows)]):
        for index in range(start, end):
            reach = min(index - start, half)
            window = values[index - reach : min(index + reach + 1, end)]
            if np.isfinite(window).any():
                smooth[index] = np.nanmean(window)
    return smooth


def _last(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)][-1]) if np.isfinite(values).any() else 0.0
