"""The models that a server of OpenAI's API lists, and which of them is meant where nobody has said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_NAMES = 20  # of models that are listed


@dataclass(frozen=True)
class ModelCard:
    """`longest`: most tokens of a prompt and its answer, None where the server does not say. `is_ponder`: it is Ponder's own."""

    longest: int | None
    is_ponder: bool = False


def read_cards(listed: Any) -> dict[str, ModelCard] | None:
    """The models that a server lists at GET /models, by name; None where that is no list of models."""
    cards = listed.get("data") if isinstance(listed, Mapping) else None
    if not isinstance(cards, list):
        return None
    found: dict[str, ModelCard] = {}
    for card in cards:
        if isinstance(card, Mapping) and isinstance(name := card.get("id"), str):
            longest = card.get("max_model_len")
            known = isinstance(longest, int) and longest > 0
            found[name] = ModelCard(longest if known else None, card.get("owned_by") == "ponder")
    return found


def only_model(base_url: str, models: Mapping[str, ModelCard], field: str) -> str:
    """The one model of a server. ValueError where it names several, or none; `field`: where a name is given."""
    names = list(models)
    if len(names) == 1:
        return names[0]
    if not names:
        raise ValueError(f"{base_url} names no model: give it with {field}")
    shown = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    raise ValueError(f"{base_url} has {len(names)} models, choose one with {field}: {shown}")
