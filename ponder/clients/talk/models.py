"""Which models a server has, for people who talk to it."""

from ponder.clients.talk.client import Client, WireError
from ponder.engine.openai_models import ModelCard
from ponder.engine.openai_profile import KEY_VARIABLE


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
