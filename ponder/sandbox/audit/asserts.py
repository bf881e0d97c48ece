"""Test code taken apart: each of its assertions with all the rest but the other assertions.

A program that is to fail a test is only known to fail its first assertion. Taken apart, each is judged on its own.
"""

import ast
import copy


def taken_apart(code: str) -> list[str]:
    """One text for each assertion (`assert`, `self.assertEqual(...)`); the code itself where it has no more than one.

    >>> taken_apart("x = f(1)\\nassert x == 1\\nassert x > 0\\n")
    ['x = f(1)\\nassert x == 1', 'x = f(1)\\nassert x > 0']
    """
    tree = ast.parse(code)
    count = sum(map(_is_assertion, ast.walk(tree)))
    if count < 2:
        return [code]
    return [ast.unparse(_Only(number).visit(copy.deepcopy(tree))) for number in range(count)]


def _is_assertion(node: ast.AST) -> bool:
    match node:
        case ast.Assert():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))):
            return name.startswith("assert")
    return False


class _Only(ast.NodeTransformer):
    """Keeps one assertion, by its place in the text."""

    def __init__(self, number: int):
        self._number, self._next = number, 0

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not _is_assertion(node):
            return super().generic_visit(node)
        self._next += 1
        return node if self._next - 1 == self._number else ast.copy_location(ast.Pass(), node)
