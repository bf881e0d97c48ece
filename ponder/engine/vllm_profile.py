"""A vLLM server that runs: where it is, what it serves, and the YaRN factor it was started with."""

from dataclasses import dataclass, field, replace

import httpx

CONNECT_S = 10.0


@dataclass(frozen=True)
class VllmProfile:
    """`url`: http://host:port or https://host:port. `model`: the name it serves the model under. `context`: most tokens
    of prompt and answer, its max_model_len.

    Raises:
        ValueError: an address of another form.
    """

    url: str
    model: str = ""
    context: int = 0
    rope_factor: float = 1.0
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self):
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"a vLLM server's address is http://... or https://..., not {self.url!r}")
        try:
            httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{self.url!r} is no address of a vLLM server: {error}") from error

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


def connect_vllm(url: str, rope_factor: float = 1.0, api_key: str | None = None) -> VllmProfile:
    """Asks a running server what it serves; blocks.

    Raises:
        ValueError: an address of another form.
        RuntimeError: it does not answer, or not as vLLM does.
    """
    profile = VllmProfile(url, rope_factor=rope_factor, api_key=api_key)
    try:
        with blocking_client(profile) as client:
            response = client.get("/v1/models")
            response.raise_for_status()
            card = response.json()["data"][0]
            return replace(profile, model=str(card["id"]), context=int(card["max_model_len"]))
    except httpx.HTTPError as error:
        raise RuntimeError(f"no vLLM server answers at {url}: {str(error) or type(error).__name__}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise RuntimeError(f"what answers at {url} is no vLLM server: its /v1/models has no max_model_len") from error


def follows_grammars(profile: VllmProfile) -> bool:
    """Whether a running server reads our grammars, and from the first token: a request of one token is the test. True also
    where it does not answer in time; blocks."""
    token = 1
    body = {
        "model": profile.model,
        "prompt": [0],
        "max_tokens": 1,
        "structured_outputs": {"grammar": f"start: <[{token}]>"},
        "return_token_ids": True,
    }
    try:
        with blocking_client(profile) as client:
            response = client.post("/v1/completions", json=body)
        return response.status_code == 200 and response.json()["choices"][0]["token_ids"] == [token]
    except httpx.HTTPError:
        return True
    except (ValueError, LookupError, TypeError):
        return False


def blocking_client(profile: VllmProfile) -> httpx.Client:
    return httpx.Client(base_url=profile.url, headers=profile.headers, timeout=CONNECT_S, trust_env=False)
