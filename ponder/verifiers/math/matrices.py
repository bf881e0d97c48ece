"""Sums, products and powers of matrices that are written out, worked out to one matrix."""

from ponder.verifiers.math.budget import spend
from ponder.verifiers.math.tree import Node, OverBudget, Unreadable, contains

Rows = tuple[tuple[Node, ...], ...]

MAX_POWER = 8
MAX_TERMS = 2_000  # products of two entries, in one expression


def worked_out(node: Node) -> Node:
    """The matrix that an expression of matrices is; another node as it is.

    Unreadable where shapes do not fit, OverBudget where it would take too much work.
    """
    if node.op not in ("add", "mul", "div", "pow") or not contains(node, "matrix"):
        return node
    spend(1)
    if node.op == "pow":
        return _power(*node.args)
    parts = [worked_out(part) for part in node.args]
    matrices = [part.args for part in parts if part.op == "matrix"]
    others = [part for part in parts if part.op != "matrix"]
    if node.op == "add":
        if others or len({(len(rows), len(rows[0])) for rows in matrices}) > 1:
            raise Unreadable("a sum of matrices of different shapes")
        return Node("matrix", _added(matrices))
    if node.op == "div":
        if parts[0].op != "matrix" or parts[1].op == "matrix":
            raise Unreadable("a division by a matrix")
        return Node("matrix", tuple(tuple(Node("div", (cell, parts[1])) for cell in row) for row in parts[0].args))
    product = matrices[0]
    for rows in matrices[1:]:
        product = _product(product, rows)
    if others:
        product = tuple(tuple(Node("mul", (*others, cell)) for cell in row) for row in product)
    return Node("matrix", product)


def _added(matrices: list[Rows]) -> Rows:
    rows = []
    for same_rows in zip(*matrices, strict=True):
        rows.append(tuple(Node("add", cells) for cells in zip(*same_rows, strict=True)))
    return tuple(rows)


def _product(left: Rows, right: Rows) -> Rows:
    if len(left[0]) != len(right):
        raise Unreadable("a product of matrices whose shapes do not fit")
    columns = list(zip(*right, strict=True))
    if len(left) * len(columns) * len(right) > MAX_TERMS:
        raise OverBudget(f"a product of matrices of more than {MAX_TERMS:,} terms")
    spend(len(left) * len(columns) * len(right))
    return tuple(
        tuple(Node("add", tuple(Node("mul", pair) for pair in zip(row, column, strict=True))) for column in columns)
        for row in left
    )


def _power(base: Node, exponent: Node) -> Node:
    """A whole power of a square matrix, or its transpose."""
    matrix = worked_out(base)
    if matrix.op != "matrix":
        raise Unreadable("a matrix in an exponent")
    rows = matrix.args
    if exponent in (Node("sym", ("T",)), Node("sym", ("top",))):
        return Node("matrix", tuple(zip(*rows, strict=True)))
    power = exponent.args[0] if exponent.op == "num" else 0
    if power not in range(1, MAX_POWER + 1):
        raise Unreadable(f"a power of a matrix that is not between 1 and {MAX_POWER}")
    product = rows
    for _ in range(int(power) - 1):
        product = _product(product, rows)
    return Node("matrix", product)
