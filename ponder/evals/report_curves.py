"""What more computing brings when a model answers, as pictures: pass@k and maj@k against k, and score and tokens against the
budget of thought. One SVG a benchmark, for light and dark; it fetches nothing."""

from dataclasses import dataclass
from html import escape
from math import log2
from textwrap import wrap

from ponder.evals.estimates import Estimate
from ponder.evals.report_svg import STYLE
from ponder.evals.score_words import interval, shown
from ponder.evals.scores import BenchmarkScore, by_budget
from ponder.runs.wording import printable

WIDTH, _TALL, _SHORT = 360, 190, 90  # pixels: the picture, a plot of shares, a plot of tokens
_LEFT, _RIGHT = 48, 14  # of a plot
VOTING = "maj@k: over all subsets of k answers; where several lead, their mean"
NO_VOTES = "such answers have no votes: no two are the same text"
_TOPS = (0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 1.0)  # of an axis of shares


@dataclass(frozen=True)
class _Line:
    """`points`: (place on the axis, estimate); a mark a point, and a band for the intervals. Without `joined`, intervals alone."""

    name: str
    colour: int
    points: list[tuple[float, Estimate]]
    joined: bool = True


def scaling_pictures(scores: list[BenchmarkScore]) -> list[str]:
    """Of each benchmark that was asked more than once: what k answers bring."""
    return [_scaling(score) for score in scores if len(score.pass_at) > 1]


def budget_pictures(scores: list[BenchmarkScore]) -> list[str]:
    """Of each benchmark that was asked with several budgets of thought: score and tokens against the budget."""
    return [_budgets(rows) for rows in by_budget(scores)]


def _scaling(score: BenchmarkScore) -> str:
    sizes = list(score.pass_at)
    places = {k: log2(k) for k in sizes}
    lines = [_Line("pass@k: one of k is correct", 1, [(places[k], e) for k, e in score.pass_at.items()])]
    if score.maj_at:
        lines.append(
            _Line("maj@k: the most frequent of k is correct", 0, [(places[k], e) for k, e in score.maj_at.items()])
        )
    head, top = _head(score.name, [(line.name, line.colour) for line in lines])
    plot, below = _shares(lines, top, _TALL)
    axis = _axis([(place, f"{k:,}") for k, place in places.items()], top + _TALL)
    said = f"k answers to each of {score.problems:,} problems; 95% intervals"
    words = _words([said, VOTING if score.maj_at else NO_VOTES], below + 16)
    spoken = ". ".join(
        f"{line.name}: " + ", ".join(f"{k} {shown(e)}" for k, (_, e) in zip(sizes, line.points, strict=True))
        for line in lines
    )
    return _svg(f"{score.name}, k answers. {spoken}", head + plot + axis + words[0], words[1])


def _budgets(rows: list[BenchmarkScore]) -> str:
    budgets = [row.budget or 0 for row in rows]
    places = dict(zip(budgets, _logarithmic(budgets), strict=True))
    thin = any(row.thin for row in rows)
    points = [(places[row.budget or 0], row.avg) for row in rows if row.avg is not None]
    words = "interval of the score" if thin else f"score ({rows[0].avg_name})"
    tokens = {"tokens of an answer, on average": [(row, row.tokens.mean) for row in rows if row.tokens]}
    tokens["of these, thinking"] = [
        (row, row.tokens.reasoning_mean) for row in rows if row.tokens and row.tokens.reasoning_mean is not None
    ]
    head, top = _head(rows[0].name_without_budget, [(words, 0), *zip(tokens, (2, 3), strict=True)])
    plot, below = _shares([_Line(words, 0, points, joined=not thin)], top, _TALL)
    series = [
        (colour, [(places[row.budget or 0], mean) for row, mean in means])
        for colour, means in zip((2, 3), tokens.values(), strict=True)
    ]
    second = below + 14
    more = _tokens(series, second)
    axis = _axis([(place, f"{budget:,}") for budget, place in places.items()], second + _SHORT)
    said = ["budget of thought, in tokens (0: no thought); 95% intervals", *_thoughtless(rows)]
    under = _words(said, second + _SHORT + 36)
    spoken = ", ".join(
        f"budget {row.budget}: "
        + (f"between {interval(row.avg)}" if row.thin and row.avg else shown(row.avg))
        + (f" with {row.tokens.mean:.0f} tokens" if row.tokens else "")
        for row in rows
    )
    return _svg(
        f"{rows[0].name_without_budget} by budget of thought. {spoken}", head + plot + more + axis + under[0], under[1]
    )


def _thoughtless(rows: list[BenchmarkScore]) -> list[str]:
    if any(row.tokens and row.tokens.reasoning for row in rows):
        return []
    return ["no answer had a thought that was counted: a budget bounds nothing here"]


def _logarithmic(budgets: list[int]) -> list[float]:
    """Places on an axis; 0 stands as far before the first as the others are apart on average."""
    logs = [log2(budget) for budget in budgets if budget]
    step = (logs[-1] - logs[0]) / (len(logs) - 1) if len(logs) > 1 else 1.0
    return [log2(budget) if budget else logs[0] - step for budget in budgets]


# ---- parts of a picture ----


def _svg(spoken: str, body: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pc" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(printable(spoken), quote=True)}"><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="var(--pc-paper)"/>{body}</svg>'
    )


def _head(title: str, legend: list[tuple[str, int]]) -> tuple[str, float]:
    """Title and legend, and where the plot begins."""
    lines = wrap(printable(title), 40)[:3]
    parts = [f'<text x="8" y="{18 + 15 * i}" font-weight="600">{escape(line)}</text>' for i, line in enumerate(lines)]
    y = 20 + 15 * len(lines)
    for name, colour in legend:
        parts.append(
            f'<rect x="8" y="{y - 8}" width="12" height="9" rx="2" fill="var(--pc-{colour})"/>'
            f'<text class="m" x="26" y="{y}" font-size="11.5">{escape(name)}</text>'
        )
        y += 16
    return "".join(parts), y + 8


def _words(said: list[str], y: float) -> tuple[str, float]:
    """Lines under a picture, and its height."""
    lines = [line for sentence in said for line in wrap(sentence, 50)]
    drawn = "".join(
        f'<text class="m" x="8" y="{y + 15 * i:.0f}" font-size="11">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return drawn, y + 15 * len(lines) + 2


def _x(place: float, places: list[float]) -> float:
    first, last = min(places), max(places)
    share = (place - first) / (last - first) if last > first else 0.5
    return _LEFT + 14 + share * (WIDTH - _LEFT - _RIGHT - 44)


def _axis(ticks: list[tuple[float, str]], y: float) -> str:
    places, parts, free = [place for place, _ in ticks], [], -1.0
    for place, label in ticks:
        x = _x(place, places)
        if x - 3.4 * len(label) < free:
            continue  # its neighbour has the room
        free = x + 3.4 * len(label) + 4
        parts.append(f'<text class="m" x="{x:.1f}" y="{y + 16:.0f}" text-anchor="middle" font-size="11">{label}</text>')
    return "".join(parts)


def _grid(top: float, tall: float, labels: list[str]) -> str:
    """Lines from the bottom up, evenly spaced, each with its label."""
    parts = []
    for i, label in enumerate(labels):
        y = top + tall * (1 - i / (len(labels) - 1))
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--pc-rule)"/>'
            f'<text class="m" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{label}</text>'
        )
    return "".join(parts)


def _shares(lines: list[_Line], top: float, tall: float) -> tuple[str, float]:
    """Curves of shares with their bands, in points of a hundred, and where the next thing may begin."""
    highest = max((e.high for line in lines for _, e in line.points), default=1.0)
    most = next(bound for bound in _TOPS if bound >= highest or bound == 1.0)
    places = sorted({place for line in lines for place, _ in line.points})
    parts = [_grid(top, tall, [f"{100 * most * i / 5:g}" for i in range(6)])]

    def y(share: float) -> float:
        return top + tall * (1 - share / most)

    for line in lines:
        at = [(_x(place, places), e) for place, e in line.points]
        colour = f"var(--pc-{line.colour})"
        if line.joined and len(at) > 1:
            upper = " ".join(f"{x:.1f},{y(e.high):.1f}" for x, e in at)
            lower = " ".join(f"{x:.1f},{y(e.low):.1f}" for x, e in reversed(at))
            middle = " ".join(f"{x:.1f},{y(e.value):.1f}" for x, e in at)
            parts.append(
                f'<polygon points="{upper} {lower}" fill="{colour}" opacity=".14"/>'
                f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
        for x, e in at:
            whisker = f'<path d="M{x:.1f} {y(e.low):.1f}V{y(e.high):.1f}" stroke="{colour}" stroke-width="{1 if line.joined else 7}" opacity=".55"/>'
            mark = f'<circle cx="{x:.1f}" cy="{y(e.value):.1f}" r="3.2" fill="{colour}"/>' if line.joined else ""
            said = shown(e) if line.joined else f"between {interval(e)}"
            parts.append(f"<g><title>{escape(line.name)}: {said}</title>{whisker}{mark}</g>")
        if line.joined and at:
            x, e = at[-1]
            parts.append(
                f'<text x="{x + 7:.1f}" y="{y(e.value) + 4:.1f}" font-size="11" font-weight="600">{100 * e.value:.1f}</text>'
            )
    return "".join(parts), top + tall + 20


def _tokens(series: list[tuple[int, list[tuple[float, float]]]], top: float) -> str:
    """Curves of mean tokens."""
    values = [mean for _, points in series for _, mean in points]
    places = sorted({place for _, points in series for place, _ in points})
    most = _round_up(max(values, default=1.0))
    parts = [_grid(top, _SHORT, ["0", f"{most / 2:,.0f}" if most > 1 else "", f"{most:,.0f}"])]
    for colour, points in series:
        at = [(_x(place, places), top + _SHORT * (1 - mean / most), mean) for place, mean in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
        parts.append(f'<polyline points="{line}" fill="none" stroke="var(--pc-{colour})" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--pc-{colour})"><title>{mean:,.0f} tokens</title></circle>'
            for x, y, mean in at
        ]
    return "".join(parts)


def _round_up(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least the value."""
    bound = 1.0
    while True:
        for times in (1, 2, 5):
            if times * bound >= value:
                return times * bound
        bound *= 10
