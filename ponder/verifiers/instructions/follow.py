"""Whether a text follows the instructions of a reference, strictly or loosely, one part for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ponder.tasks.suggest import unknown_name
from ponder.verifiers.instructions.arguments import read_arguments
from ponder.verifiers.instructions.checked import Checked
from ponder.verifiers.instructions.registry import INSTRUCTIONS, Instruction
from ponder.verifiers.verdict import Part, Verdict

FIELDS = ("instruction_id_list", "kwargs", "prompt", "mode", "key")
EMPTY = Checked(False, "the response is empty")
# What loose judging tries: IFEval's eight variants, in its order. Named by what is taken away.
FIRST, LAST, STARS = "the first line", "the last line", "asterisks"
VARIANTS = ((), (STARS,), (FIRST,), (LAST,), (FIRST, LAST), (FIRST, STARS), (LAST, STARS), (FIRST, LAST, STARS))


@dataclass(frozen=True)
class Asked:
    """An instruction with its arguments."""

    name: str
    instruction: Instruction
    arguments: dict[str, Any]

    def check(self, content: str) -> Checked:
        return self.instruction.check(content, **self.arguments) if content.strip() else EMPTY

    def check_loose(self, content: str) -> Checked:
        """Followed if any of the eight variants of the content follows it."""
        strict = self.check(content)
        if strict.followed:
            return strict
        tried = {content}
        for taken in VARIANTS:
            variant = _without(content, taken)
            if variant not in tried:
                tried.add(variant)
                loose = self.check(variant)
                if loose.followed:
                    return Checked(True, f"without {' and '.join(taken)}: {loose.reason}")
        return Checked(False, f"{strict.reason}; no loose variant follows it either")

    def at_once(self, content: str) -> bool:
        return self.instruction.at_once(content, **self.arguments)


def follow(content: str, reference: Mapping[str, Any], loose: bool) -> list[Part]:
    """A verdict on each instruction of a reference {"instruction_id_list": [...], "kwargs": [{...}, ...]}, with "prompt"
    where an instruction needs it. Strict: the content as it is. Loose: IFEval's eight variants of it, any of which will do.

    Takes as long as its regular expressions do; `decide` leaves those that may take long to a worker process.

    ValueError for a reference that cannot be used: an unknown instruction, an argument that is missing or out of range.
    """
    return follow_all(content, read_reference(reference), loose)


def follow_all(content: str, instructions: list[Asked], loose: bool) -> list[Part]:
    """A verdict on each of the instructions that `read_reference` gave."""
    return [Part(a.name, _verdict((a.check_loose if loose else a.check)(content))) for a in instructions]


def check(content: str, instruction_id: str, kwargs: Mapping[str, Any], prompt: str = "") -> Checked:
    """Whether a text follows one instruction, strictly.

    >>> check("one, two", "punctuation:no_comma", {})
    Checked(followed=False, reason='1 commas, asked for none')
    """
    return _asked(instruction_id, kwargs, prompt).check(content)


def check_loose(content: str, instruction_id: str, kwargs: Mapping[str, Any], prompt: str = "") -> Checked:
    """Whether any of IFEval's eight variants of a text follows one instruction."""
    return _asked(instruction_id, kwargs, prompt).check_loose(content)


def read_reference(reference: Any, prompt: str = "") -> list[Asked]:
    """The instructions of a reference; `prompt` is the task's, for a reference that has none. ValueError as in `follow`."""
    if not isinstance(reference, Mapping):
        raise ValueError(
            "the instructions verifier needs as reference an object with 'instruction_id_list' and 'kwargs', "
            f"not {type(reference).__name__}"
        )
    for name in reference:
        if name not in FIELDS:
            raise ValueError(f"reference of instructions: {unknown_name('field', str(name), FIELDS)}")
    names, kwargs = reference.get("instruction_id_list"), reference.get("kwargs")
    if not isinstance(names, list | tuple) or not names:
        raise ValueError(f"'instruction_id_list' must be a list of one instruction or more, not {names!r}")
    if not isinstance(kwargs, list | tuple) or len(kwargs) != len(names):
        has = f"{len(kwargs)} entries" if isinstance(kwargs, list | tuple) else repr(kwargs)
        raise ValueError(
            f"'kwargs' must be a list with an object for each of the {len(names)} instructions "
            f"({{}} for one without arguments); it has {has}"
        )
    prompt = reference.get("prompt") or prompt
    if not isinstance(prompt, str):
        raise ValueError(f"'prompt' must be text, not {type(prompt).__name__}")
    return [_asked(name, values, prompt) for name, values in zip(names, kwargs, strict=True)]


def _asked(name: Any, kwargs: Any, prompt: str) -> Asked:
    instruction = INSTRUCTIONS.get(name) if isinstance(name, str) else None
    if instruction is None:
        raise ValueError(unknown_name("instruction", str(name), INSTRUCTIONS))
    arguments = read_arguments(name, instruction.arguments, {} if kwargs is None else kwargs)
    if instruction.takes_prompt:
        arguments["prompt"] = prompt
    try:
        instruction.fit(**arguments)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return Asked(name, instruction, arguments)


def _without(content: str, taken: tuple[str, ...]) -> str:
    # Lines end at "\n" alone, and what is left of them is stripped; the content without asterisks only is not.
    if FIRST in taken or LAST in taken:
        lines = content.split("\n")
        content = "\n".join(lines[FIRST in taken : len(lines) - (LAST in taken)]).strip()
    return content.replace("*", "") if STARS in taken else content


def _verdict(checked: Checked) -> Verdict:
    return Verdict("correct" if checked.followed else "wrong", float(checked.followed), checked.reason)
