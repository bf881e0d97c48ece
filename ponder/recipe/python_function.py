"""A function of the user's own, by file and name: `{python: my_rewards.py:score}`."""

import re
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from ponder.recipe.strict import Strict

FORM = re.compile(r"(?P<file>[^\n]*[^\n/]\.py):(?P<name>[^\W\d]\w*)")


class PythonFunction(Strict):
    """A function that says what a response is worth (docs/verifiers.md), run in processes with the user's own rights.

    A relative path is looked for in the current directory, as all paths of a recipe, then beside the recipe; what was
    found is kept as an absolute path, so that a run can be resumed from anywhere.
    """

    python: str = Field(description="FILE.py:FUNCTION")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="of the file; empty: of what it holds when the run begins"
    )

    @field_validator("python")
    @classmethod
    def is_there(cls, value: str, info: ValidationInfo) -> str:
        match = FORM.fullmatch(value)
        if match is None:
            raise ValueError(f"write the file and the function's name, such as my_rewards.py:score, not {value!r}")
        if info.context is None:  # not of a recipe: what is at hand is looked at when it is needed
            return value
        return f"{_found(match['file'], info.context.get('beside'))}:{match['name']}"

    @property
    def file(self) -> str:
        return self.python.rpartition(":")[0]

    @property
    def name(self) -> str:
        return self.python.rpartition(":")[2]

    @property
    def title(self) -> str:
        """What parts and metrics call it: my_rewards.score."""
        return f"{Path(self.file).stem}.{self.name}"


def _found(file: str, beside: Path | None) -> Path:
    """The file as an absolute path. ValueError, which names every place that was looked at."""
    path = Path(file).expanduser()
    places = [Path.cwd() / path]
    if beside is not None and beside.absolute() / path not in places:
        places.append(beside.absolute() / path)
    for place in places:
        if place.is_file():
            return place
    raise ValueError(f"there is no file {' and no '.join(map(str, places))}")
