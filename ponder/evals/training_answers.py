"""Questions to the engine of a training."""

from collections.abc import Callable, Sequence

from ponder.chat.renderer import Renderer
from ponder.engine.batch_streams import BatchStreams
from ponder.engine.limits import Limits
from ponder.engine.protocol import Engine
from ponder.evals.engine_answers import EngineAnswers
from ponder.evals.records import Sample
from ponder.evals.running import Asked, run
from ponder.evals.store import SampleStore
from ponder.verifiers.verification import Verification

# Questions that wait or are answered at a time. The engine lets in as many as it has room for; those that wait cost nothing.
MOST_AT_A_TIME = 4096


async def ask_engine(
    engine: Engine,
    limits: Limits,
    renderer: Renderer,
    asked: Sequence[Asked],
    store: SampleStore,
    verification: Verification,
    told: Callable[[Sample], None],
) -> None:
    """Asks a training's engine what the store has no answer to; raises what `told` does, with all answers so far kept.

    Raises:
        RuntimeError: the engine has failed.
    """
    streams = BatchStreams(engine, limits)
    answerer = EngineAnswers(streams, renderer, min(len(asked), MOST_AT_A_TIME))
    try:
        await run(answerer, asked, store, verification, told=told)
    finally:
        await answerer.close()
    if streams.failure is not None:
        raise RuntimeError(f"the engine has failed: {streams.failure}") from streams.failure
