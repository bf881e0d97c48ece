"""Tasks from Hugging Face data sets: a name on the hub, or a local directory or file that `datasets` can read."""

from collections.abc import Mapping

from ponder.extras import how_to_install
from ponder.tasks.jsonl import listed_faults
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
) -> LazyTasks:
    """The rows of one split of a data set, each turned into a task when looked at (the table stays on disk).

    `name` and `config` go to `datasets.load_dataset` (a directory of Parquet or JSON files works too); the other
    arguments are those of `jsonl_tasks`. Needs the extra `data`. ValueError for a missing extra, a data set or split
    that cannot be loaded, and for what rows lack: all are looked at here, so that one without an answer or tests is
    refused now and not in the middle of training.
    """
    try:
        import datasets
    except ImportError:
        raise ValueError(f"Data set {name!r} needs the package `datasets`: {how_to_install('data')}") from None
    try:
        table = datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"Data set {name!r}, split {split!r} cannot be loaded: {error}") from error

    source = f"hub:{name}" + (f"/{config}" if config else "") + f"[{split}]"
    if len(table) == 0:
        raise ValueError(f"{source}: the split holds no rows")
    reader = reader_for(
        table[0], fields, place=f"{source}, row 0", source=source, domain=domain, prompt=prompt, verifier=verifier
    )

    def make(index: int) -> Task:
        return reader.task(table[index], f"{source}, row {index}")

    faults = []
    for index in range(len(table)):
        try:
            make(index)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError(listed_faults(faults, f"rows of {source} cannot be read"))
    return LazyTasks(len(table), make, source, at_hand=True)
