"""What a release is asked for, and what came of it: plain data."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ponder.evals.release.checks import Check
from ponder.evals.release.provenance import Stated

HUB = "hub:"


@dataclass(frozen=True)
class Wanted:
    """
    checkpoint: its directory
    to: a directory, or hub:OWNER/NAME
    evaluations: directories; without one those that lie about
    gguf: f16 or q8_0, None for no GGUF file
    vllm_python: of the environment of a vLLM
    private: of a new repository on the hub
    """

    checkpoint: Path
    to: str
    stated: Stated = field(default_factory=Stated)
    evaluations: tuple[Path, ...] = ()
    gguf: str | None = None
    vllm_python: Path | None = None
    private: bool = False

    @property
    def repo(self) -> str | None:
        return self.to.removeprefix(HUB) if self.to.startswith(HUB) else None

    @property
    def directory(self) -> Path:
        return Path(self.to).expanduser().resolve()

    @property
    def name(self) -> str:
        return (self.repo or str(self.directory)).rpartition("/")[2]

    @property
    def gguf_name(self) -> str:
        return f"{self.name}-{self.gguf}.gguf"


@dataclass(frozen=True)
class Outcome:
    """`at`: where it is, None of one that was refused. `files`: bytes by name, of what has gone out; `left`: what stayed."""

    checks: tuple[Check, ...]
    at: str | None
    files: dict[str, int]
    left: tuple[str, ...]

    @property
    def failed(self) -> list[str]:
        return [check.name for check in self.checks if check.status == "failed"]


def read_data(given: Iterable[str]) -> dict[str, str]:
    """{source: its licence} of entries such as openai/gsm8k=mit.

    Raises:
        ValueError: an entry of another form.
    """
    found = {}
    for one in given:
        source, equals, licence = one.rpartition("=")
        if not equals or not source.strip() or not licence.strip():
            raise ValueError(f"--data {one!r}: write it as SOURCE=LICENCE, such as openai/gsm8k=mit")
        found[source.strip()] = licence.strip()
    return found
