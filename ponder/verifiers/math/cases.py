"""Piecewise definitions: their conditions in words, and what makes two of them the same."""

from collections.abc import Callable, Iterator

from ponder.verifiers.math.tokens import Token
from ponder.verifiers.math.tree import Node

Same = Callable[[Node, Node], bool]
OTHERWISE = Node("text", ("otherwise",))
ELSE = ("otherwise", "else", "elsewhere", "in all other cases", "in other cases", "for all other")
LEADS = (
    "if",
    "for",
    "when",
    "where",
    "whenever",
    "provided",
    "that",
    "is",
    "are",
    "as",
    "a",
    "an",
    "all",
    "every",
    "each",
    "and then",
)
MAX_ROWS = 20


def plain_conditions(tokens: list[Token], start: int, end: int) -> list[Token]:
    """The tokens of a definition by cases without the words that only lead to a condition: "if", "for all", "is"."""
    kept: list[Token] = []
    for kind, value in tokens[start:end]:
        kept.extend(_condition(value) if kind == "text" else [(kind, value)])
    return kept


def _condition(words: str) -> Iterator[Token]:
    if words.strip(" .,") in ELSE or words.split()[0] in ("otherwise", "else"):
        yield ("text", "otherwise")
        return
    rest = [word for word in words.split() if word not in LEADS]
    if len(rest) > 1 and len(rest[0]) == 1:  # "n even"
        yield ("sym", rest[0])
        rest = rest[1:]
    if rest:
        yield ("text", " ".join(rest))


def as_cases(rows: list[tuple[Node, ...]]) -> Node | None:
    """The definition that rows of a value and a condition make; None where they are something else."""
    pairs = [row[0].args if len(row) == 1 and row[0].op == "list" else row for row in rows]
    if len(pairs) < 2 or any(len(pair) != 2 or not _is_condition(pair[1]) or pair[0].op == "rel" for pair in pairs):
        return None
    return Node("cases", tuple(pairs))


def _is_condition(node: Node) -> bool:
    return node.op in ("rel", "text", "both", "alt") or (node.op == "unit" and node.args[0].op == "sym")


def same_cases(reference: Node, answer: Node, same: Same) -> bool:
    """Whether two definitions have the same rows, in any order; "otherwise" is the condition that is left."""
    if reference.op != "cases" or answer.op != "cases" or len(reference.args) != len(answer.args):
        return False
    if len(reference.args) > MAX_ROWS:
        return False
    wanted, given = list(reference.args), list(answer.args)
    for row in reference.args:
        found = next((other for other in given if _same_row(row, other, same)), None)
        if found is not None:
            wanted.remove(row)
            given.remove(found)
    if not wanted:
        return True
    if len(wanted) > 1 or (wanted[0][-1] == OTHERWISE) == (given[0][-1] == OTHERWISE):
        return False
    return _same_row(wanted[0][:-1], given[0][:-1], same)


def _same_row(row: tuple[Node, ...], other: tuple[Node, ...], same: Same) -> bool:
    return len(row) == len(other) and all(same(x, y) for x, y in zip(row, other, strict=True))
