"""A server that speaks OpenAI's API: where it is, what is asked for there, and how long it is waited for."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

KEY_VARIABLE = "OPENAI_API_KEY"  # of the environment
MOST_KEY_BYTES = 8192


@dataclass(frozen=True)
class OpenAiProfile:
    """`url`: the base of the API, as http://host:8000/v1. `model`: the name that the server knows it by.

    Raises:
        ValueError: an address of another form, or a key that no header can carry.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self):
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018 (raises where it is no number)
        except ValueError as error:
            raise ValueError(f"{self.url!r} is no address of an API ({error}): write http://host:port/v1") from None
        if parts.username or parts.password:
            raise ValueError(f"the address of {parts.hostname} has a password in it: give a key in a file instead")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{self.url!r} is no address of an API: write http://host:port/v1")
        if not self.model:
            raise ValueError(f"name the model that {self.url} is to be asked for, as its GET /models lists it")
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise ValueError(f"the API key for {self.url} has a character that no key has")
        object.__setattr__(self, "url", self.url.rstrip("/"))

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for, and how often it is asked again: after 408, 409, 425, 429, 5xx, and where a
    connection fails, as long as nothing of the answer has been handed on."""

    connect_s: float = 10.0
    answer_s: float = 600.0  # of one attempt, from the question to the answer's last byte
    attempts: int = 6
    backoff_s: float = 0.5  # before the second attempt; doubled for each further one
    retry_s: float = 120.0  # all waiting between the attempts together, what Retry-After asks for included
    most_bytes: int | None = None  # of one answer; empty: those of long answers with many log-probabilities


def read_key(path: Path) -> str:
    """The API key in a file that holds nothing else.

    Raises:
        ValueError: the file cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            words = file.read(MOST_KEY_BYTES).decode("ascii", "replace").split()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(words) != 1 or not _fits_a_header(words[0]):
        raise ValueError(f"{path} must hold one API key and nothing else")
    return words[0]


def _fits_a_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key
