"""The bar chart: the measured model beside published scores, by benchmark, as one SVG for light and dark.

A measured bar is filled and has its interval; published bars are hatched. What was measured otherwise than a published score
is said under the picture.
"""

from html import escape
from textwrap import wrap

from ponder.evals.published import SHOWN_MODELS, PublishedScore, differences, published
from ponder.evals.records import Manifest
from ponder.evals.report_svg import STYLE
from ponder.evals.scores import BenchmarkScore, by_budget
from ponder.runs.wording import printable

_BAR, _GAP, _BETWEEN = 26, 5, 34  # widths in pixels: a bar, between bars, between benchmarks
_TALL, _LEFT = 240, 40  # of the plot, and left of it
_NARROWEST = 560


def bar_chart(manifest: Manifest, scores: list[BenchmarkScore], models: tuple[str, ...] = SHOWN_MODELS) -> str:
    """SVG text that stands alone and can be inlined into HTML. `models`: of published scores, at most five."""
    smaller = {score.bench for rows in by_budget(scores) for score in rows[:-1]}
    shown = [s for s in scores if s.avg is not None and s.bench not in smaller]
    beside = {
        s.bench: [p for m in models for p in published() if (p.model, p.bench) == (m, s.benchmark)] for s in shown
    }
    named = [m for m in models if any(p.model == m for rows in beside.values() for p in rows)]
    colour = {model: index + 1 for index, model in enumerate(named)}
    name = printable(str(manifest.model.get("name", "measured")))[:40]
    widths = [_group_width(1 + len(beside[s.bench]), s) for s in shown]
    width = max(_NARROWEST, _LEFT + sum(widths) + _BETWEEN * len(shown) + 10)
    legend, legend_height = _legend(name, named, width)
    top = 16 + legend_height + 22
    body, x = [_grid(width, top)], _LEFT + _BETWEEN / 2
    for score, group in zip(shown, widths, strict=True):
        body.append(_group(score, beside[score.bench], colour, x, group, top))
        x += group + _BETWEEN
    notes = _notes(manifest, shown, beside, width)
    below = top + _TALL + 30 + 14 * max((len(_label(s)) for s in shown), default=1)
    lines = "".join(
        f'<text class="m" x="8" y="{below + 16 * i}" font-size="11">{escape(line)}</text>'
        for i, line in enumerate(notes)
    )
    height = below + 16 * len(notes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pc" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(_spoken(name, shown, beside), quote=True)}">'
        f"<style>{STYLE}</style><defs>{''.join(_hatch(i) for i in colour.values())}</defs>"
        f'<rect width="100%" height="100%" fill="var(--pc-paper)"/>{legend}{"".join(body)}{lines}</svg>'
    )


def _group_width(bars: int, score: BenchmarkScore) -> float:
    return max(bars * (_BAR + _GAP) - _GAP, 7.0 * min(24, max(map(len, _label(score)))))


def _label(score: BenchmarkScore) -> list[str]:
    """The benchmark's own name, and under it what must stand beside the number."""
    return [score.benchmark[:24], *wrap(printable(score.name).removeprefix(score.benchmark), 24)[:3]]


def _hatch(index: int) -> str:
    return (
        f'<pattern id="pc-h{index}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="var(--pc-{index})" opacity=".16"/>'
        f'<rect width="2" height="6" fill="var(--pc-{index})" opacity=".75"/></pattern>'
    )


def _legend(name: str, models: list[str], width: float) -> tuple[str, int]:
    """Entries in rows that fit, and the height of the rows."""
    parts, x, y = [], 8.0, 12
    for index, model in enumerate([f"{name} (measured, 95% interval)", *[f"{m} (published)" for m in models]]):
        room = 36 + (8.0 if index == 0 else 6.9) * len(model)
        if x + room > width and x > 8:
            x, y = 8.0, y + 20
        fill = "var(--pc-0)" if index == 0 else f"url(#pc-h{index})"
        weight = ' font-weight="600"' if index == 0 else ""
        parts.append(
            f'<rect x="{x:.0f}" y="{y - 10}" width="14" height="12" rx="2" fill="{fill}" stroke="var(--pc-{index})"/>'
            f'<text x="{x + 20:.0f}" y="{y}"{weight}>{escape(model)}</text>'
        )
        x += room
    return "".join(parts), y


def _grid(width: float, top: float) -> str:
    return "".join(
        f'<line x1="{_LEFT}" x2="{width - 8:.0f}" y1="{_y(share, top):.1f}" y2="{_y(share, top):.1f}" '
        f'stroke="var(--pc-rule)"/><text class="m" x="{_LEFT - 8}" y="{_y(share, top) + 4:.1f}" text-anchor="end">'
        f"{100 * share:.0f}</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    )


def _group(
    score: BenchmarkScore, beside: list[PublishedScore], colour: dict[str, int], x: float, group: float, top: float
) -> str:
    start = x + (group - (1 + len(beside)) * (_BAR + _GAP) + _GAP) / 2
    parts = [_measured(score, start, top)]
    for place, row in enumerate(beside, start=1):
        index, left, high = colour[row.model], start + place * (_BAR + _GAP), _y(row.score / 100, top)
        parts.append(
            f"<g><title>{escape(f'{row.model}: {row.score}, published ({row.source})')}</title>"
            f'<rect x="{left:.1f}" y="{high:.1f}" width="{_BAR}" height="{top + _TALL - high:.1f}" rx="2" '
            f'fill="url(#pc-h{index})" stroke="var(--pc-{index})"/>'
            f'<text class="m" x="{left + _BAR / 2:.1f}" y="{high - 5:.1f}" text-anchor="middle" font-size="10.5">'
            f"{row.score:.1f}</text></g>"
        )
    for line, text in enumerate(_label(score)):
        look = 'font-weight="600"' if line == 0 else 'class="m" font-size="11"'
        parts.append(
            f'<text x="{x + group / 2:.1f}" y="{top + _TALL + 18 + 14 * line:.1f}" text-anchor="middle" {look}>'
            f"{escape(text)}</text>"
        )
    return "".join(parts)


def _measured(score: BenchmarkScore, left: float, top: float) -> str:
    """The filled bar, with its interval as a whisker; of a thin score the interval alone, since its mean is no score."""
    assert score.avg is not None
    low, high, at = _y(score.avg.low, top), _y(score.avg.high, top), _y(score.avg.value, top)
    middle = left + _BAR / 2
    interval = f"{100 * score.avg.low:.1f} to {100 * score.avg.high:.1f}"
    if score.thin:
        return (
            f"<g><title>{escape(f'{score.name}: between {interval}, too few answers for a score')}</title>"
            f'<rect x="{left:.1f}" y="{high:.1f}" width="{_BAR}" height="{max(1.0, low - high):.1f}" rx="2" '
            f'fill="var(--pc-0)" opacity=".35" stroke="var(--pc-0)" stroke-dasharray="3 2"/>'
            f'<text x="{middle:.1f}" y="{high - 5:.1f}" text-anchor="middle" font-size="10.5">'
            f"{100 * score.avg.low:.0f}-{100 * score.avg.high:.0f}</text></g>"
        )
    return (
        f"<g><title>{escape(f'{score.name}: {100 * score.avg.value:.1f}, from {interval}')}</title>"
        f'<rect x="{left:.1f}" y="{at:.1f}" width="{_BAR}" height="{top + _TALL - at:.1f}" rx="2" fill="var(--pc-0)"/>'
        f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}M{middle - 5:.1f} {high:.1f}h10M{middle - 5:.1f} {low:.1f}h10" '
        f'stroke="var(--pc-ink)" stroke-width="1.4" fill="none"/>'
        f'<text x="{middle:.1f}" y="{min(at, high) - 5:.1f}" text-anchor="middle" font-weight="700">'
        f"{100 * score.avg.value:.1f}</text></g>"
    )


def _y(share: float, top: float) -> float:
    return top + _TALL * (1 - share)


def _notes(
    manifest: Manifest, scores: list[BenchmarkScore], beside: dict[str, list[PublishedScore]], width: float
) -> list[str]:
    said = ["Filled: measured here, with its 95% interval. Hatched: as published by others."]
    said += [
        f"{score.benchmark}: of several budgets of thought the largest, {score.budget:,} tokens."
        for score in scores
        if score.bench != score.benchmark
    ]
    for score in scores:
        if score.thin:
            said.append(
                f"{score.benchmark}: one answer to each of {score.problems} problems gives an interval and no score."
            )
        by_words: dict[str, list[str]] = {}
        for row in beside[score.bench]:
            if words := "; ".join(
                differences(manifest.benchmarks[score.bench], row) + ([row.note] if row.note else [])
            ):
                by_words.setdefault(words, []).append(row.model)
        said += [
            f"{score.benchmark}, measured against published {', '.join(m)}: {words}." for words, m in by_words.items()
        ]
    return [line for sentence in said for line in wrap(printable(sentence), int((width - 16) / 6.1))]


def _spoken(name: str, scores: list[BenchmarkScore], beside: dict[str, list[PublishedScore]]) -> str:
    """The picture in words, for those who hear it."""
    parts = []
    for score in scores:
        assert score.avg is not None
        interval = f"{100 * score.avg.low:.1f} to {100 * score.avg.high:.1f}"
        value = f"between {interval}" if score.thin else f"{100 * score.avg.value:.1f}, interval {interval}"
        others = "".join(f"; {row.model} {row.score} as published" for row in beside[score.bench])
        parts.append(f"{score.name}: {name} {value}{others}")
    return ". ".join(parts)
