"""What a sandbox is started with, and what of it a job may have."""

from dataclasses import dataclass

from ponder.sandbox.job import Limits, Refused
from ponder.sandbox.levels import Level


@dataclass(frozen=True)
class Settings:
    """`workers` is how many jobs run at a time; None: two for each core. Time and memory are the most a job may ask."""

    workers: int | None = None
    memory_mb: int = 1024
    timeout_s: float = 10.0
    isolation: Level = "standard"
    queue_limit: int = 1000
    sessions: int = 16
    session_idle_s: float = 600.0
    scratch_mb: int = 64

    def limits_of_job(self, asked: Limits) -> Limits:
        """The limits with every field filled in. Raises Refused where more is asked than the server gives."""
        if asked.timeout_s is not None and asked.timeout_s > self.timeout_s:
            raise Refused(
                f"limits.timeout_s is {asked.timeout_s:g}, more than this sandbox gives ({self.timeout_s:g}): ask for "
                "less, or start it with a larger --timeout"
            )
        if asked.memory_mb is not None and asked.memory_mb > self.memory_mb:
            raise Refused(
                f"limits.memory_mb is {asked.memory_mb}, more than this sandbox gives ({self.memory_mb}): ask for less, "
                "or start it with a larger --memory-mb"
            )
        given = {"timeout_s": asked.timeout_s or self.timeout_s, "memory_mb": asked.memory_mb or self.memory_mb}
        return asked.model_copy(update=given)
