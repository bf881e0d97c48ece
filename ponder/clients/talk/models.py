"""Which models a server has, and which of them is meant where nobody has said."""

from collections.abc import Mapping

from ponder.clients.talk.client import Client, WireError
from ponder.engine.openai_models import ModelCard

KEY_VARIABLE = "OPENAI_API_KEY"
MOST_NAMES = 20  # of models that are listed


async def listed_models(base_url: str, api_key: str | None) -> dict[str, ModelCard]:
    """The server's models by name.

    Raises:
        ConnectionError: it cannot be reached, or refuses to name them.
    """
    client = Client(base_url, "", api_key)
    try:
        return await client.models()
    except WireError as error:
        hint = f" ({KEY_VARIABLE} or --api-key-file gives one)" if error.status in (401, 403) else ""
        raise ConnectionError(f"{error}{hint}") from error
    finally:
        await client.close()


def only_model(base_url: str, models: Mapping[str, ModelCard]) -> str:
    """The one model of a server. ValueError where it names several, or none."""
    names = list(models)
    if len(names) == 1:
        return names[0]
    if not names:
        raise ValueError(f"{base_url} names no model: give it with --model")
    shown = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    raise ValueError(f"{base_url} has {len(names)} models, choose one with --model: {shown}")
