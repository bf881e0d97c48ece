"""Where the parser stands in the tokens, and how deep."""

from collections.abc import Iterator
from contextlib import contextmanager

from ponder.verifiers.math.tokens import END, Token
from ponder.verifiers.math.tree import OverBudget, Unreadable

CLOSERS = (")", "]", "}", "\\}", "|", "\\\\", "&", "choose", "over")
MAX_DEPTH = 25  # nested groups; each takes some twenty Python frames


class Cursor:
    """A position in a list of tokens."""

    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bar_closes = False  # whether a bar ends what is being read, rather than opens an absolute value

    def peek(self, ahead: int = 0) -> Token:
        position = self.at + ahead
        return self.tokens[position] if position < len(self.tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def take(self, *operators: str) -> str | None:
        """The operator that stands here, if it is one of these; then the cursor moves past it."""
        kind, value = self.peek()
        if kind == "op" and value in operators:
            self.at += 1
            return value
        return None

    def sees(self, *operators: str) -> bool:
        kind, value = self.peek()
        return kind == "op" and value in operators

    def closes(self) -> bool:
        """Whether what is being read ends here."""
        kind, value = self.peek()
        if kind == "op" and value in ("|", ":"):
            return self.bar_closes
        return kind in ("end", "end_env") or (kind == "op" and value in CLOSERS)

    def expect(self, *operators: str) -> str:
        value = self.take(*operators)
        if value is None:
            raise Unreadable(f"{operators[0]} was expected, not {self.peek()[1]!r}")
        return value

    @contextmanager
    def nested(self, bar_closes: bool = False) -> Iterator[None]:
        """One level deeper, inside a group."""
        outer = self.bar_closes
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise OverBudget(f"nested deeper than {MAX_DEPTH} levels")
        self.bar_closes = bar_closes
        yield
        self.depth -= 1
        self.bar_closes = outer

    def until(self, closers: tuple[str, ...]) -> int:
        """Index of the first of these operators at this level; the end of the tokens if there is none."""
        level, position = 0, self.at
        while position < len(self.tokens):
            kind, value = self.tokens[position]
            if kind == "end_env" and level == 0:
                return position
            if kind == "op":
                if level == 0 and value in closers:
                    return position
                level += value in ("(", "[", "{", "\\{")
                level -= value in (")", "]", "}", "\\}")
            position += 1
        return position
