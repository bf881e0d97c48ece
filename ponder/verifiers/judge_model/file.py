"""A judge and its rubric in one YAML file, for `ponder verify --verifier my_judge.yaml`."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ponder.recipe.complaints import complaints
from ponder.recipe.judge import JudgedBy, JudgeServer, RubricItem
from ponder.recipe.yaml_text import read_yaml

ENDINGS = (".yaml", ".yml")
NAME = "judge"  # by which its verdicts call it


class JudgeFile(JudgeServer):
    """The fields of a recipe's judge, and of what is asked of it."""

    rubric: list[RubricItem] = Field(min_length=1)
    mode: Literal["pointwise", "pairwise"] = "pointwise"


@lru_cache(maxsize=8)
def read_judge(path: str) -> tuple[JudgeServer, JudgedBy]:
    """
    Raises:
        ValueError: the file cannot be read, or what is wrong in it, by field.
    """
    try:
        tree = read_yaml(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"{path} must hold a mapping of fields (url:, model:, rubric: ...)")
    try:
        read = JudgeFile.model_validate(tree)
        asked = JudgedBy(judge=NAME, rubric=read.rubric, mode=read.mode)
    except ValidationError as error:
        lines = "\n".join(f"  {complaint}" for complaint in complaints(tree, error.errors(), JudgeFile))
        raise ValueError(f"{path} does not say how to judge:\n{lines}") from None
    return JudgeServer(**read.model_dump(exclude={"rubric", "mode"})), asked
