"""A conversation in the terminal: reads what the user writes, asks, shows what comes."""

import asyncio
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ponder.clients.talk.acts import Act, Opening, begin
from ponder.clients.talk.asking import Settings, ask
from ponder.clients.talk.client import Client
from ponder.clients.talk.conversation import Answer, Conversation, User
from ponder.clients.talk.running import Running
from ponder.clients.terminal.commands import Command, help_text, parse_command, usage
from ponder.clients.terminal.reading import Entry, Reader
from ponder.clients.terminal.saving import save
from ponder.clients.terminal.screen import Screen, visible
from ponder.clients.terminal.telling import Telling, is_only_thought, notices


class Chat:
    """`thinking` None: as the server likes it. `budget`: most tokens of thought. `folded`: thoughts are not shown."""

    def __init__(
        self,
        client: Client,
        reader: Reader,
        screen: Screen,
        settings: Settings,
        thinking: bool | None = None,
        budget: int | None = None,
        folded: bool = False,
    ):
        self.conversation = Conversation()
        self._client, self._reader, self._screen, self._settings = client, reader, screen, settings
        self._thinking, self._budget, self._folded = thinking, budget, folded
        self._failed = False  # something that was asked for has not been done
        self._told: set[str] = set()  # what is said once

    def run(self) -> int:
        """Until /quit or the end of what is read.

        Returns:
            the exit code: 1 where a script had a request or a command that failed
        """
        with asyncio.Runner() as self._runner:
            try:
                while (entry := self._next()) is not None and self._do(entry):
                    continue
            finally:
                self._runner.run(self._client.close())
        return int(self._failed and not self._reader.prompts)

    def _next(self) -> Entry | None:
        """Ctrl+C drops the line that is being written; where nothing else has been written since, it leaves."""
        entry = None
        for hint in ("\n(once more, or Ctrl+D, to leave)", None):
            try:
                entry = self._reader.next()
                break
            except KeyboardInterrupt:
                if hint:
                    self._screen.line(hint)
        if entry is None and self._reader.prompts:
            self._screen.line("")  # the shell's prompt begins a line
        return entry

    def _do(self, entry: Entry) -> bool:
        """False: the user wants to leave."""
        try:
            if not entry.is_command:
                if entry.text.strip():
                    self._send(entry.text.strip())
                return True
            command = parse_command(entry.text)
            if command.name == "/quit":
                return False
            self._command(command)
        except ValueError as error:
            self._failed = True
            self._screen.error(str(error))
        return True

    def _send(self, text: str) -> None:
        tip = self.conversation.turn(self.conversation.tip) if self.conversation.tip is not None else None
        if isinstance(tip, Answer) and tip.error and not (tip.thinking or tip.content or tip.calls):
            # What could not be answered makes room for what is asked instead.
            self._answer(Act("edit", text, self._last_question()))
        else:
            self._answer(Act("send", text))

    def _command(self, command: Command) -> None:
        """Raises ValueError where it cannot be done."""
        argument = command.argument
        match command.name, argument.lower():
            case "/think", "on" | "off" | "auto" as state:
                self._thinking = {"on": True, "off": False, "auto": None}[state]
                self._screen.notice("the server decides about thinking" if state == "auto" else f"thinking is {state}")
            case "/budget", "off":
                self._budget = None
                self._screen.notice("thoughts have no budget")
            case "/budget", number if number.isascii() and number.isdecimal() and 0 < len(number) < 10 and int(number):
                self._budget = int(number)
                off = "; thinking is off, though" if self._thinking is False else ""
                self._screen.notice(f"thoughts have at most {self._budget:,} tokens{off}")
            case "/fold", "on" | "off" as state:
                self._folded = state == "on"
                self._screen.notice("thoughts are folded" if self._folded else "thoughts are shown")
            case "/think" | "/budget" | "/fold" as name, _:
                raise ValueError(usage(name))
            case "/retry", _:
                self._last_question()
                self._answer(Act("retry", node=self.conversation.tip))
            case "/edit", _:
                self._edit(argument)
            case "/continue", _:
                self._last_question()
                self._answer(Act("continue", node=self.conversation.tip))
            case "/now", _:
                self._last_question()
                if not is_only_thought(self.conversation.answer(self.conversation.tip)):
                    raise ValueError("/now is for an answer that was stopped, or cut off, while it was thinking")
                self._answer(Act("conclude", node=self.conversation.tip))
            case "/system", _:
                self._system(argument)
            case "/save", "":
                raise ValueError(usage("/save"))
            case "/save", _:
                path = Path(argument).expanduser()
                turns = save(self.conversation, self._settings.system, path)
                self._screen.notice(f"{turns} turns are in {path}")
            case "/clear", _:
                self.conversation = Conversation()
                self._screen.notice("this is a new conversation")
            case "/help", _:
                self._screen.line(help_text())

    def _edit(self, text: str) -> None:
        number = self._last_question()
        question = self.conversation.turn(number)
        assert isinstance(question, User)
        if not text:
            try:
                edited = self._reader.edited(visible(question.text))
            except KeyboardInterrupt:
                self._screen.line("\n(not changed)")
                return
            if edited is None:
                raise ValueError("write /edit TEXT, with your message as it should have been")
            text = edited.strip()
        if text:
            self._answer(Act("edit", text, number))

    def _system(self, text: str) -> None:
        if text:
            self._settings = replace(self._settings, system="" if text.lower() == "off" else text)
        system = self._settings.system
        self._screen.notice(f"system prompt: {system}" if system else "there is no system prompt")

    def _last_question(self) -> int:
        path = self.conversation.path()
        for number in reversed(path):
            if isinstance(self.conversation.turn(number), User):
                return number
        raise ValueError("nothing has been asked yet")

    def _answer(self, act: Act) -> None:
        before = self.conversation
        act = replace(act, thinking=self._thinking, budget=None if self._thinking is False else self._budget)
        opening = begin(before, act)
        assert isinstance(opening, Opening)
        self.conversation = opening.conversation
        answer = self._runner.run(self._run(opening, act))
        if answer.error:
            self._failed = True
            self._screen.error(f"Error: {answer.error}")
            if opening.resumes and answer.content == before.answer(opening.number).content:
                self.conversation = before  # it can be tried again
            elif self._reader.prompts:
                self._screen.notice("[your message is kept: /retry asks again, /edit changes it, /clear begins anew]")
        for notice in notices(answer, act.budget):
            self._screen.notice(f"[{notice}]")
        if self._reader.prompts:
            self._screen.line("")

    async def _run(self, opening: Opening, act: Act) -> Answer:
        begun = opening.conversation.answer(opening.number)
        asked = ask(opening.conversation, opening.number, self._settings, act)
        running = Running(self._client, asked, begun)
        telling = Telling(self._screen, self._folded, begun)
        with _interrupting(running):
            try:
                async for answer in running.snapshots(opening.resumes):
                    self._tell_once(answer)
                    telling.show(answer)
            finally:
                self._screen.end_line()
                self.conversation = self.conversation.put(opening.number, running.answer)
        return running.answer

    def _tell_once(self, answer: Answer) -> None:
        told = [answer.warning] if answer.warning else []
        if answer.usage and answer.usage.rope_factor > 1:
            told.append(f"long context: YaRN factor {answer.usage.rope_factor:g}")
        for text in told:
            if text not in self._told:
                self._told.add(text)
                self._screen.notice(f"[{text}]")


@contextmanager
def _interrupting(running: Running):
    """Ctrl+C stops the answer. Once more, where that takes too long, it stops everything."""
    loop, task, count = asyncio.get_running_loop(), asyncio.current_task(), 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count == 1:
            running.stop()
        elif task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
