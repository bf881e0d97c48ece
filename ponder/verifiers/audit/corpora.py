"""The labelled corpora that come with Ponder, in ponder/verifiers/audit/corpus: one file for each verifier that has one."""

from importlib.resources import as_file, files

from ponder.tasks.jsonl import read_rows
from ponder.verifiers.files.rows import LabelledPair, pair_of
from ponder.verifiers.table import VERIFIERS

CORPUS = files("ponder.verifiers.audit") / "corpus"
CORPORA = tuple(name for name in VERIFIERS if (CORPUS / f"{name}.jsonl").is_file())


def load_corpus(verifier: str) -> list[LabelledPair]:
    """The verifier's pairs. A row that has labels for each of its instructions, "strict" and "loose", is so many pairs."""
    assert verifier in CORPORA, verifier
    with as_file(CORPUS / f"{verifier}.jsonl") as path:
        rows = [row for _, row in read_rows(path)]
    rows = [single for row in rows for single in (_single_instructions(row) if "strict" in row else [row])]
    return [pair_of(row, verifier, "response", "reference", f"line {number}") for number, row in enumerate(rows, 1)]


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
