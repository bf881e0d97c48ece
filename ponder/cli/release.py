"""ponder release: a checkpoint goes out, checked."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Gguf(StrEnum):
    f16 = "f16"
    q8_0 = "q8_0"


def release(
    given: Annotated[
        str,
        typer.Argument(metavar="RUN|CHECKPOINT", help="of a run its newest checkpoint; or a checkpoint's directory"),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="DIR|hub:OWNER/NAME", help="a directory that is not there yet, or a repository of the hub"
        ),
    ],
    license_: Annotated[str | None, typer.Option("--license", metavar="SPDX", help="such as apache-2.0")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE=LICENCE", help="training data with its licence: openai/gsm8k=mit (repeatable)"),
    ] = None,
    data_note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="what the training data was, where no recipe says it")
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="the model that training started from, on the hub")
    ] = None,
    base_license: Annotated[str | None, typer.Option(metavar="SPDX", help="its licence")] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            "--eval",
            metavar="DIR",
            help="an evaluation for the card (repeatable); else those of these weights in ./evals",
        ),
    ] = None,
    gguf: Annotated[Gguf | None, typer.Option(help="write a GGUF file beside it, for llama.cpp")] = None,
    vllm_python: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="the Python of an environment with vLLM, to try the model in it"),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="a new repository of the hub that only you see")] = False,
    json: Annotated[bool, typer.Option("--json", help="print the checks as JSON")] = False,
) -> None:
    """Check a checkpoint and write it as others can use it: the model's files, a card, checksums.

    Exit code 2 where a check failed: all that is wrong is said at once, and nothing is written."""
    import sys

    from ponder.evals.release.provenance import Stated
    from ponder.evals.release.releasing import release as make
    from ponder.evals.release.telling import print_release
    from ponder.evals.release.wanted import Wanted, read_data
    from ponder.server.start.checkpoint import find_checkpoint

    found = find_checkpoint(given)
    stated = Stated(license_, base, base_license, read_data(data or ()), data_note)
    wanted = Wanted(
        found.directory,
        to,
        stated,
        tuple(evaluation or ()),
        gguf.value if gguf else None,
        vllm_python,
        private,
    )
    outcome = make(wanted, lambda line: print(line, file=sys.stderr, flush=True))
    print_release(outcome, as_json=json)
    if outcome.at is None:
        raise ValueError(f"not released: {', '.join(outcome.failed)}")
