"""A reward model as transformers' AutoModelForSequenceClassification loads it, with its tokenizer."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from ponder.chat.renderer import Renderer
from ponder.model.weights import save_decoder
from ponder.training.master import MasterWeights

SETTINGS_FILES = ("tokenizer_config.json", "special_tokens_map.json")


def save_reward_model(
    weights: MasterWeights, renderer: Renderer, ends: Collection[int], directory: Path, dtype: str
) -> None:
    """Into a new directory.

    Args:
        ends: tokens that sequences end with. transformers takes the last token that is not padding for a sequence's end, so the token
            for padding is one that no sequence ends with; the model's own, where that will do
    """
    directory.mkdir()
    pad = padding_token(renderer, weights.decoder.config.pad_id, ends)
    config = weights.decoder.config
    weights.decoder.config = replace(config, pad_id=pad)
    try:
        save_decoder(weights.decoder, directory, dtype, weights.parameters())
    finally:
        weights.decoder.config = config
    renderer.save(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)  # it writes nothing
    text = renderer.decode([pad])
    for name, settings in _settings(renderer.files).items():
        (directory / name).write_text(json.dumps(settings | {"pad_token": text}, indent=2) + "\n", encoding="utf-8")


def padding_token(renderer: Renderer, own: int | None, ends: Collection[int]) -> int:
    """The model's own token for padding, its tokenizer's, or another special one, which no sequence ends with.

    Raises:
        ValueError: there is none.
    """
    added = renderer.tokenizer.get_added_tokens_decoder()
    named = _settings(renderer.files).get("tokenizer_config.json", {}).get("pad_token")
    named = named.get("content") if isinstance(named, Mapping) else named
    of_tokenizer = renderer.tokenizer.token_to_id(named) if isinstance(named, str) else None
    special = sorted(number for number, token in added.items() if token.special)
    for number in (own, of_tokenizer, *special):
        if number is not None and number in added and number not in ends:
            return number
    raise ValueError(
        f"{renderer.origin}: no special token is left for padding, since sequences end with each of them; add one to the tokenizer"
    )


def _settings(files: Mapping[str, bytes]) -> dict[str, dict]:
    return {name: json.loads(files[name]) for name in SETTINGS_FILES if name in files}
