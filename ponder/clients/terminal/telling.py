"""How an answer is shown while it grows, and what is said about it when it has ended."""

import time

from ponder.clients.talk.conversation import Answer
from ponder.clients.talk.events import thinking_seconds
from ponder.clients.terminal.screen import Screen

REPETITION = "repetition_detected"  # vLLM's word, and ours


class Telling:
    """Writes what is new in an answer, each time it is shown. `begun`: the answer as it stood before."""

    def __init__(self, screen: Screen, folded: bool, begun: Answer):
        self._screen, self._folded = screen, folded
        self._thought, self._said = len(begun.thinking), len(begun.content)
        self._calls = len(begun.calls)
        self._thinking = False  # inside of a thought that has been announced and not closed
        self._bare = not begun.content  # nothing of the answer has been written
        self._untold = False  # the thought was closed before its tokens were known

    def show(self, answer: Answer) -> None:
        thought, self._thought = answer.thinking[self._thought :], len(answer.thinking)
        said, self._said = answer.content[self._said :], len(answer.content)
        if answer.phase == "waiting":
            self._screen.live("Waiting...")
        if thought or answer.phase == "thinking":
            self._think(answer, thought)
        if self._thinking and answer.phase != "thinking":
            self._close_thought(answer)
        if self._bare:
            said = said.lstrip("\n")
            self._bare = not said
        self._screen.text(said)
        if answer.phase == "done":
            self._end(answer)

    def _think(self, answer: Answer, thought: str) -> None:
        if not self._thinking:
            self._thinking = True
            if not self._folded:
                self._screen.line("Thinking...", dim=True)
        if self._folded:
            tokens = answer.usage.reasoning if answer.usage else 0
            self._screen.live(f"Thinking... {_measure(thinking_seconds(answer, time.monotonic()), tokens)}")
        else:
            self._screen.text(thought, dim=True)

    def _close_thought(self, answer: Answer) -> None:
        self._thinking = False
        tokens = answer.usage.reasoning if answer.usage else 0
        self._untold = not tokens
        told = f"Thought for {_measure(answer.thinking_s, tokens)}."
        if self._folded:
            self._screen.notice(told)
        else:
            self._screen.line(told + "\n", dim=True)

    def _end(self, answer: Answer) -> None:
        self._screen.end_line()
        if self._untold and answer.usage and answer.usage.reasoning:
            self._screen.notice(f"[{answer.usage.reasoning:,} tokens of thought]")
        for call in answer.calls[self._calls :]:
            self._screen.line(f"{call.name}({call.arguments or '{}'})")


def notices(answer: Answer, budget: int | None) -> list[str]:
    """What the user should know about an answer that has ended. `budget`: of its thought, where one was asked for."""
    told = []
    if answer.thinking_end == "budget":
        reason = f"its budget of {budget:,} tokens was spent" if budget else "the answer needs the tokens that are left"
        told.append(f"the thought was ended: {reason}")
    if answer.thinking_end == "loop":
        told.append("the thought repeated itself and was ended")
    if answer.stop_reason == REPETITION:
        told.append("the answer repeated itself and was stopped")
    if answer.calls:
        told.append("the model wants functions called; nothing is called here, write your next message")
    if answer.finish_reason == "content_filter":
        told.append("the server's content filter has ended the answer")
    elif answer.finish_reason == "length" or answer.stopped:
        told.append(_cut_off(answer))
    elif not (answer.content or answer.calls or answer.error):
        told.append("the model said nothing" + (" after its thought" if answer.thinking else ""))
    return told


def _cut_off(answer: Answer) -> str:
    how = "stopped" if answer.stopped else "cut off at the limit of tokens"
    if not answer.may_go_on:
        return how
    if is_only_thought(answer):
        return f"{how} while thinking: /now has it answer from what it has thought, /continue lets it think on"
    return f"{how}: /continue goes on"


def is_only_thought(answer: Answer) -> bool:
    """Whether it was cut off before it answered."""
    return answer.may_go_on and not answer.content and bool(answer.thinking)


def _measure(seconds: float, tokens: int) -> str:
    shown = "less than 0.1 s" if seconds < 0.05 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{shown}, {tokens:,} token{'s' * (tokens != 1)}" if tokens else shown
