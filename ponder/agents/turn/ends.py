"""Why things end: a segment, a thought, an answer. Plain strings to JSON; `meaning` is the sentence for people."""

from enum import StrEnum


class SegmentEnd(StrEnum):
    """Why one request to the engine ended: what it sampled last, or why it was cut there."""

    TURN_END = "turn_end"
    STOP_ID = "stop_id"
    STOP_TEXT = "stop_text"
    THOUGHT_END = "thought_end"
    CALL_BEGIN = "call_begin"
    GRAMMAR_END = "grammar_end"
    CALLS_MADE = "calls_made"
    BUDGET = "budget"
    USER = "user"
    LOOP = "loop"
    REPETITION = "repetition"
    LENGTH = "length"

    @property
    def meaning(self) -> str:
        return _SEGMENT_ENDS[self]


class ThinkingEnd(StrEnum):
    """Why a thought ended; `reasoning_stop_reason` on the wire."""

    MODEL = "model"
    BUDGET = "budget"
    USER = "user"
    LOOP = "loop"
    LENGTH = "length"

    @property
    def meaning(self) -> str:
        return _THINKING_ENDS[self]


class FinishReason(StrEnum):
    """Why an answer ended, in OpenAI's words."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"

    @property
    def meaning(self) -> str:
        return _FINISH_REASONS[self]


_SEGMENT_ENDS = {
    SegmentEnd.TURN_END: "The model ended its turn.",
    SegmentEnd.STOP_ID: "The model sampled a token that the request names as a stop.",
    SegmentEnd.STOP_TEXT: "The answer came to a text that the request names as a stop.",
    SegmentEnd.THOUGHT_END: "The model closed its thought, and what follows has a grammar or must be a tool call.",
    SegmentEnd.CALL_BEGIN: "The model opened a tool call, whose JSON has a grammar.",
    SegmentEnd.GRAMMAR_END: "The grammar of the segment is complete: the JSON of a tool call is whole.",
    SegmentEnd.CALLS_MADE: "The tool calls are made: the only one that is allowed, or those in a thought that comes to no answer.",
    SegmentEnd.BUDGET: "The thought has used up its tokens.",
    SegmentEnd.USER: "Somebody wants the answer now.",
    SegmentEnd.LOOP: "The thought repeats itself.",
    SegmentEnd.REPETITION: "The answer repeats itself.",
    SegmentEnd.LENGTH: "The engine sampled as many tokens as it was asked for.",
}
_THINKING_ENDS = {
    ThinkingEnd.MODEL: "The model closed its thought, or ended its turn in it.",
    ThinkingEnd.BUDGET: "The thought used up its tokens and was closed.",
    ThinkingEnd.USER: "Somebody wanted the answer at once, and the thought was closed.",
    ThinkingEnd.LOOP: "The thought repeated itself and was closed.",
    ThinkingEnd.LENGTH: "The answer reached max_tokens while the model was thinking.",
}
_FINISH_REASONS = {
    FinishReason.STOP: "The model ended its turn, or came to a stop of the request; or the answer repeated itself.",
    FinishReason.LENGTH: "The answer reached max_tokens and was cut off.",
    FinishReason.TOOL_CALLS: "The model ended its turn with tool calls.",
}
