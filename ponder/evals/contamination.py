"""Whether a training source holds a benchmark's problems.

Three looks, the surest first: equal normalised text (by hash), a run of 13 equal words (the measure of GPT-3, Brown et al.,
2020), and a run of 8 equal words with at least 50 characters, for short problems. Both n-grams are looked up in tables made of
the benchmark, so the work is linear in the training text, which is read once and never held.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate, compress
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
    bench: the benchmark's name, where several were looked for
    """

    how: How
    text: str
    problem: str
    problem_place: str
    training: str
    training_place: str
    bench: str = ""


class Problems:
    """The problems of benchmarks as they are looked for: by their normalised texts and by their runs of words. What many problems
    of a benchmark share (a prompt's own words, an instruction) is no problem's, and hits nothing."""

    def __init__(self, benches: Mapping[str, Sequence[Task]]):
        self._problems: list[tuple[str, Task]] = []
        self._same: dict[bytes, list[int]] = {}
        self._long: dict[int, list[int]] = {}  # by the hash of a run of 13 words
        self._short: dict[int, list[int]] = {}
        self._words: list[str] = []  # of each problem, with a space on both sides, for the last look at a hit
        for name, tasks in benches.items():
            self._add(name, tasks)

    def _add(self, name: str, tasks: Sequence[Task]) -> None:
        first, common = len(self._problems), max(2, len(tasks) // 50)  # a run in more of them is the benchmark's form
        whole = [_plain_words(_question(task)) for task in tasks]
        for index, words in enumerate(whole, start=first):
            if words:
                self._same.setdefault(_digest(words), []).append(index)
        cut = _without_form(whole)
        for table, length, counts in ((self._long, 13, _spoken), (self._short, 8, _enough)):
            runs: dict[int, list[int]] = {}
            for index, words in enumerate(cut, start=first):
                for run_hash in set(compress(map(hash, _runs(words, length)), counts(words, length))):
                    runs.setdefault(run_hash, []).append(index)
            for run_hash, indices in runs.items():
                if len(indices) <= common:
                    table.setdefault(run_hash, []).extend(indices)
        self._problems += [(name, task) for task in tasks]
        self._words += [f" {' '.join(words)} " for words in cut]

    def hits(self, training: Iterable[Task]) -> list[Hit]:
        """One hit at most for each pair of tasks, by the surest look, in the order of `training`; at most `MOST_HITS`."""
        hits: list[Hit] = []
        for task in training:
            for how, index, text in self._look(_question(task)):
                name, found = self._problems[index]
                hits.append(Hit(how, text, found.id, _place(found), task.id, _place(task), name))
                if len(hits) >= MOST_HITS:
                    return hits
        return hits

    def _look(self, text: str) -> list[tuple[How, int, str]]:
        """The problems that a text holds, each by the surest look."""
        words = _plain_words(text)
        found: dict[int, tuple[How, int, str]] = {}
        for index in self._same.get(_digest(words), ()) if words else ():
            found[index] = ("same text", index, text)
        looks: tuple[tuple[How, int, dict[int, list[int]]], ...] = (
            ("13 words", 13, self._long),
            ("8 words", 8, self._short),
        )
        for how, length, table in looks:
            hashes = list(map(hash, _runs(words, length)))
            if table.keys().isdisjoint(hashes):
                continue
            spans = list(_words(text))
            last: dict[int, tuple[int, int]] = {}  # problem: first and last word of its first run
            for start, run_hash in enumerate(hashes):
                for index in table.get(run_hash, ()):
                    first, end = last.get(index, (start, start + length))
                    run = f" {' '.join(words[start : start + length])} "
                    if start <= end and run in self._words[index]:  # runs that overlap are one
                        last[index] = (first, start + length)
            for index, (first, end) in last.items():
                found.setdefault(index, (how, index, text[spans[first][1] : spans[end - 1][2]]))
        return [found[index] for index in sorted(found)]


def contamination(training: Iterable[Task], bench: Sequence[Task]) -> list[Hit]:
    """The hits of one benchmark (`Problems.hits`)."""
    return Problems({"": bench}).hits(training)


def _plain_words(text: str) -> list[str]:
    """The words of `_words` without their places."""
    words = (w.lower() if w.isascii() else _normal(w) for w in _WORD.findall(text))
    return [word for word in words if word not in _PUNCTUATION]


def _normal(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Words and signs, without case, with their places; punctuation that only ends or joins clauses is left out, while the
    signs of mathematics stay: "5 - 3" and "5, 3" are different problems, as are "2(3 + 4)" and "2 3 + 4"."""
    for match in _WORD.finditer(text):
        word = _normal(match.group())
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


def _runs(words: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(length)), strict=False)


def _enough(words: Sequence[str], length: int) -> list[bool]:
    """Whether each run has so many characters that it is nobody's by chance."""
    ends = [0, *accumulate(len(word) + 1 for word in words)]
    return [end - start > _SHORT_RUN_CHARACTERS for start, end in zip(ends, ends[length:], strict=False)]


def _spoken(words: Sequence[str], length: int) -> list[bool]:
    """Whether each run is more than a ruled line, a table's frame or a list of numbers: every other one is a word or a number,
    every third has a letter."""
    signs = [0, *accumulate(word.isalnum() for word in words)]
    letters = [0, *accumulate(any(c.isalpha() for c in word) for word in words)]
    return [
        2 * (signs[start + length] - signs[start]) >= length
        and 3 * (letters[start + length] - letters[start]) >= length
        for start in range(len(words) - length + 1)
    ]


def _digest(words: Sequence[str]) -> bytes:
    return blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _place(task: Task) -> str:
    return task.place or task.source
