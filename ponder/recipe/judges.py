"""Which judges a recipe's sources ask, and whether these are there."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args

from ponder.recipe.judge import NAME, JudgedBy, JudgeServer
from ponder.recipe.reward import VerifierName, leaves_of


def judged_by(source: Any) -> list[JudgedBy]:
    """What a source asks of judges, in its verifier and its reward."""
    asked = [*leaves_of(getattr(source, "verifier", None)), *leaves_of(source.reward)]
    return [leaf for leaf in asked if isinstance(leaf, JudgedBy)]


def check_judges(judges: Mapping[str, JudgeServer], sources: Mapping[str, Any]) -> None:
    """ValueError for a judge that cannot bear its name, and for one that is asked and is not there."""
    for name in judges:
        if not re.fullmatch(NAME, name) or name in get_args(VerifierName) or name in ("task", "gate", "product", "sum"):
            raise ValueError(
                f"judges.{name}: a judge has a name of small letters, digits and _, and none that verifiers have: critic, for "
                "instance"
            )
    for key, source in sources.items():
        for asked in judged_by(source):
            if asked.judge not in judges:
                close = difflib.get_close_matches(asked.judge, judges, n=1, cutoff=0.5)
                there = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(judges) or 'none'}"
                raise ValueError(
                    f"sources.{key}: judges has none that is called {asked.judge!r}; {there} Write judges: "
                    f"{{{asked.judge}: {{url: http://HOST:PORT/v1}}}}"
                )
