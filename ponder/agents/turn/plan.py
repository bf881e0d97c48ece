"""What one answer is asked for, in ids and numbers, and how it stands while it is made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ponder.agents.turn.ends import FinishReason, SegmentEnd, ThinkingEnd
from ponder.chat.deltas import Delta, ToolCallError
from ponder.chat.renderer import Prompt
from ponder.engine.protocol import SamplingParams, TokenMask
from ponder.engine.stream import Tokens

REPETITION = "repetition_detected"  # vLLM's word


@dataclass(frozen=True)
class Structure:
    """What must be well-formed, and the ids of the markers that are forced around it.

    `answer`: makes the mask of an answer that has a form, given the ids that may come instead of all of it. `call`: makes
    the mask of the JSON object of a tool call.
    `must_call`: the answer is such a call, from its beginning. The ids: `close` ends a thought in which the model has
    stopped, `gap` stands between a thought and its answer, `call_open` and `call_close` around the JSON of a call.
    """

    answer: Callable[[frozenset[int]], TokenMask] | None = None
    call: Callable[[], TokenMask] | None = None
    must_call: bool = False
    close: tuple[int, ...] = ()
    gap: tuple[int, ...] = ()
    call_open: tuple[int, ...] = ()
    call_close: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What one answer is asked for, in ids and numbers; `params.max_tokens` counts everything, thinking too.

    `thinking`: whether the model is asked to think. `budget`: most tokens of thinking, None without a bound; `end_phrase`: ids that end a thought from outside,
    `</think>` among them. `stops`: texts that end the answer, `keep_stop` whether they belong to it. `rescues`:
    whether a thought that repeats itself is ended, and an answer that does is stopped.
    """

    prompt: Prompt
    params: SamplingParams
    seed: int
    rope_factor: float = 1.0
    thinking: bool = False
    budget: int | None = None
    end_phrase: tuple[int, ...] = ()
    stops: tuple[str, ...] = ()
    keep_stop: bool = False
    structure: Structure | None = None
    single_call: bool = False
    rescues: bool = True


@dataclass(frozen=True)
class Piece:
    """The next part of an answer: what has become certain, and the tokens that came meanwhile. Forced tokens have
    log-probability 0: they were certain. `thinking`: whether the answer is inside its thought now. `forced`: these
    tokens were not sampled."""

    deltas: tuple[Delta, ...]
    tokens: Tokens
    thinking: bool
    forced: bool = False


@dataclass
class Answer:
    """How an answer stands; complete when `finish_reason` is set."""

    ids: list[int] = field(default_factory=list)  # all of the output: sampled and forced, stop ids too
    finish_reason: FinishReason | None = None
    segment_ends: list[SegmentEnd] = field(default_factory=list)  # of the requests to the engine, in order
    stop_reason: str | int | None = None  # the stop text or the stop id that was asked for, or REPETITION
    thinking_end: ThinkingEnd | None = None  # None: there was no thinking, or it goes on
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    tool_calls: int = 0
    tool_call_errors: tuple[ToolCallError, ...] = ()
