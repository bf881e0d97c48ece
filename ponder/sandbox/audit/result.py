"""What an audit found: a verdict for each case, scores by group, a table for people and JSON for machines."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rich.table import Table


@dataclass(frozen=True)
class CaseVerdict:
    """`good`: contained (attacks), or judged rightly (honest programs, sessions). None for a case that was left out.

    `seen` tells in a line what came back; `problems` what was wrong with it, empty for a good case.
    """

    name: str
    kind: str
    group: str
    containment: str
    good: bool | None
    seen: str
    problems: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class AuditResult:
    """The verdicts of an audit, in the order of the cases, and what the sandbox said of its own isolation."""

    verdicts: tuple[CaseVerdict, ...]
    isolation: str = ""
    seconds: float = 0.0

    @property
    def failures(self) -> list[CaseVerdict]:
        return [verdict for verdict in self.verdicts if verdict.good is False]

    @property
    def all_good(self) -> bool:
        return not self.failures

    def scores(self) -> dict[str, tuple[int, int, int]]:
        """For each row of the table: good, judged, left out. Attacks by group, honest programs and sessions in one row each."""
        rows: dict[str, list[CaseVerdict]] = {}
        for verdict in self.verdicts:
            name = verdict.group if verdict.kind == "attack" else "honest" if verdict.kind == "honest" else "sessions"
            rows.setdefault(name, []).append(verdict)
        return {name: _score(verdicts) for name, verdicts in rows.items()}

    def table(self) -> Table:
        table = Table(title=f"Sandbox audit{f' (isolation: {self.isolation})' if self.isolation else ''}")
        table.add_column("group")
        table.add_column("right", justify="right")
        table.add_column("of", justify="right")
        table.add_column("left out", justify="right")
        for name, (good, judged, left_out) in self.scores().items():
            table.add_row(name, str(good), str(judged), str(left_out or ""), style="" if good == judged else "red")
        good, judged, left_out = _score(self.verdicts)
        table.add_section()
        table.add_row("all", str(good), str(judged), str(left_out or ""))
        return table

    def to_json(self) -> str:
        scores = {
            name: {"right": good, "of": judged, "left_out": left_out}
            for name, (good, judged, left_out) in self.scores().items()
        }
        cases = [asdict(verdict) for verdict in self.verdicts]
        return json.dumps(
            {"isolation": self.isolation, "seconds": round(self.seconds, 3), "scores": scores, "cases": cases}, indent=2
        )


def _score(verdicts: Iterable[CaseVerdict]) -> tuple[int, int, int]:
    verdicts = list(verdicts)
    judged = [verdict for verdict in verdicts if verdict.good is not None]
    return sum(verdict.good for verdict in judged), len(judged), len(verdicts) - len(judged)
