"""`ponder verify --audit`: tables of agreement, faults and speed, and every disagreement with its reason."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from ponder.tasks.suggest import unknown_name
from ponder.verifiers.audit.corpora import CORPORA, load_corpus
from ponder.verifiers.audit.measure import HANG_S, Judged, Measure, measure
from ponder.verifiers.audit.opinions import ORACLES, Opinion
from ponder.verifiers.files.rows import shown
from ponder.verifiers.files.verify_file import as_row, verify_all
from ponder.verifiers.verification import Verification


@dataclass(frozen=True)
class Audit:
    """One verifier's verdicts on its corpus, and an oracle's opinions on the same pairs."""

    verifier: str
    judged: list[Judged]
    measure: Measure
    oracle: str  # its name
    missing: str | None  # why there is no second opinion, where there is none
    opinions: list[Opinion]  # one a pair, or none at all

    @property
    def good(self) -> bool:
        """Whether every verdict is its label, and none was an error or a hang."""
        return all(j.agrees for j in self.judged) and not self.measure.errors and not self.measure.hangs

    def disagreements(self) -> list[tuple[Judged, Opinion]]:
        """Pairs on which the oracle has another opinion, or none because it hung or failed."""
        return [(j, o) for j, o in self.asked() if o.correct is not (j.verdict.status == "correct")]

    def asked(self) -> list[tuple[Judged, Opinion]]:
        """Pairs on which there is a second opinion, or should be."""
        return [(j, o) for j, o in zip(self.judged, self.opinions, strict=False) if o.failure != "not asked"]


def audit_verifiers(names: Sequence[str], rows: int, as_json: bool) -> bool:
    """Audits and prints; `rows` is the most disagreements that are listed for a verifier. Whether all verdicts agree
    with the labels. ValueError for a verifier without a corpus."""
    for name in names:
        if name not in CORPORA:
            raise ValueError(unknown_name("corpus", name, CORPORA))
    audits = [audit(name) for name in names or CORPORA]
    if as_json:
        sys.stdout.write(json.dumps([_as_json(a) for a in audits]) + "\n")
    else:
        _print(audits, rows)
    return all(a.good for a in audits)


def audit(verifier: str) -> Audit:
    """Judges the verifier's corpus, then asks its oracle."""
    pairs = load_corpus(verifier)
    with Verification(deadline_s=HANG_S) as verification:
        judged = verify_all(verification, pairs, verifier)
    oracle = ORACLES.get(verifier)
    if oracle is None:
        return Audit(verifier, judged, measure(judged), "-", "there is no second implementation", [])
    missing = oracle.missing()
    opinions = [] if missing else oracle.opinions(pairs)
    return Audit(verifier, judged, measure(judged), oracle.name, missing, opinions)


def _print(audits: Sequence[Audit], rows: int) -> None:
    console = Console()
    ours = Table(title="Verdicts against the labels", title_justify="left", box=None, header_style="bold")
    columns = ("pairs", "agree", "false +", "false -", "errors", "hangs", "pairs/s", "p99 ms")
    for column in ("verifier", *columns):
        ours.add_column(column, justify="left" if column == "verifier" else "right")
    for a in audits:
        m = a.measure
        counts = (m.false_positives, m.false_negatives, m.errors, m.hangs)
        ours.add_row(
            a.verifier,
            f"{m.pairs:,}",
            f"{m.agreement:.3f}",
            *map(str, counts),
            f"{m.pairs_per_s:,.0f}",
            f"{m.p99_ms:.1f}",
        )
    console.print(ours)
    console.print()
    theirs = Table(title="Second implementations", title_justify="left", box=None, header_style="bold")
    for column in ("verifier", "oracle", "asked", "as ours", "as labels", "errors", "hangs"):
        theirs.add_column(column, justify="left" if column in ("verifier", "oracle") else "right")
    for a in audits:
        if asked := a.asked():
            same = 1 - len(a.disagreements()) / len(asked)
            failures = [sum(o.failure == kind for o in a.opinions) for kind in ("error", "timeout")]
            rates = (f"{same:.3f}", f"{_oracle_agreement(a):.3f}")
            theirs.add_row(a.verifier, a.oracle, f"{len(asked):,}", *rates, *map(str, failures))
    if theirs.row_count:
        console.print(theirs)
    for a in audits:
        if a.missing:
            console.print(f"No second opinion on {a.verifier}: {a.missing}.", highlight=False, markup=False)
    for a in audits:
        _print_differences(console, a, rows)


def _print_differences(console: Console, a: Audit, rows: int) -> None:
    wrong = [j for j in a.judged if not j.agrees]
    for j in wrong:
        console.print(f"\n{a.verifier} / {j.pair.id}: OURS IS NOT THE LABEL", style="bold red", markup=False)
        console.print(_explained(j), highlight=False, markup=False)
    listed = a.disagreements()
    if listed:
        console.print(f"\nWhere {a.oracle} differs from {a.verifier} ({len(listed)}):", style="bold", highlight=False)
    for j, opinion in listed[:rows]:
        said = opinion.failure or ("correct" if opinion.correct else "wrong")
        console.print(
            f"  {j.pair.id}: it says {said}, the label {str(j.pair.label).lower()}", highlight=False, markup=False
        )
        console.print(_explained(j), highlight=False, markup=False)
    if len(listed) > rows:
        console.print(f"  ... and {len(listed) - rows} more (--rows, or --json for all)", highlight=False)


def _explained(j: Judged) -> str:
    answer, reference = (shown(text or "", 60) for text in (j.verdict.parsed, j.verdict.reference))
    return f"      {answer!r} for {reference!r}: {j.verdict.status}, {shown(j.verdict.reason, 120)}; {j.pair.why}"


def _oracle_agreement(a: Audit) -> float:
    labelled = [(j.pair.label, o) for j, o in a.asked() if isinstance(j.pair.label, bool)]
    return sum(o.correct is label for label, o in labelled) / max(len(labelled), 1)


def _as_json(a: Audit) -> dict:
    opinions = a.opinions or [None] * len(a.judged)
    return {
        "verifier": a.verifier,
        **asdict(a.measure),
        "oracle": a.oracle,
        "oracle_missing": a.missing,
        "rows": [
            as_row(j) | {"why": j.pair.why, "oracle": o and (o.failure or ("correct" if o.correct else "wrong"))}
            for j, o in zip(a.judged, opinions, strict=True)
        ],
    }
