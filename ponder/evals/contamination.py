"""Whether a training source holds a benchmark's problems.

Three looks, the surest first: equal normalised text (by hash), a run of 13 equal words (the measure of GPT-3, Brown et al.,
2020), and a run of 8 equal words with at least 50 characters, for short problems. Both n-grams are looked up in tables made of
the benchmark, so the work is linear in the training text, which is read once and never held.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from ponder.tasks.prompts import PROMPTS
from ponder.tasks.task import Task

How = Literal["same text", "13 words", "8 words"]

LONGEST_TEXT = 200_000  # characters of one text that are looked at
MOST_HITS = 10_000
_WORD = re.compile(r"\w+|[^\w\s]")
_SHORT_RUN_CHARACTERS = 50


@dataclass(frozen=True)
class Hit:
    """
    how: "same text", "13 words" or "8 words"
    text: what both have, as the training text has it, with case and punctuation
    problem, problem_place: the benchmark's task id, and where it is in its data
    training, training_place: those of the training task
    """

    how: How
    text: str
    problem: str
    problem_place: str
    training: str
    training_place: str


def contamination(training: Iterable[Task], bench: Sequence[Task]) -> list[Hit]:
    """One hit at most for each pair of tasks, by the surest look, in the order of `training`; at most `MOST_HITS`. What many
    problems of the benchmark share (a prompt's own words, an instruction) is no problem's, and hits nothing."""
    whole_words = [[w for w, _, _ in _words(_question(task))] for task in bench]
    words = _without_form(whole_words)
    common = max(2, len(bench) // 50)  # a run in more problems than this is the benchmark's form
    whole = _table((_digest(w), i) for i, w in enumerate(whole_words) if w)
    long = _rare(_table((_digest(run), i) for i, w in enumerate(words) for run in _runs(w, 13) if _spoken(run)), common)
    short = _rare(_table((_digest(run), i) for i, w in enumerate(words) for run in _runs(w, 8) if _enough(run)), common)
    hits: list[Hit] = []
    for task in training:
        for how, index, text in _look(_question(task), whole, long, short):
            found = bench[index]
            hits.append(Hit(how, text, found.id, _place(found), task.id, _place(task)))
            if len(hits) >= MOST_HITS:
                return hits
    return hits


def _look(text: str, whole: dict, long: dict, short: dict) -> list[tuple[How, int, str]]:
    """The problems that a text holds, each by the surest look."""
    spans = list(_words(text))
    words = [word for word, _, _ in spans]
    found: dict[int, tuple[How, int, str]] = {}
    for index in whole.get(_digest(words), ()) if words else ():
        found[index] = ("same text", index, text)
    looks: tuple[tuple[How, int, dict], ...] = (("13 words", 13, long), ("8 words", 8, short))
    for how, length, table in looks:
        if not table:
            continue
        last: dict[int, tuple[int, int]] = {}  # problem: first and last word of its first run
        for start in range(len(words) - length + 1):
            for index in table.get(_digest(words[start : start + length]), ()):
                first, end = last.get(index, (start, start + length))
                if start <= end:  # runs that overlap are one
                    last[index] = (first, start + length)
        for index, (first, end) in last.items():
            found.setdefault(index, (how, index, text[spans[first][1] : spans[end - 1][2]]))
    return [found[index] for index in sorted(found)]


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Words and signs, without case, with their places; punctuation that only ends or joins clauses is left out, while the
    signs of mathematics stay: "5 - 3" and "5, 3" are different problems, as are "2(3 + 4)" and "2 3 + 4"."""
    for match in _WORD.finditer(text):
        word = unicodedata.normalize("NFKC", match.group()).casefold()
        if word not in _PUNCTUATION:
            yield word, match.start(), match.end()


_PUNCTUATION = frozenset(".,;:?'\"`{}$\\\u2013\u2014\u2018\u2019\u201c\u201d_")


def _question(task: Task) -> str:
    """All text a model is asked, but for a system prompt's and the standard prompts' own words."""
    contents = [m.get("content") for m in task.messages if m.get("role") == "user"]
    text = "\n".join(c for c in contents if isinstance(c, str))[:LONGEST_TEXT]
    for prompt in PROMPTS.values():
        text = text.replace(prompt, "") if prompt else text
    return text.strip()


def _without_form(questions: list[list[str]]) -> list[list[str]]:
    """The words without those that all questions of a benchmark begin and end with, a prompt's: a run that reaches from a
    question into them may stand in training under the same prompt."""
    if len(questions) < 2:
        return questions
    shortest = min(map(len, questions))
    begin = next((i for i in range(shortest) if len({q[i] for q in questions}) > 1), shortest)
    most = shortest - begin
    end = next((i for i in range(most) if len({q[-1 - i] for q in questions}) > 1), most)
    return [question[begin : len(question) - end] for question in questions]


def _runs(words: list[str], length: int) -> Iterator[list[str]]:
    return (words[i : i + length] for i in range(len(words) - length + 1))


def _enough(run: list[str]) -> bool:
    return len(" ".join(run)) >= _SHORT_RUN_CHARACTERS


def _spoken(run: list[str]) -> bool:
    """Not a ruled line or a table's frame: at least every other one is a word or a number."""
    return 2 * sum(word.isalnum() for word in run) >= len(run)


def _digest(words: Sequence[str]) -> bytes:
    return blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _table(entries: Iterable[tuple[bytes, int]]) -> dict[bytes, tuple[int, ...]]:
    table: dict[bytes, set[int]] = {}
    for digest, index in entries:
        table.setdefault(digest, set()).add(index)
    return {digest: tuple(sorted(indices)) for digest, indices in table.items()}


def _rare(table: dict[bytes, tuple[int, ...]], most: int) -> dict[bytes, tuple[int, ...]]:
    return {digest: indices for digest, indices in table.items() if len(indices) <= most}


def _place(task: Task) -> str:
    return task.place or task.source
