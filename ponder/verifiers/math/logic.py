"""Statements of logic: p and q, p or q, as their signs join them. Relations joined so are conditions on numbers instead."""

from ponder.verifiers.math.tree import Node


def statement(items: list[Node], signs: list[str]) -> Node:
    """The statement that items make with the signs "land" and "lor" between them; "land" binds stronger."""
    parts: list[list[Node]] = [[items[0]]]
    for sign, item in zip(signs, items[1:], strict=True):
        if sign == "lor":
            parts.append([item])
        else:
            parts[-1].append(item)
    joined = tuple(part[0] if len(part) == 1 else Node("logic", ("land", *part)) for part in parts)
    return joined[0] if len(joined) == 1 else Node("logic", ("lor", *joined))
