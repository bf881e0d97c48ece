"""Tasks from Hugging Face data sets: a name on the hub, or a local directory or file that `datasets` can read."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ponder.extras import how_to_install
from ponder.tasks.faults import listed_faults
from ponder.tasks.files import Placed
from ponder.tasks.rows import reader_for
from ponder.tasks.task import LazyTasks, Task


def hub_tasks(
    name: str,
    split: str = "train",
    fields: Mapping[str, str] | None = None,
    domain: str | None = None,
    prompt: str | None = None,
    verifier: str | None = None,
    config: str | None = None,
    limit: int | None = None,
) -> LazyTasks:
    """The rows of one split of a data set, each turned into a task when looked at (the table stays on disk).

    `name` and `config` (one of the data set's configurations, such as "main") go to `datasets.load_dataset`; a directory
    of Parquet or JSON files works too, `~` in its name is the home directory. The other arguments are those of
    `file_tasks`. Needs the extra `data`. ValueError for a missing extra, a data set, configuration or split that cannot
    be loaded, and for what rows lack: all are looked at here, so that one without an answer or tests is refused now and
    not in the middle of training.
    """
    table, source = load_table(name, config, split)
    length = len(table) if limit is None else min(limit, len(table))
    reader = reader_for(
        table[0], fields, place=f"{source}, row 0", source=source, domain=domain, prompt=prompt, verifier=verifier
    )

    def make(index: int) -> Task:
        return reader.task(table[index], f"{source}, row {index}")

    faults = []
    for index in range(length):
        try:
            make(index)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(listed_faults(faults, f"rows of {source} cannot be read"))
    return LazyTasks(length, make, source, at_hand=True)


def hub_rows(name: str, config: str | None = None, split: str = "train", limit: int | None = None) -> Iterator[Placed]:
    """(place, row) of the rows of one split, or the first `limit`. ValueError as `hub_tasks`."""
    table, source = load_table(name, config, split)
    for index in range(len(table) if limit is None else min(limit, len(table))):
        yield f"{source}, row {index}", table[index]


def load_table(name: str, config: str | None, split: str) -> tuple[Any, str]:
    """The table of a split, and what it is called in messages to people. ValueError as `hub_tasks`."""
    try:
        import datasets
    except ImportError:
        raise ValueError(f"Data set {name!r} needs the package `datasets`: {how_to_install('data')}") from None
    try:
        table = datasets.load_dataset(os.path.expanduser(name), config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        which = f"configuration {config!r}, " if config else ""
        remedy = "" if config or "onfig" not in str(error) else "; name one with config: NAME"
        raise ValueError(f"Data set {name!r}, {which}split {split!r} cannot be loaded: {error}{remedy}") from error

    source = f"hub:{name}" + (f"/{config}" if config else "") + f"[{split}]"
    if len(table) == 0:
        raise ValueError(f"{source}: the split holds no rows")
    return table, source
