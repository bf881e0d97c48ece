"""What a model's makers say of how to sample it: its generation_config.json."""

import json
from pathlib import Path

from ponder.engine.protocol import SamplingParams

# (Which tokens end an answer is there too: the renderer reads it, since it is a matter of ids and text.)
NAMES = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def sampling_defaults(checkpoint: Path) -> SamplingParams:
    """A model's own defaults where its generation_config.json has them, else the guidelines'.

    Raises:
        ValueError: it is no JSON object, or has a value that is no number or out of its range.
    """
    path = checkpoint / "generation_config.json"
    config = _read(path) if path.is_file() else {}
    given = {name: config[name] for name in NAMES if config.get(name) is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int if name == "top_k" else int | float):
            raise ValueError(f"{path}: {name} must be a number, got {value!r}; mend it, or take the line out")
    try:
        return SamplingParams(**given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is broken JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} must be a JSON object")
    return config
