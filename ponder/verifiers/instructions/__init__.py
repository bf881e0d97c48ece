"""Instructions that a program can check: the 25 types of IFEval, with the verdicts of its official checker, and more.

A task's reference is IFEval's own form, {"instruction_id_list": [...], "kwargs": [{...}, ...]}; `INSTRUCTIONS` lists the
types and their arguments. Where the official checker's verdict is not what a reader would say, the official verdict is
kept, and the place says so. Ponder's own types:

    language:consistent               language (else the prompt's): no sentence or passage in another one
    length_constraints:bounds         min_words, max_words, min_characters, max_characters; one or more
    detectable_format:json_schema     schema: the whole response is JSON that is valid by it
    detectable_format:no_stray_tags   no <think>, <tool_call>, <|im_end|> and the like outside code
    keywords:none_of                  words: none of them, as whole words in any case, literally
"""

from collections.abc import Mapping
from typing import Any

from ponder.verifiers.instructions.checked import Checked
from ponder.verifiers.instructions.follow import check, check_loose, follow, read_reference
from ponder.verifiers.instructions.registry import INSTRUCTIONS
from ponder.verifiers.instructions.verifier import decide, run
from ponder.verifiers.verifier import Verifier, required_reference

__all__ = [
    "INSTRUCTIONS",
    "VERIFIER",
    "Checked",
    "check",
    "check_loose",
    "decide",
    "follow",
    "read_reference",
    "run",
]


def row_reference(row: Mapping[str, Any]) -> Any:
    """IFEval's rows have the two as fields of their own."""
    if "instruction_id_list" not in row:
        return required_reference(row)
    return {name: row[name] for name in ("instruction_id_list", "kwargs") if name in row}


VERIFIER = Verifier(decide, row_reference=row_reference, structured=True, judges_empty=True)
