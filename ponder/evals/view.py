"""What is seen while an evaluation runs: done, correct, rate, time left, and what it has cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ponder.evals.records import Sample

EVERY_S = 10.0  # between two lines where there is no terminal


class View:
    def __init__(self, total: int, console: Console, bar: Progress | None):
        self._total, self._console, self._bar = total, console, bar
        self._task = None if bar is None else bar.add_task("eval", total=total, said="")
        self._begun = self._told = time.monotonic()
        self._seen = self._correct = self._failed = self._tokens = 0
        self._cost: float | None = None

    def told(self, sample: Sample) -> None:
        self._seen += 1
        self._correct += sample.status == "correct"
        self._failed += sample.failure is not None
        self._tokens += sample.tokens or 0
        if sample.cost is not None:
            self._cost = (self._cost or 0.0) + sample.cost
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, said=self._said(now))
        elif now - self._told >= EVERY_S or self._seen == self._total:
            self._told = now
            left = (self._total - self._seen) * (now - self._begun) / self._seen
            self._console.print(f"{self._seen} of {self._total} answers, {self._said(now)}, {left:.0f} s left")

    def _said(self, now: float) -> str:
        parts = [f"{self._correct} correct", f"{self._tokens / max(now - self._begun, 1e-9):,.0f} tokens/s"]
        parts += [f"{self._failed} without an answer"] if self._failed else []
        parts += [f"cost {self._cost:.4f}"] if self._cost is not None else []
        return ", ".join(parts)


@contextmanager
def viewing(total: int) -> Iterator[View]:
    """On standard error: a bar in a terminal, elsewhere a line now and then."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_interactive:
        yield View(total, console, None)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield View(total, console, bar)
