"""The commands of the terminal chat: their names, what stands behind them, and what they do, in words."""

import difflib
from dataclasses import dataclass

COMMANDS = {
    "/think": ("on|off|auto", "whether the model thinks; auto leaves it to the server"),
    "/budget": ("N|off", "most tokens of thought"),
    "/fold": ("on|off", "whether thoughts are folded to one line"),
    "/retry": ("", "asks your last message again; the earlier answer is put aside"),
    "/edit": ("[TEXT]", "changes your last message and asks it anew"),
    "/continue": ("", "goes on with an answer that was stopped or cut off"),
    "/now": ("", "after Ctrl+C in a thought: answers from what it has thought"),
    "/system": ("[TEXT|off]", "shows, sets or removes the system prompt"),
    "/save": ("FILE", "writes the conversation: .json as messages that can be sent again, .md to be read"),
    "/clear": ("", "begins a new conversation; the system prompt stays"),
    "/help": ("", "shows this"),
    "/quit": ("", "leaves, as Ctrl+D does"),
}
KEYS = """\
Ctrl+C stops an answer, and keeps what there is of it; once more, it leaves.
A line that ends with \\ goes on in the next one; \"\"\" begins and ends a message of many lines.
A line that begins with a space is a message, even if a / follows."""


@dataclass(frozen=True)
class Command:
    name: str
    argument: str


def parse_command(line: str) -> Command:
    """Raises ValueError where there is no such command, or something stands behind it that it does not take."""
    name, _, argument = line.strip().partition(" ")
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else "/help lists the commands"
        raise ValueError(f"there is no command {name[:40]}: {hint} (begin with a space to send it as a message)")
    if argument.strip() and not COMMANDS[name][0]:
        raise ValueError(f"{name} stands alone")
    return Command(name, argument.strip())


def usage(name: str) -> str:
    return f"write {name} {COMMANDS[name][0]}"


def help_text() -> str:
    width = max(len(f"{name} {argument}") for name, (argument, _) in COMMANDS.items())
    lines = [f"{f'{name} {argument}':<{width}}  {does}" for name, (argument, does) in COMMANDS.items()]
    return "\n".join([*lines, KEYS])
