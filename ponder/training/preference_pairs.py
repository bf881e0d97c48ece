"""Preference pairs as samples: read, encoded and measured whole before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from ponder.chat.renderer import Renderer
from ponder.recipe.preferences import Preferences
from ponder.tasks.faults import listed_faults
from ponder.tasks.files import find_files, read_files
from ponder.tasks.hub import hub_rows
from ponder.tasks.mixture import permuted
from ponder.tasks.preferences import Pair, Read, read_pairs
from ponder.tasks.split import part_of
from ponder.training.batch import Sample
from ponder.verifiers.reward_model.model import conversation_ids

Side = tuple[list[int], list[int]]  # token ids of the chosen and of the rejected conversation


@dataclass(frozen=True)
class PreferencePairs:
    """Pairs by number; they are encoded again when they are asked for, so that only texts are kept.

    `remarks`: what to tell people at the start. `ends`: the last tokens of all sequences.
    """

    renderer: Renderer
    learned: Sequence[Pair]
    validation: Sequence[Pair]
    test: Sequence[Pair]
    remarks: tuple[str, ...] = ()
    ends: frozenset[int] = field(default_factory=frozenset)

    def samples(self, k: int, key: tuple[int | str, ...]) -> list[Sample]:
        """The k-th pair of an endless training as two samples, the chosen one first: all pairs once in each epoch, in an order that
        is a function of `key` and the epoch."""
        epoch, position = divmod(k, len(self.learned))
        pair = self.learned[permuted(position, len(self.learned), (*key, epoch))]
        return pair_samples(encoded(self.renderer, pair), k)


def encoded(renderer: Renderer, pair: Pair) -> Side:
    chosen, rejected = (
        conversation_ids(renderer, [*pair.messages, answer], pair.tools) for answer in (pair.chosen, pair.rejected)
    )
    return chosen, rejected


def pair_samples(sides: Side, number: int) -> list[Sample]:
    """Two samples that share as long a prompt as the sides have in common."""
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(*sides, strict=False)))
    prompt = min(shared, *(len(ids) - 1 for ids in sides))
    assert prompt > 0, "both sides begin with what they answer"
    return [Sample(ids, [0] * prompt + [1] * (len(ids) - prompt), [], pair=number) for ids in sides]


def read_preferences(settings: Preferences, renderer: Renderer, context: int) -> PreferencePairs:
    """All pairs that `settings` name.

    Args:
        context: most tokens of a sequence that the model can take
    Raises:
        ValueError: rows that are no usable pair, unless these are to be dropped; sequences that are too long, unless; all of them
            counted, and the first listed by file and line. Nothing left to learn, or nothing to validate on.
    """
    longest = min(context, settings.max_tokens or context)
    remarks: list[str] = []
    faults: list[str] = []
    ends: set[int] = set()
    read = _read(settings)
    test = _of_files(settings.test) if settings.test else Read([], [])
    kept = [_measured(part.pairs, renderer, longest, faults, ends) for part in (read, test)]
    too_long = [line for _, lines in kept for line in lines]
    faults += [*read.faults, *test.faults]
    rows = len(read.pairs) + len(test.pairs) + len(read.faults) + len(test.faults)
    if faults:
        told = (
            listed_faults(faults, f"of {rows:,} rows are no usable preference pairs") if len(faults) > 1 else faults[0]
        )
        if settings.unusable == "refuse":
            raise ValueError(f"{told}\nMend them, or leave them out with unusable: drop")
        remarks.append(f"{told}\nLeft out: {len(faults):,} of {rows:,} rows")
    if too_long:
        told = listed_faults(too_long, f"of {rows:,} pairs have a side of more than {longest:,} tokens")
        if settings.too_long == "refuse":
            raise ValueError(
                f"{told}\nShorten them (a side has at most {longest:,} tokens), or leave them out with too_long: drop"
            )
        remarks.append(f"{told}\nLeft out: {len(too_long):,} of {rows:,} pairs")
    if read.repeated:
        remarks.append(f"{read.repeated:,} pairs are there once more; they are learned as often")
    pairs = kept[0][0]
    learned = [pair for pair in pairs if not _validates(pair, settings.validation)]
    validation = [pair for pair in pairs if _validates(pair, settings.validation)]
    if not learned:
        raise ValueError(f"none of {rows:,} rows is left to learn: all are unusable, too long, or fall to validation")
    if settings.validation and not validation:
        raise ValueError(
            f"validation is {settings.validation:g}, and none of {len(pairs):,} pairs falls to it: raise it, or set it to 0"
        )
    tested = kept[1][0]
    shared = {pair.prompt_id for pair in learned} & {pair.prompt_id for pair in tested}
    if shared:
        place = next(pair.place for pair in tested if pair.prompt_id in shared)
        raise ValueError(f"{len(shared):,} prompts of test are learned from, first {place}: take them out of one")
    counts = f"{len(learned):,} pairs to learn, {len(validation):,} to validate, {len(tested):,} to test"
    return PreferencePairs(renderer, learned, validation, tested, (counts, *remarks), frozenset(ends))


def _read(settings: Preferences) -> Read:
    if settings.hub is not None:
        rows = hub_rows(settings.hub, settings.config, settings.split, settings.limit)
        return _some(read_pairs(rows, settings.fields, settings.hub), settings.hub)
    assert settings.path is not None
    return _of_files(settings.path, settings.fields, settings.limit)


def _of_files(paths: str | list[str], fields: dict[str, str] | None = None, limit: int | None = None) -> Read:
    """Pairs whose category is their file, where a row does not say it."""
    files, left = find_files(paths), limit
    parts: list[Read] = []
    for file in files:
        rows = list(read_files([file], left))
        left = None if left is None else left - len(rows)
        parts.append(read_pairs(rows, fields, _stem(file)))
    return _some(
        Read([p for r in parts for p in r.pairs], [f for r in parts for f in r.faults], sum(r.repeated for r in parts)),
        ", ".join(map(str, files)),
    )


def _some(read: Read, where: str) -> Read:
    if not read.pairs and not read.faults:
        raise ValueError(f"{where}: no preference pairs, only empty files or white space")
    return read


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").partition(".")[0]


def _measured(
    pairs: Sequence[Pair], renderer: Renderer, longest: int, faults: list[str], ends: set[int]
) -> tuple[list[Pair], list[str]]:
    """The pairs that the template writes and that fit, and a line for each that is too long."""
    kept, too_long = [], []
    for pair in pairs:
        try:
            chosen, rejected = encoded(renderer, pair)
        except ValueError as error:
            faults.append(f"{pair.place}: {error}")
            continue
        if chosen == rejected:
            faults.append(f"{pair.place}: the chat template writes chosen and rejected alike, so neither is preferred")
        elif (tokens := max(len(chosen), len(rejected))) > longest:
            too_long.append(f"{pair.place}: {tokens:,} tokens")
        else:
            kept.append(pair)
            ends |= {chosen[-1], rejected[-1]}
    return kept, too_long


def _validates(pair: Pair, share: float) -> bool:
    return bool(share) and part_of(pair.prompt_id, share) == "held_out"
