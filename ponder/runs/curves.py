"""The pictures of a run: the same panels as one PNG for anywhere and as SVGs for report.html."""

import re
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ponder.runs.panels import COLOURS, Panel, panels
from ponder.runs.run import Run
from ponder.runs.summary import headline
from ponder.runs.wording import duration, title

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 12,
    "text.parse_math": False,  # names of stages and domains are text, dollar signs included
    "svg.fonttype": "none",
    "axes.edgecolor": COLOURS["rule"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.labelcolor": COLOURS["muted"],
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.9,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 7,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
}


def draw_curves(run: Run, report: dict[str, Any]) -> bytes:
    """The picture of a run as PNG, given `summary.build_report(run)`: up to four panels, two by two, 1600 pixels wide.

    Raises:
        ValueError: the run has neither a step nor an evaluation.
    """
    shown = panels(run)
    if not shown:
        raise ValueError(f"{run.path} has no step and no evaluation yet, so there is nothing to draw")
    columns, lines = min(2, len(shown)), (len(shown) + 1) // 2
    width, height = 8.0 * columns, 1.2 + 4.5 * lines  # inches of 100 pixels
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=100, facecolor=COLOURS["paper"])
        FigureCanvasAgg(figure)
        left, text = 0.85 / width, headline(report)
        size = min(22.0, 98 * width / len(text))  # what fits the width
        figure.text(left, 1 - 0.55 / height, text, size=size, weight="bold", va="center")
        figure.text(left, 1 - 0.98 / height, _caption(report), size=13, color=COLOURS["muted"], va="center")
        grid = figure.subplots(lines, columns, squeeze=False).flatten()
        for axes, panel in zip(grid, shown, strict=False):
            panel.draw(axes)
            _write_title(axes, panel)
        for axes in grid[len(shown) :]:
            axes.remove()
        figure.subplots_adjust(
            left=left,
            right=1 - 1.45 / width,
            top=1 - 2.3 / height,
            bottom=0.75 / height,
            wspace=0.38,
            hspace=0.66,
        )
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw_svgs(run: Run) -> list[tuple[Panel, str]]:
    """Each panel as SVG text to inline into HTML: no fixed size, text stays text, colours are CSS variables."""
    pictures = []
    for number, panel in enumerate(panels(run)):
        with rc_context({**_STYLE, "svg.hashsalt": "ponder"}):
            figure = Figure(figsize=(7.0, 3.7))
            FigureCanvasSVG(figure)
            axes = figure.subplots()
            figure.patch.set_visible(False)
            axes.patch.set_visible(False)
            panel.draw(axes)
            figure.subplots_adjust(left=0.085, right=0.83, top=0.95, bottom=0.11)
            buffer = BytesIO()
            figure.savefig(buffer, format="svg", metadata=dict.fromkeys(["Creator", "Date", "Format", "Type"]))
        pictures.append((panel, _for_html(buffer.getvalue().decode(), panel, number)))
    return pictures


def _caption(report: dict[str, Any]) -> str:
    totals = report["totals"]
    steps = [
        f"{stage['steps']:,} step{'' if stage['steps'] == 1 else 's'} of {title(stage['name'])}"
        for stage in report["stages"]
        if stage["steps"]
    ]
    return " \u2013 ".join([report["recipe_name"], *steps, duration(totals["seconds"])])


def _write_title(axes: Axes, panel: Panel) -> None:
    axes.annotate(
        panel.title, (0, 1), (0, 43), "axes fraction", textcoords="offset points", size=14, weight="bold", va="bottom"
    )
    axes.annotate(
        panel.subtitle,
        (0, 1),
        (0, 25),
        "axes fraction",
        textcoords="offset points",
        size=11.5,
        color=COLOURS["muted"],
        va="bottom",
    )


def _for_html(svg: str, panel: Panel, number: int) -> str:
    from html import escape

    svg = svg[svg.index("<svg") :]  # without the XML declaration and doctype
    svg = re.sub(r'( id="|"#|url\(#)', rf"\g<1>panel{number}-", svg)  # ids must differ within one page
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(panel.title)}: {escape(panel.subtitle)}"', 1)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("'DejaVu Sans'", "inherit")
