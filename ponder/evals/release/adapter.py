"""An adapter's config as it goes out: its base is named as others find it, not by a path of this machine."""

import json
from pathlib import Path

from ponder.model.directory import HUB_ID


def named_as_found(config: Path, base: str | None) -> str:
    """The text of adapter_config.json with the base's id on the hub, and the commit where one is known; with what the base is in
    words, where it is none of the hub's."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    if match := HUB_ID.fullmatch(base or ""):
        settings |= {"base_model_name_or_path": match["repo"], "revision": match["revision"]}
    elif base:
        settings |= {"base_model_name_or_path": base, "revision": None}
    return json.dumps(settings, indent=2) + "\n"
