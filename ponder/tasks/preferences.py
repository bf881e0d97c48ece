"""Preference pairs, two answers to one conversation of which people (or a rule) prefer one, from the rows of files or tables.
Which form a row has is seen by its fields:

    prompt            a text or messages, with chosen and rejected: a text or messages each
    chosen, rejected  whole conversations, [{"role": "user", ...}, ..., {"role": "assistant", ...}], alike but for the last message
    conversations     (ShareGPT) or messages, with chosen and rejected: an assistant's message each
    input             with output_1, output_2 and label (1 or 2), which says which is preferred     (LLMBar)

If wanted system, tools, category (else subset) beside them. Every fault is a ValueError that begins with the place it was found at.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ponder.tasks.chats import tools_in, turns_of, value_in, with_system
from ponder.tasks.fields import field_or_none, has_field, what_there_is
from ponder.tasks.files import Placed, check_text
from ponder.tasks.suggest import unknown_name

Row = Mapping[str, Any]
FIELDS = ("prompt", "chosen", "rejected", "system", "tools", "category")
CATEGORIES = ("category", "subset")
# Where data sets say how good each side was found to be: a pair whose chosen side has less was swapped.
RATINGS = (
    ("score_chosen", "score_rejected"),
    ("chosen_score", "rejected_score"),
    ("chosen_rating", "rejected_rating"),
    ("chosen-rating", "rejected-rating"),
)
LLMBAR = ("input", "output_1", "output_2", "label")


@dataclass(frozen=True)
class Pair:
    """`messages` are what both sides answer, in OpenAI's form; `chosen` and `rejected` an assistant's message each."""

    messages: tuple[dict[str, Any], ...]
    chosen: dict[str, Any]
    rejected: dict[str, Any]
    tools: tuple[dict[str, Any], ...] = ()
    category: str = ""
    place: str = ""

    @property
    def prompt_id(self) -> str:
        """Content hash of what both sides answer: 32 hex digits."""
        return _hash([self.messages, self.tools])


@dataclass(frozen=True)
class Read:
    """`faults`: of rows that are no pair, or whose pair cannot be right, each with its place; `repeated`: how many pairs are there
    once more."""

    pairs: list[Pair]
    faults: list[str]
    repeated: int = 0


def read_pairs(placed: Iterable[Placed], fields: Mapping[str, str] | None = None, category: str = "") -> Read:
    """The pairs of some rows.

    Args:
        placed: (place, row) of each
        fields: names of the fields of a row, or paths into nested ones, by FIELDS, where they have other names than the usual
        category: of rows that do not say theirs
    Raises:
        ValueError: `fields` names a role that there is not, or a file cannot be read.
    """
    fields = dict(fields or {})
    for role in fields:
        if role not in FIELDS:
            raise ValueError(f"Field mapping of preferences: {unknown_name('key', role, FIELDS)}")
    pairs, faults = [], []
    for place, row in placed:
        try:
            check_text(row, place)
            pairs.append(pair_of(row, place, fields, category))
        except ValueError as error:
            faults.append(str(error))
    kept, contradictions, repeated = _agreeing(pairs)
    return Read(kept, [*faults, *contradictions], repeated)


def pair_of(row: Row, place: str, fields: Mapping[str, str] | None = None, category: str = "") -> Pair:
    """The pair of a row. ValueError that begins with `place`."""
    fields = fields or {}
    if all(name in row for name in LLMBAR) and not {"prompt", "chosen", "rejected"} & fields.keys():
        row = _as_labelled(row, place)
    sides = [_side(row, role, place, fields) for role in ("chosen", "rejected")]
    before = _messages_before(row, place, fields)
    conversations = [
        _whole(side, before, role, place) for side, role in zip(sides, ("chosen", "rejected"), strict=True)
    ]
    (*shared, chosen), (*other, rejected) = conversations
    if shared != other:
        raise ValueError(
            f"{place}: chosen and rejected answer different conversations; all messages but the last must be the same"
        )
    if not shared:
        raise ValueError(f"{place}: nothing is answered: give a prompt, or conversations with the question in them")
    for role, message in (("chosen", chosen), ("rejected", rejected)):
        if not _said(message):
            raise ValueError(f"{place}: {role} is empty: there is nothing to compare")
    if _said(chosen) == _said(rejected):
        raise ValueError(f"{place}: chosen and rejected are the same answer, so neither is preferred")
    _check_ratings(row, place)
    if system := value_in(row, fields, "system"):
        shared = with_system(shared, system, place)
    named = value_in(row, fields, "category", *CATEGORIES)
    if named is not None and not isinstance(named, str):
        raise ValueError(f"{place}: category must be text, not {type(named).__name__}")
    return Pair(tuple(shared), chosen, rejected, tools_in(row, fields, place), named or category, place)


def _as_labelled(row: Row, place: str) -> dict[str, Any]:
    """A row of LLMBar in the usual form."""
    label = row["label"]
    if label not in (1, 2) or isinstance(label, bool):
        raise ValueError(f"{place}: label is {label!r}; it says which output is preferred, 1 or 2")
    chosen, rejected = (row["output_1"], row["output_2"])[:: 1 if label == 1 else -1]
    return {**row, "prompt": row["input"], "chosen": chosen, "rejected": rejected}


def _side(row: Row, role: str, place: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    value = value_in(row, fields, role)
    name = fields.get(role, role)
    if value is None:
        missing = (
            f"field {name!r} is empty"
            if has_field(row, name)
            else f"there is no {role} side: {what_there_is(row, name)}"
        )
        raise ValueError(f"{place}: {missing}. Known are chosen and rejected; say others with fields: {{{role}: NAME}}")
    if not isinstance(value, str | Mapping | list):
        raise ValueError(f"{place}: {role} must be text, a message or messages, not {type(value).__name__}")
    messages = list(turns_of(value, "assistant", f"{place}: {role}"))
    if messages[-1]["role"] != "assistant":
        raise ValueError(
            f"{place}: {role} ends with a message from {messages[-1]['role']!r}; the assistant's is compared"
        )
    return messages


def _messages_before(row: Row, place: str, fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """What both sides answer, where it stands in a field of its own; [] where they bring it."""
    for name in (fields["prompt"],) if "prompt" in fields else ("conversations", "messages", "prompt"):
        if (value := field_or_none(row, name)) is not None:
            if not isinstance(value, str | Mapping | list):
                raise ValueError(f"{place}: {name} must be text or messages, not {type(value).__name__}")
            if value in ("", []):
                raise ValueError(f"{place}: {name} is empty: nothing is answered")
            return list(turns_of(value, "user", f"{place}: {name}"))
    if "prompt" in fields:
        raise ValueError(f"{place}: no field {fields['prompt']!r}; {what_there_is(row, fields['prompt'])}")
    return []


def _whole(side: list[dict[str, Any]], before: list[dict[str, Any]], role: str, place: str) -> list[dict[str, Any]]:
    """A side's conversation: its own, where it brings all of it, or what stands before and its one message."""
    if len(side) == 1:
        if before and before[-1]["role"] == "assistant":
            raise ValueError(
                f"{place}: the prompt ends with the assistant's message, and {role} is another: leave it out"
            )
        return [*before, *side]
    return side


def _said(message: Mapping[str, Any]) -> str:
    """What an answer says, for comparing; "" for one that says nothing."""
    content = message.get("content")
    text = content.strip() if isinstance(content, str) else json.dumps(content, sort_keys=True) if content else ""
    calls = message.get("tool_calls")
    return text + (json.dumps(calls, sort_keys=True, default=str) if calls else "")


def _check_ratings(row: Row, place: str) -> None:
    for names in RATINGS:
        given = [field_or_none(row, name) for name in names]
        if (
            all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
            and given[0] < given[1]
        ):
            raise ValueError(
                f"{place}: the sides look swapped: {names[0]} is {given[0]:g}, {names[1]} {given[1]:g}, and the chosen one should "
                "have more"
            )


def _agreeing(pairs: list[Pair]) -> tuple[list[Pair], list[str], int]:
    """The pairs that no other contradicts, a fault for each of the others, and how many are there once more."""
    orders: dict[str, dict[str, list[Pair]]] = {}  # by prompt and both answers: by the preferred one
    for pair in pairs:
        both = sorted((_said(pair.chosen), _said(pair.rejected)))
        orders.setdefault(_hash([pair.prompt_id, both]), {}).setdefault(_said(pair.chosen), []).append(pair)
    faults, contradicted = [], set()
    for sides in orders.values():
        if len(sides) == 2:
            first, second = sides.values()
            for own, opposite in ((first, second), (second, first)):
                for pair in own:
                    contradicted.add(id(pair))
                    faults.append(
                        f"{pair.place}: the sides look swapped here or elsewhere: {opposite[0].place} prefers the other answer"
                    )
    repeated = sum(len(same) - 1 for sides in orders.values() if len(sides) == 1 for same in sides.values())
    return [pair for pair in pairs if id(pair) not in contradicted], faults, repeated


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
