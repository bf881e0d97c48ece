"""Which checkpoint is meant."""

from pathlib import Path

from ponder.model.directory import why_no_model
from ponder.runs.run import Run


def find_checkpoint(path: Path) -> Path:
    """A checkpoint directory itself, or a run's newest checkpoint.

    Raises:
        ValueError: it is neither.
    """
    if why_no_model(path) is None:
        return path
    if (path / "lineage.json").is_file():
        checkpoint = Run.open(path).latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"the run {path} has no checkpoint yet")
        return checkpoint
    why = why_no_model(path)
    raise ValueError(
        f"{path} is neither a checkpoint (with a config.json) nor a run directory" + (f": {why}" if why else "")
    )
