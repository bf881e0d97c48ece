"""Talking to a model in the terminal: thinking dimmed and foldable, answers as they are sampled, Ctrl+C stops one."""

import os
import sys
import time
from typing import TextIO

from ponder.engine.protocol import SamplingParams
from ponder.server.answer import Answer, Responder

DIM, RESET = "\x1b[2m", "\x1b[0m"
HELP = (
    "/clear starts afresh, /system TEXT sets a system prompt, /think on|off shows or folds the thinking, /quit leaves."
)


class Terminal:
    def __init__(
        self,
        responder: Responder,
        params: SamplingParams,
        seed: int,
        show_thinking: bool = True,
        out: TextIO = sys.stdout,
    ):
        self.responder, self.params, self.seed = responder, params, seed
        self.show_thinking, self.out = show_thinking, out
        self.colour = out.isatty() and "NO_COLOR" not in os.environ
        self.messages: list[dict] = []
        self.turns = 0

    def run(self) -> None:
        """Read, answer, until /quit or the end of input."""
        while True:
            try:
                line = input("\n> " if sys.stdin.isatty() else "")
            except (EOFError, KeyboardInterrupt):
                self._write("\n")
                return
            if line.strip() == "/quit":
                return
            if line.startswith("/"):
                self._command(line)
            elif line.strip():
                self.turn(line)

    def turn(self, text: str) -> Answer:
        """One question and its answer; Ctrl+C keeps what has been said so far."""
        self.messages.append({"role": "user", "content": text})
        answer, started, phase = Answer(), time.monotonic(), None
        self.turns += 1
        try:
            deltas = self.responder.respond(self.messages, self.params, self.seed + self.turns, answer)
            for delta in deltas:
                if delta.kind != phase:
                    self._change_phase(phase, delta.kind, answer, started)
                    phase = delta.kind
                if delta.kind == "reasoning" and not self.show_thinking:
                    continue
                self._write(delta.text or (delta.tool_call.raw if delta.tool_call else ""))
        except KeyboardInterrupt:
            self._write(f"{self._reset()}\n[stopped]")
        except ValueError as error:
            self.messages.pop()
            self._write(f"{self._reset()}{error}")
        else:
            if phase == "reasoning":
                self._write(f"{self._reset()}\n[cut off while thinking: {answer.sampled} tokens]")
            elif answer.completion is not None and answer.completion.finish_reason == "length":
                self._write("\n[cut off at the token limit]")
        self._write(f"{self._reset()}\n")
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages.append({"role": "assistant", "content": answer.content})
        return answer

    def _change_phase(self, before: str | None, now: str, answer: Answer, started: float) -> None:
        if now == "reasoning":
            self._write(f"{DIM if self.colour else ''}{'' if self.show_thinking else 'thinking...'}")
        elif before == "reasoning":
            seconds = time.monotonic() - started
            fold = "\r" if not self.show_thinking and self.colour else "\n"
            self._write(f"{fold}thought for {seconds:.1f} s, {answer.reasoning_tokens} tokens{self._reset()}\n")

    def _command(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        match name, rest.strip():
            case "/clear", _:
                self.messages = [m for m in self.messages if m["role"] == "system"]
                self._write("cleared\n")
            case "/system", text if text:
                self.messages = [{"role": "system", "content": text}]
                self._write("system prompt set; the conversation starts afresh\n")
            case "/think", "on" | "off" as state:
                self.show_thinking = state == "on"
                self._write(f"thinking is {'shown' if self.show_thinking else 'folded'}\n")
            case _:
                self._write(HELP + "\n")

    def _reset(self) -> str:
        return RESET if self.colour else ""

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()
