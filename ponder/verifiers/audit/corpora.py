"""The labelled corpora that come with Ponder, in ponder/verifiers/audit/corpus: one file for each verifier that has one."""

from importlib.resources import as_file, files

from ponder.tasks.jsonl import read_rows
from ponder.verifiers.files.rows import LabelledPair, pair_of

CORPORA = ("math", "choice", "instructions", "function_calls")


def load_corpus(verifier: str) -> list[LabelledPair]:
    """The verifier's pairs. A row of instructions is one pair for each instruction, strict and loose."""
    assert verifier in CORPORA, verifier
    with as_file(files("ponder.verifiers.audit") / "corpus" / f"{verifier}.jsonl") as path:
        rows = [row for _, row in read_rows(path)]
    if verifier == "instructions":
        rows = [single for row in rows for single in _single_instructions(row)]
    return [pair_of(row, verifier, "response", "reference", str(number)) for number, row in enumerate(rows, 1)]


def _single_instructions(row: dict) -> list[dict]:
    reference = row["reference"]
    given = zip(reference["instruction_id_list"], reference["kwargs"], strict=True)
    singles = []
    for index, (name, kwargs) in enumerate(given):
        for mode in ("strict", "loose"):
            alone = reference | {"instruction_id_list": [name], "kwargs": [kwargs], "mode": mode}
            label = row[mode][index]
            singles.append(row | {"id": f"{row['id']}/{index}/{mode}", "reference": alone, "label": label})
    return singles
