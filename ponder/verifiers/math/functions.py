"""From tokens to the tree: functions with their arguments, sums and integrals, matrices and cases."""

from ponder.verifiers.math import arithmetic, parse
from ponder.verifiers.math.cases import as_cases, plain_conditions
from ponder.verifiers.math.cursor import Cursor
from ponder.verifiers.math.tokens import Token
from ponder.verifiers.math.tree import MINUS_ONE, Node, Unreadable, symbols

INVERSES = {name: f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")}
LISTS = ("gcd", "lcm", "max", "min", "log", "root", "binom")
MATRICES = ("matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "Vmatrix", "array", "smallmatrix")
IMAGINARY = Node("const", ("i",))  # in sum_{i=1} it counts
MAX_CELLS = 400
MAX_DETERMINANT = 4  # rows


def parse_function(cursor: Cursor) -> Node:
    """A known function, its power or base, and its argument in brackets or as a product without them."""
    name = cursor.next()[1]
    base = exponent = None
    while True:
        if cursor.take("_"):
            if name not in ("log", "max", "min", "det"):
                raise Unreadable(f"a subscript on {name}")
            base = arithmetic.parse_argument(cursor)
        elif cursor.take("^"):
            sign = cursor.take("-")
            exponent = arithmetic.parse_argument(cursor, digits=True)
            exponent = arithmetic.negated(exponent) if sign else exponent
        else:
            break
    if exponent == MINUS_ONE and name in INVERSES:
        name, exponent = INVERSES[name], None
    with cursor.nested(cursor.bar_closes):
        arguments = _arguments(cursor, name)
    if base is not None and name == "log":
        arguments = (arguments[0], base)
    elif base is not None:
        arguments = (*arguments, base)
    if name == "cis" and len(arguments) == 1:
        turned = Node("mul", (Node("const", ("i",)), Node("call", ("sin", arguments[0]))))
        node = Node("add", (Node("call", ("cos", arguments[0])), turned))
    elif name == "det" and len(arguments) == 1:
        node = determinant(arguments[0])
    elif name == "exp" and len(arguments) == 1:
        node = Node("pow", (Node("const", ("e",)), arguments[0]))
    else:
        node = Node("call", (name, *arguments))
    return node if exponent is None else Node("pow", (node, exponent))


def _arguments(cursor: Cursor, name: str) -> tuple[Node, ...]:
    if cursor.sees("(", "["):
        inner = parse.parse_bracket(cursor)
        if inner.op == "seq" and len(inner.args) > 2:
            if name not in LISTS:
                raise Unreadable(f"{name} takes one argument")
            return inner.args[2:]
        return (inner,)
    if cursor.sees("\\{"):
        cursor.next()
        with cursor.nested():
            inner = parse.parse_list(cursor)
        cursor.expect("\\}")
        if inner is None:
            raise Unreadable(f"{name} of nothing")
        return inner.args if inner.op == "list" and name in LISTS else (inner,)
    if cursor.sees("{"):
        inner = parse.parse_group(cursor)
        return inner.args if inner.op == "set" and name in LISTS else (inner,)
    sign = cursor.take("-")
    factors = []
    while not factors or (arithmetic.starts_factor(cursor) and cursor.peek()[0] != "fn" and not _is_call(factors[-1])):
        factors.append(arithmetic.parse_factor(cursor)[0])
    inner = factors[0] if len(factors) == 1 else Node("mul", tuple(factors))
    return (arithmetic.negated(inner) if sign else inner,)


def _is_call(node: Node) -> bool:
    return node.op == "call" and node.args[0] not in ("abs", "fact")


def parse_big_operator(cursor: Cursor, name: str) -> Node:
    """A sum, product, integral or limit: its limits, then its body."""
    limits = {}
    while operator := cursor.take("_", "^"):
        if cursor.sees("{"):
            cursor.next()
            with cursor.nested():
                inner = parse.parse_list(cursor)
            cursor.expect("}")
            if inner is None:
                raise Unreadable("an empty limit")
            limits[operator] = inner
        else:
            limits[operator] = arithmetic.parse_argument(cursor)
    body = arithmetic.parse_sum(cursor) if name in ("int", "iint", "oint") else arithmetic.parse_product(cursor)
    if name in ("sum", "prod") and (variable := _counted(limits.get("_"))):
        depth = sum(symbol.startswith("counted ") for symbol in symbols(body))
        counted = Node("sym", (f"counted {depth}",))  # its name says nothing
        body, limits["_"] = (parse.substituted(tree, variable, counted) for tree in (body, limits["_"]))
    return Node("big", (name, body, *(limits[operator] for operator in ("_", "^") if operator in limits)))


def derivative(over: Node, under: Node) -> Node | None:
    """dy/dx as a symbol of its own, in which no d is cancelled; None for a fraction."""
    if under.op != "mul" or not _is_differential(under.args[0]):
        return None
    if _is_differential(over):
        raise Unreadable("the derivative of what follows")
    if over.op != "mul" or not _is_differential(over.args[0]):
        return None
    return Node("sym", (f"derivative {over} {under}",))


def _is_differential(node: Node) -> bool:
    base = node.args[0] if node.op == "pow" else node
    return base in (Node("sym", ("d",)), Node("sym", ("partial",)))


def _counted(limit: Node | None) -> Node | None:
    """The symbol k of a lower limit k = 1."""
    if limit is None or limit.op != "rel" or limit.args[0] != ("=",):
        return None
    return limit.args[1] if limit.args[1].op == "sym" or limit.args[1] == IMAGINARY else None


def parse_matrix(cursor: Cursor) -> Node:
    """What stands between \\begin and \\end: a matrix, or the rows of cases."""
    kind = cursor.next()[1]
    if kind not in (*MATRICES, "cases", "aligned", "align", "gathered"):
        raise Unreadable(f"the environment {kind} is not known here")
    if kind in ("cases", "array"):
        end = next((k for k in range(cursor.at, len(cursor.tokens)) if cursor.tokens[k] == ("end_env", kind)), None)
        if end is not None and (kind == "cases" or _has_conditions(cursor.tokens[cursor.at : end])):
            cursor.tokens[cursor.at : end] = plain_conditions(cursor.tokens, cursor.at, end)
    rows: list[tuple[Node, ...]] = []
    row: list[Node] = []
    cells = 0
    with cursor.nested():
        while True:
            cell = parse.parse_list(cursor)
            if cell is not None:
                row.append(cell)
                cells += 1
            if cells > MAX_CELLS:
                raise Unreadable(f"a matrix of more than {MAX_CELLS} entries")
            if cursor.take("&"):
                continue
            if row:
                rows.append(tuple(row))
            row = []
            if cursor.take("\\\\"):
                continue
            break
    if cursor.next() != ("end_env", kind) or not rows:
        raise Unreadable(f"the environment {kind} does not end")
    if kind in ("cases", "array") and (defined := as_cases(rows)):
        return defined
    if kind not in MATRICES:
        if all(len(row) == 1 for row in rows):
            return Node("list", tuple(row[0] for row in rows)) if len(rows) > 1 else rows[0][0]
        return Node("cases", tuple(rows))
    if len({len(row) for row in rows}) > 1:
        raise Unreadable("a matrix whose rows differ in length")
    if kind == "array" and all(len(row) == 1 and row[0].op == "rel" for row in rows):
        return Node("list", tuple(row[0] for row in rows))  # a system of equations
    matrix = Node("matrix", tuple(rows))
    return determinant(matrix) if kind == "vmatrix" else matrix


def _has_conditions(tokens: list[Token]) -> bool:
    return any(
        kind == "text" and value.split()[0] in ("if", "for", "when", "otherwise", "else") for kind, value in tokens
    )


def determinant(matrix: Node) -> Node:
    """The determinant of a small square matrix, written out; of another one a call that is not evaluated."""
    rows = matrix.args
    if matrix.op != "matrix" or len(rows) > MAX_DETERMINANT or len(rows) != len(rows[0]):
        return Node("call", ("det", matrix))
    return _written_out(rows)


def _written_out(rows: tuple[tuple[Node, ...], ...]) -> Node:
    if len(rows) == 1:
        return rows[0][0]
    terms = []
    for column, cell in enumerate(rows[0]):
        minor = _written_out(tuple(row[:column] + row[column + 1 :] for row in rows[1:]))
        term = Node("mul", (cell, minor))
        terms.append(arithmetic.negated(term) if column % 2 else term)
    return Node("add", tuple(terms))
