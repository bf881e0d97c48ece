"""Plus-minus signs: which values an expression with them stands for."""

from collections.abc import Iterator

from ponder.verifiers.math.tree import MINUS_ONE, Node, Unreadable, contains, mapped


def variants(tree: Node) -> tuple[Node, ...]:
    """What a tree with plus-minus signs stands for. Signs are independent, but linked where a minus-plus stands too."""
    if not contains(tree, "pm"):
        return (tree,)
    signs = _signs(tree)
    if len(signs) > 4:
        raise Unreadable("more than four plus-minus signs")
    if "-+" in signs:
        choices = [[1] * len(signs), [-1] * len(signs)]
    else:
        choices = [[-1 if bits >> k & 1 else 1 for k in range(len(signs))] for bits in range(2 ** len(signs))]
    return tuple(_signed(tree, iter(choice)) for choice in choices)


def _signs(tree: Node) -> list[str]:
    found = [tree.args[1]] if tree.op == "pm" else []
    for argument in tree.args:
        if isinstance(argument, Node):
            found += _signs(argument)
        elif isinstance(argument, tuple):
            for cell in argument:
                found += _signs(cell) if isinstance(cell, Node) else []
    return found


def _signed(tree: Node, choice: Iterator[int]) -> Node:
    if tree.op != "pm":
        return mapped(tree, lambda child: _signed(child, choice))
    sign = next(choice) * (1 if tree.args[1] == "+-" else -1)
    inner = _signed(tree.args[0], choice)
    return inner if sign > 0 else Node("mul", (MINUS_ONE, inner))
