"""ponder verify: verdicts on a file of responses, and the audit of the verifiers themselves."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="rows with a response and a reference: JSON Lines, JSON, CSV, Parquet",
            show_default=False,
        ),
    ] = None,
    verifier: Annotated[
        str | None,
        typer.Option(
            help="math, choice, instructions, function_calls, code, reasoning_gym, format or length, or a function of "
            "your own as FILE.py:FUNCTION, or a judge and its rubric as FILE.yaml; with --audit, only this one"
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="judge the labelled corpora, and compare with second implementations")
    ] = False,
    response: Annotated[str, typer.Option(help="the field that holds the response")] = "response",
    reference: Annotated[str, typer.Option(help="the field that holds the reference")] = "reference",
    rows: Annotated[int, typer.Option(min=0, help="most rows that are shown, or disagreements of the audit")] = 50,
    deadline: Annotated[float, typer.Option(min=0.01, help="most seconds of processor time for a hard pair")] = 5.0,
    everything: Annotated[
        bool, typer.Option("--all", help="of labelled rows, show those that agree as well, after those that do not")
    ] = False,
    answers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="keep what a judge answers here; what is there is not asked again"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON, one verdict a line")] = False,
) -> None:
    """Judge the responses in a file, or audit the verifiers. Exit code 1 where a label says otherwise or a verifier failed."""
    if audit == (file is not None):
        raise ValueError("give either a file of rows with --verifier NAME, or --audit")
    if answers is not None and not (verifier or "").endswith((".yaml", ".yml")):
        raise ValueError("--answers keeps what a judge answers: name one with --verifier my_judge.yaml")
    if file is None:
        from ponder.verifiers.audit.command import audit_verifiers

        good = audit_verifiers([verifier] if verifier else [], rows, json)
    else:
        from ponder.verifiers.files.verify_file import verify_file

        if verifier is None:
            raise ValueError(f"say which verifier is to judge {file}: --verifier math, for instance")
        judged = verify_file(file, verifier, response, reference, rows, json, deadline, everything, answers)
        good = all(item.agrees for item in judged)
    if not good:
        raise typer.Exit(1)
