"""Training as one sees it in the terminal: a live line per stage, or plain lines where output is not a terminal."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ponder.evals.score_words import headline, notes
from ponder.evals.scores import BenchmarkScore
from ponder.runs.benchmarks import comparison
from ponder.runs.console import failure_table, run_tables
from ponder.runs.failures import FAILURES_FILE
from ponder.runs.results import EvalResult
from ponder.runs.run import Run
from ponder.runs.shown_rollouts import show_rollouts
from ponder.runs.summary import best_line, build_report
from ponder.runs.wording import title
from ponder.training.checkpoint import Progress as StageProgress
from ponder.training.pause import Paused
from ponder.training.stages.kind import StageKind

PLAIN_SECONDS = 5.0  # between lines where nothing can be drawn over


class View:
    """`show_rollouts`: how many answers of each step are shown, for people who look on."""

    def __init__(self, console: Console, show_rollouts: int = 0):
        self.console, self.show_rollouts = console, show_rollouts
        self.accuracy: float | None = None
        self.spoken = 0.0
        self.began, self.began_step = 0.0, 0
        self.answers, self.wanted = 0, 0  # of benchmarks or of an evaluation, which
        self.asked_at = 0.0  # began then
        self.bars = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_interactive,
        )
        self.bar = None

    def __enter__(self) -> "View":
        self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def say(self, text: str) -> None:
        self.console.print(text, style="dim", highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self.console.print(text, style="bold yellow", highlight=False, markup=False, soft_wrap=True)

    def stage_begins(self, stage: StageKind, step: int) -> None:
        settings = stage.settings
        self.console.print(f"[bold]{settings.name}[/bold]: {settings.steps} steps, {stage.described}", highlight=False)
        self.began, self.began_step = time.monotonic(), step
        self.bar = self.bars.add_task(settings.name, total=settings.steps, completed=step, figures="")

    def step(self, stage: StageKind, progress: StageProgress, metrics: dict[str, float]) -> None:
        figures = stage.figures(metrics) + ("" if self.accuracy is None else f"  held-out {self.accuracy:.2f}")
        self.bars.update(self.bar, completed=progress.step, figures=figures)
        if not self.console.is_interactive and (progress.done or time.monotonic() - self.spoken > PLAIN_SECONDS):
            self.spoken = time.monotonic()
            pace = (self.spoken - self.began) / max(1, progress.step - self.began_step)
            left = pace * (stage.settings.steps - progress.step)
            self.console.print(
                f"{stage.settings.name} {progress.step}/{stage.settings.steps}  {figures}  {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )

    def rollouts(self, run: Run, stage: StageKind, progress: StageProgress) -> None:
        """A few answers of the step that has just been taken, where they were asked for."""
        if self.show_rollouts and stage.longest_answer and stage.updates:
            rows = run.rollouts(stage.settings.name, progress.step)
            self.console.print(show_rollouts(rows, self.show_rollouts))

    def evaluating(self, answers: int) -> None:
        """Said before an evaluation, which may take minutes."""
        self.answers, self.wanted = 0, answers
        self.asked_at = self.spoken = time.monotonic()
        if self.console.is_interactive and self.bar is not None:
            self.bars.update(self.bar, figures=f"answering {answers} held-out problems ...")
        else:
            self.say(f"  answering {answers} held-out problems ...")

    def answered_one(self) -> None:
        """Of the evaluation. Short answers come first, so that the time left is rather too short."""
        self.answers += 1
        left = (time.monotonic() - self.asked_at) / self.answers * (self.wanted - self.answers)
        self._counted(f"{self.answers:,} of {self.wanted:,} held-out answers  {left:.0f} s left")

    def evaluated(self, result: EvalResult, born: bool = True) -> None:
        """`born`: whether the run's model was born in it, or came in."""
        self.accuracy = result.accuracy
        low, high = result.interval
        domains = [f"{domain} {_two_digits(part.accuracy)}" for domain, part in result.by_domain.items()]
        shown = "unknown" if result.accuracy is None else f"{result.accuracy:.3f} ({low:.2f} to {high:.2f})"
        apart = f" ({', '.join(domains)})" if len(domains) > 1 else ""
        self.console.print(
            f"  {title(result.stage, born)} step {result.step}: held-out accuracy {shown} on "
            f"{result.count // result.samples_per_problem} problems{apart}{self._more(result)}, {result.mean_tokens:.0f} "
            "tokens an answer",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if result.failed:
            low, high = result.bounds or (0.0, 1.0)
            self.say(
                f"  on {result.failed} of {result.count} answers the verifier failed: they are missing, neither solved nor "
                f"unsolved; whatever they were, the accuracy is from {low:.3f} to {high:.3f} ({FAILURES_FILE})"
            )

    def asking(self, wanted: int, there: int) -> None:
        """Said before benchmarks, which may take hours."""
        self.answers, self.wanted, self.spoken = there, wanted, time.monotonic()
        self.say(f"  benchmarks: {wanted:,} answers" + (f", {there:,} of them are there" if there else "") + " ...")

    def asked_one(self) -> None:
        self.answers += 1
        self._counted(f"{self.answers:,} of {self.wanted:,} answers to benchmarks")

    def _counted(self, text: str) -> None:
        if self.console.is_interactive and self.bar is not None:
            self.bars.update(self.bar, figures=text)
        elif time.monotonic() - self.spoken > PLAIN_SECONDS:
            self.spoken = time.monotonic()
            self.say(f"  {text}")

    def asked(self, scores: Sequence[BenchmarkScore], after: str, step: int) -> None:
        """`after`: the stage, in words."""
        for score in scores:
            said = f"{score.avg_name} {headline(score)}" if not score.thin else headline(score)
            self.console.print(
                f"  {after} step {step}: {score.name} {said}, {score.problems:,} problems",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
            for note in notes(score):
                self.say(f"  {note}")

    @staticmethod
    def _more(result: EvalResult) -> str:
        """What else there is to say of an evaluation: pass@k of several answers, the mean score where parts of it count,
        the share cut off."""
        k, said = result.samples_per_problem, ""
        if k > 1:
            said += f" x {k} answers" + ("" if result.pass_at_k is None else f", pass@{k} {result.pass_at_k:.3f}")
        if result.mean_score is not None and abs(result.mean_score - result.accuracy) > 1e-9:
            said += f", mean score {result.mean_score:.3f}"
        if result.truncated_share:
            said += f", {result.truncated_share:.0%} cut off"
        return said

    def paused(self, paused: Paused) -> None:
        self.console.print(f"Paused. {paused}", highlight=False, markup=False, soft_wrap=True)
        if paused.samples:
            self.console.print(failure_table(paused.samples))
        self.console.print("How to go on:", highlight=False)
        for way in paused.ways:
            self.console.print(f"  - {way}", highlight=False, markup=False, soft_wrap=True)

    def report(self, run: Run, paths: list[Path]) -> None:
        built = build_report(run)
        self.console.print(run_tables(built, self.console.width))
        if best := best_line(built):
            self.console.print(best, highlight=False, markup=False, soft_wrap=True)
        if compared := comparison(built["benchmarks"]):
            self.say(f"Problem by problem: {compared}")
        for path in paths:
            self.console.print(f"  {path}", style="dim", highlight=False, markup=False, soft_wrap=True)
        self.console.print(f"Talk to it: ponder chat {run.path}", highlight=False, markup=False, soft_wrap=True)


def _two_digits(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.2f}"
