"""The official IFEval checker, in the copy that lm-eval carries, to compare verdicts with.

For development: `available` says what is missing, where something is. Nothing is downloaded; Punkt's data are those that
the wheel llama-index-core carries, or NLTK's own where they are installed. In a process that has asked the oracle,
langdetect's global seed is 0.
"""

import logging
import random
import sys
import types
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDED = ("lm_eval", "nltk", "langdetect", "immutabledict", "packaging")
CHECKER = "lm_eval.tasks.ifeval"
PUNKT = "tokenizers/punkt_tab/english/"


def available() -> str | None:
    """Why the official checker cannot be asked; None where it can."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    try:
        _find_punkt()
    except (ImportError, LookupError) as error:
        return (
            f"NLTK cannot be used with its Punkt data (the wheel llama-index-core has them): {str(error).strip()[:200]}"
        )
    return None


def follow(response: str, reference: Mapping[str, Any], loose: bool) -> list[bool]:
    """The official verdict on each instruction of a reference of official types, all of whose arguments are set."""
    checker = _checker()
    example = checker.InputExample(
        key=0,
        instruction_id_list=list(reference["instruction_id_list"]),
        prompt=reference.get("prompt", ""),
        kwargs=[dict(kwargs or {}) for kwargs in reference["kwargs"]],
    )
    judge = checker.test_instruction_following_loose if loose else checker.test_instruction_following_strict
    return judge(example, response).follow_instruction_list


def count_sentences(text: str) -> int:
    """How many sentences the official checker sees."""
    _checker()
    return sys.modules[f"{CHECKER}.instructions_util"].count_sentences(text)


def word_tokens(text: str) -> list[str]:
    """The tokens among which the official checker counts words in capital letters."""
    _checker()
    return sys.modules["nltk"].word_tokenize(text)


@cache
def _checker() -> Any:
    """The module of the checker. Its package is not run: that imports all of lm-eval, and with it much else."""
    _find_punkt()
    place = next(iter(find_spec("lm_eval").submodule_search_locations))
    package = types.ModuleType(CHECKER)
    package.__path__ = [str(Path(place) / "tasks" / "ifeval")]
    sys.modules.setdefault(CHECKER, package)
    from langdetect import DetectorFactory
    from lm_eval.tasks.ifeval import instructions, utils

    instructions.logger.setLevel(logging.CRITICAL)  # it reports every text whose language cannot be told
    DetectorFactory.seed = 0
    random.seed(0)  # it draws what it finds unset
    return utils


def _find_punkt() -> None:
    """ImportError or LookupError where NLTK or its data are not there."""
    import nltk

    try:
        carrier = distribution("llama-index-core").locate_file("llama_index/core/_static/nltk_cache")
    except PackageNotFoundError:
        carrier = None
    if carrier is not None and str(carrier) not in nltk.data.path:
        nltk.data.path.append(str(carrier))
    nltk.data.find(PUNKT)
