"""The files of a report: report.json, curves.png and report.html."""

import errno
import json
from pathlib import Path

from ponder.runs.atomic import write_bytes, write_text
from ponder.runs.run import Run
from ponder.runs.summary import build_report

_MAY_NOT = {errno.EACCES, errno.EPERM, errno.EROFS}


class NotWritable(OSError):
    """The directory for the report may only be read."""


def write_report(run: Run, out: Path | None = None) -> list[Path]:
    """Write report.json, curves.png and report.html into the directory `out`, or that of the run, and return their paths.

    Raises:
        ValueError: the run has neither an evaluation nor a step.
        NotWritable: this user may not write there, or nobody may.
    """
    from ponder.runs.curves import draw_curves, draw_svgs
    from ponder.runs.html import render_html

    report = build_report(run)
    if not report["stages"]:
        raise ValueError(f"{run.path} has no step and no evaluation yet, so there is nothing to report")
    directory = out or run.path
    files = [directory / name for name in ("report.json", "curves.png", "report.html")]
    try:
        write_text(files[0], json.dumps(report, indent=1) + "\n")
        write_bytes(files[1], draw_curves(run, report))
        write_text(files[2], render_html(run, report, draw_svgs(run)))
    except OSError as error:
        if error.errno not in _MAY_NOT:
            raise
        raise NotWritable(error.errno, f"no report was written: {directory} may only be read") from error
    return files
