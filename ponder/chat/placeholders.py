"""Control tokens in what people wrote: text that must stay text.

A user who writes `<|im_end|>` or `</think>`, a web page in a tool's result, a file in a system prompt: turned into the
tokens of that name they would end turns and thoughts, and begin new ones in another's name. Templates only know text,
so before rendering every such spelling becomes one character that a template passes through, and afterwards, when the
tokens that the template itself wrote are known, it becomes its spelling again, encoded as the ordinary text that it is.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Unicode's last private plane. What people wrote may hold these characters too; they are replaced like the rest.
_FIRST, _LAST = 0x100000, 0x10FFFD
PRIVATE = f"{chr(_FIRST)}-{chr(_LAST)}"  # as a class of a regular expression has it


def spellings(tokens: Iterable[str]) -> re.Pattern[str]:
    """What matches the spelling of any of these tokens, the longest first; as one group, for `split`."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})" if longest_first else r"((?!))")


class Placeholders:
    """The spellings that one conversation hides from its template."""

    def __init__(self) -> None:
        self._hidden: dict[tuple[str, bool], str] = {}
        self._texts: dict[int, str] = {}  # by placeholder, as str.translate takes them
        self._tags: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def hide(self, value: Any, pattern: re.Pattern[str]) -> Any:
        """A copy of `value` in which all strings, in lists and objects too, hide what matches `pattern`."""
        if isinstance(value, str):
            private = re.sub(f"[{PRIVATE}]", lambda found: self._placeholder(found[0]), value)
            return pattern.sub(lambda found: self._placeholder(found[0]), private)
        if isinstance(value, Mapping):
            return {self.hide(key, pattern): self.hide(inside, pattern) for key, inside in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide(inside, pattern) for inside in value]
        return value

    def tag(self, token: str) -> str:
        """A character that becomes the token of this spelling, though the template does not see it."""
        return self._placeholder(token, control=True)

    def with_tags(self, text: str) -> str:
        """The text with those tokens in their places; what people wrote stays hidden."""
        return text.translate(self._tags)

    def restored(self, text: str) -> str:
        """The text as people wrote it."""
        return text.translate(self._texts)

    def _placeholder(self, text: str, control: bool = False) -> str:
        if (text, control) not in self._hidden:
            code = _FIRST + len(self._hidden)
            if code > _LAST:
                raise ValueError("the messages hold too many different characters of Unicode's private plane 16")
            self._hidden[text, control] = chr(code)
            (self._tags if control else self._texts)[code] = text
        return self._hidden[text, control]
