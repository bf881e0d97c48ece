"""Procedural tasks: any family of reasoning-gym by name and settings.

https://github.com/open-thought/reasoning-gym
"""

import json
import sys
from dataclasses import fields
from hashlib import blake2b
from typing import Any

from ponder.tasks.prompts import ask, check_prompt
from ponder.tasks.suggest import unknown_name
from ponder.tasks.task import LazyTasks, Task

# These families draw from Python sets of strings, so their problems follow the process's hash seed
# (reasoning-gym 0.1.25; a test compares all families under two hash seeds).
NEEDS_HASH_SEED = {"isomorphic_strings", "polynomial_multiplication", "ransom_note"}


def gym_tasks(
    family: str,
    settings: dict | None = None,
    size: int = 1_000_000,
    seed: int = 0,
    domain: str | None = None,
    prompt: str | None = None,
    verifier: str | None = None,
) -> LazyTasks:
    """`size` tasks of a reasoning-gym family; the i-th is generated when looked at and depends on (seed, i) only.

    `settings` are the fields of the family's own configuration. `domain` defaults to the family's category
    (arithmetic, logic, ...), `prompt` to "plain", `verifier` to "reasoning_gym", the family's own scorer; "math"
    compares with the reference answer instead. ValueError for an unknown family, setting or value.
    """
    from reasoning_gym.factory import create_dataset

    settings = dict(settings or {})
    prompt = "plain" if prompt is None else prompt
    check_prompt(prompt)
    _check_family(family)
    _check_settings(family, settings)
    if size < 1:
        raise ValueError(f"size of reasoning-gym family {family!r} is {size}: it must be at least 1")
    try:
        dataset = create_dataset(family, **settings, seed=_spread(family, seed), size=size)
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(
            f"reasoning-gym family {family!r} refuses the settings {settings}: {error or type(error).__name__}. "
            f"Its fields and defaults: {_describe(family)}."
        ) from error

    category, source = domain or dataset.category, f"gym:{family}"

    def make(index: int) -> Task:
        entry = dataset[index]
        return Task(
            messages=({"role": "user", "content": ask(entry["question"], prompt)},),
            domain=category,
            verifier=verifier or "reasoning_gym",
            reference=_reference(entry),
            source=source,
            metadata={"family": family, "settings": settings, "entry": to_json_value(entry)},
        )

    return LazyTasks(size, make, source)


def _check_family(family: str) -> None:
    from reasoning_gym.factory import DATASETS

    if family == "composite":
        raise ValueError("reasoning-gym family 'composite' is a mixture: name several sources with weights instead")
    if family not in DATASETS:
        raise ValueError(unknown_name("reasoning-gym family", family, set(DATASETS) - {"composite"}))
    if family in NEEDS_HASH_SEED and sys.flags.hash_randomization:
        raise ValueError(
            f"reasoning-gym family {family!r} makes other problems in each process unless Python's hash seed is "
            "fixed: start with PYTHONHASHSEED=0 in the environment"
        )


def _check_settings(family: str, settings: dict) -> None:
    """Names only; values are checked by the family's own `validate`."""
    from reasoning_gym.factory import DATASETS

    allowed = [field.name for field in fields(DATASETS[family][1]) if field.name not in ("seed", "size")]
    for name in settings:
        if name in ("seed", "size"):
            raise ValueError(f"{name!r} is a field of the source, not a setting of reasoning-gym family {family!r}")
        if name not in allowed:
            raise ValueError(f"reasoning-gym family {family!r}: {unknown_name('setting', name, allowed, show_all=40)}")


def _describe(family: str) -> str:
    from reasoning_gym.factory import DATASETS

    defaults = DATASETS[family][1]()
    return ", ".join(
        f"{f.name}={getattr(defaults, f.name)!r}" for f in fields(defaults) if f.name not in ("seed", "size")
    )


def _spread(family: str, seed: int) -> int:
    """reasoning-gym seeds its i-th problem with seed + i, so neighbouring seeds would share nearly all problems."""
    return int.from_bytes(blake2b(f"{family}:{seed}".encode(), digest_size=4).digest()) >> 1


def _reference(entry: dict) -> str | None:
    """The family's answer; where many answers are right, its example of one; None where it gives none."""
    metadata = entry["metadata"]
    for answer in (entry["answer"], metadata.get("example_correct_answer"), metadata.get("example_answer")):
        if answer is not None:
            return answer
    if "possible_answer" in metadata:
        return json.dumps(metadata["possible_answer"])
    return None


def to_json_value(value: Any) -> Any:
    """Python data of a reasoning-gym entry as JSON that `from_json_value` restores, tuples and odd keys included.

    Some scorers compare tuples or look integers up in dictionaries, which plain JSON would turn into lists and
    strings. Tagged forms: {"(tuple)": [...]}, {"(dict)": [[key, value], ...]}.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, tuple):
        return {"(tuple)": [to_json_value(item) for item in value]}
    if isinstance(value, list):
        return [to_json_value(item) for item in value]
    if isinstance(value, dict):
        if all(type(key) is str for key in value):
            return {key: to_json_value(item) for key, item in value.items()}
        return {"(dict)": [[to_json_value(key), to_json_value(item)] for key, item in value.items()]}
    if hasattr(value, "item"):  # a numpy scalar
        return value.item()
    raise TypeError(f"a reasoning-gym entry holds a {type(value).__name__}, which JSON cannot carry")


def from_json_value(value: Any) -> Any:
    """The inverse of `to_json_value`."""
    if isinstance(value, list):
        return [from_json_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "(tuple)" in value:
        return tuple(from_json_value(item) for item in value["(tuple)"])
    if "(dict)" in value:
        return {from_json_value(key): from_json_value(item) for key, item in value["(dict)"]}
    return {key: from_json_value(item) for key, item in value.items()}
