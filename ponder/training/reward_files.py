"""Files of the user's whose functions judge a run's tasks, or are tools and environments of theirs: which they are, and whether they have
changed since."""

from typing import Any

from ponder.recipe.reward import functions_of
from ponder.recipe.schema import Recipe
from ponder.verifiers.python.function import digest

KEY = "reward_files"  # in a run's lineage: the SHA-256 of each by its path


def reward_files(recipe: Recipe) -> dict[str, str]:
    """The SHA-256 of each file by its path. ValueError for one that cannot be read."""
    files = []
    for source in recipe.sources.values():
        asked = [source.reward, getattr(source, "verifier", None), getattr(source, "environment", None), *source.tools]
        files += [function.file for one in asked for function in functions_of(one)]
    return {file: digest(file) for file in files}


def changed_files(lineage: dict[str, Any], recipe: Recipe) -> dict[str, list[str]]:
    """{file: [SHA-256 when the run last went on, SHA-256 now]} of those that differ, as a lineage notes changes."""
    known = dict(lineage.get(KEY, {}))
    for resumption in lineage.get("resumed", []):
        known |= {name: after for name, (_, after) in resumption.get("changed", {}).items() if name in known}
    now = reward_files(recipe)
    return {file: [known[file], now[file]] for file in now if known.get(file, now[file]) != now[file]}
