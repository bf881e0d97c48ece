"""From text to a tree: lists, relations, sets, brackets. Arithmetic is in ponder.verifiers.math.arithmetic.

Precedence, from the loosest: lists (, ; and or), relations, ratios (:), unions and intersections, sums, products,
powers. The parser is recursive, never goes back over more than one operand, and has a budget of tokens and depth.
"""

from functools import lru_cache

from ponder.verifiers.math import arithmetic, symbols
from ponder.verifiers.math.commands import INEQUALITIES, RELATIONS
from ponder.verifiers.math.cursor import Cursor
from ponder.verifiers.math.logic import statement
from ponder.verifiers.math.remarks import REMARKS, begins_remark, leading_words, skip_remark
from ponder.verifiers.math.spelling import spelled
from ponder.verifiers.math.thousands import Thousands, without_grouping
from ponder.verifiers.math.tokens import tokens_of
from ponder.verifiers.math.tree import MINUS_ONE, Node, Unreadable, contains, substituted

SETS = ("cup", "cap", "\\")
OPENERS = {"(": (")", "]"), "[": ("]", ")"), "\\{": ("\\}",)}
NUMBER_SETS = ("Z", "N", "R", "Q", "C")


@lru_cache(maxsize=8192)
def parse(text: str, thousands: Thousands = "outside") -> Node:
    """The tree of an answer as it was written. Unreadable or OverBudget where there is none.

    `thousands` says which of the commas in "10,000" group digits (ponder.verifiers.math.thousands).
    """
    text = spelled(text)
    cursor = Cursor(tokens_of(without_grouping(text, thousands)))
    tree = parse_list(cursor)
    if tree is not None and cursor.take("over"):
        tree = _over(cursor, tree)
    if cursor.peek()[0] != "end":
        raise Unreadable(f"{cursor.peek()[1]!r} stands where nothing was expected")
    if tree is None:
        raise Unreadable("there is nothing to read")
    return _without_domains(tree)


def parse_list(cursor: Cursor) -> Node | None:
    """Items joined by , ; "and" "or", up to what closes them. None if there is no item."""
    groups: list[list[Node]] = [[]]
    joints: set[str] = set()
    signs: list[str] = []  # of logic, between the items
    while True:
        joint = cursor.take(",", ";", "and", "or", "land", "lor")
        if joint:
            if joint in ("land", "lor"):
                signs.append(joint)
                joint = "and" if joint == "land" else "or"
            if joint in (",", ";") and _follows_separator(cursor):
                raise Unreadable("an empty item in a list")
            joints.add(joint)
            if joint == ";" and groups[-1]:
                groups.append([])
            elif joint == "," and groups[-1] and begins_remark(cursor):
                joints.discard(",")
                skip_remark(cursor)
            continue
        if cursor.closes():
            break
        groups[-1].append(parse_relation(cursor))
        if not cursor.sees(",", ";", "and", "or", "land", "lor") and not cursor.closes():
            skip_remark(cursor)
    groups = [group for group in groups if group]
    if not groups:
        return None
    if len(groups) > 1:
        items = [group[0] if len(group) == 1 else Node("seq", ("(", ")", *group)) for group in groups]
    else:
        items = groups[0]
    if len(signs) == len(items) - 1 > 0 and not all(item.op == "rel" for item in items):
        return statement(items, signs)
    if _excludes(items[0]) and items[0].args[1].op == "sym" and not any(map(_has_names, items[1:])):
        others = (Node("rel", (("!=",), items[0].args[1], item)) for item in items[1:])
        return Node("both", (items[0], *others)) if len(items) > 1 else items[0]  # x != 2, 3
    if "or" in joints:
        return Node("alt", tuple(items)) if len(items) > 1 else Node("alt", (items[0], Node("text", ("or",))))
    if len(items) == 1:
        return items[0]
    if joints == {"and"} and all(is_inequality(item) for item in items):
        return Node("both", tuple(items))
    if (
        all(_excludes(item) for item in items[1:])
        and items[0].op == "rel"
        and (items[0].args[0] == ("in",) or is_inequality(items[0]))
    ):
        return Node("both", tuple(items))  # x in (0, 9), x != 4
    return Node("list", tuple(items))


def _follows_separator(cursor: Cursor) -> bool:
    return cursor.at >= 2 and cursor.tokens[cursor.at - 2] in (("op", ","), ("op", ";"))


def _excludes(node: Node) -> bool:
    return node.op == "rel" and node.args[0] == ("!=",)


def is_inequality(node: Node) -> bool:
    return node.op == "rel" and all(operator in INEQUALITIES for operator in node.args[0])


def parse_relation(cursor: Cursor) -> Node:
    """Operands joined by =, <, in and the like; a chain is one relation."""
    operands, operators = [_operand(cursor)], []
    while operator := cursor.take(*RELATIONS):
        operators.append(operator)
        operands.append(_operand(cursor))
    if not operators:
        return operands[0]
    if "~" in operators:
        first = operators.index("~")
        if first == 0 and not _has_names(operands[1]) and _has_names(operands[0]):
            return Node("rel", (("=",), *operands[:2]))  # only the approximation is stated
        operands, operators = operands[: first + 1], operators[:first]  # it repeats what came before
        return Node("rel", (tuple(operators), *operands)) if operators else operands[0]
    return Node("rel", (tuple(operators), *operands))


def _has_names(node: Node) -> bool:
    return contains(node, "sym", "apply")


def _operand(cursor: Cursor) -> Node:
    if cursor.peek()[0] == "text" and (words := leading_words(cursor)) is not None:
        return words
    if cursor.peek()[0] == "fn" and cursor.peek(1)[0] == "op" and cursor.peek(1)[1] in RELATIONS:
        return Node("sym", (cursor.next()[1],))  # max = 5
    if head := symbols.parse_head(cursor, RELATIONS):
        return head
    parts = [_set_expression(cursor)]
    while cursor.sees(":") and not cursor.bar_closes:
        cursor.next()
        parts.append(_set_expression(cursor))
    node = symbols.named_point(parts[0]) if len(parts) == 1 else Node("ratio", tuple(parts))
    if cursor.peek()[0] == "text" and cursor.peek()[1].split()[0] not in REMARKS:
        node = symbols.parse_unit(cursor, node)
        if node.op == "unit" and (cursor.peek()[0] == "num" or cursor.sees("and")):
            node = symbols.with_smaller_unit(cursor, node)
    return node


def _set_expression(cursor: Cursor) -> Node:
    node = _difference(arithmetic.parse_sum(cursor))
    while operator := cursor.take(*SETS):
        name = {"cup": "union", "cap": "inter", "\\": "minus"}[operator]
        other = arithmetic.parse_sum(cursor)
        parts = node.args if node.op == name != "minus" else (node,)
        node = Node(name, (*parts, other))
    return node


def _difference(node: Node) -> Node:
    """A minus between two sets as their difference."""
    if node.op != "add" or len(node.args) != 2 or node.args[0].op not in ("set", "builder", "seq", "union", "const"):
        return node
    first, second = node.args
    if second.op == "mul" and second.args[0] == MINUS_ONE and len(second.args) == 2 and second.args[1].op == "set":
        return Node("minus", (first, second.args[1]))
    return node


def parse_bracket(cursor: Cursor) -> Node:
    """( [ or \\{ and what it encloses: a group, a tuple, an interval, a set."""
    opening = cursor.expect(*OPENERS)
    if opening == "\\{":
        return _set(cursor)
    with cursor.nested():
        inner = parse_list(cursor)
        if inner is not None and cursor.take("over"):
            inner = _over(cursor, inner)
    closing = cursor.expect(*OPENERS[opening])
    if inner is None:
        if opening == "(":
            raise Unreadable("an empty bracket")
        return Node("seq", (opening, closing))
    if inner.op == "list":
        return Node("seq", (opening, closing, *inner.args))
    return inner


def _set(cursor: Cursor) -> Node:
    with cursor.nested(bar_closes=True):
        if cursor.take("\\}"):
            return Node("const", ("empty",))
        first = parse_list(cursor)
    if cursor.take("|", ":"):
        with cursor.nested():
            condition = parse_list(cursor)
        cursor.expect("\\}")
        if first is None or condition is None:
            raise Unreadable("a set without a condition")
        return Node("builder", (first, condition))
    cursor.expect("\\}")
    if first is None:
        raise Unreadable("an empty list in braces")
    return Node("set", first.args if first.op in ("list", "alt") else (first,))


def parse_group(cursor: Cursor) -> Node:
    """{ ... }: a group, or a set where commas stand in it."""
    cursor.expect("{")
    with cursor.nested():
        inner = parse_list(cursor)
        if inner is not None and cursor.take("choose"):
            lower = parse_list(cursor)
            if lower is None:
                raise Unreadable("a binomial without its lower part")
            inner = Node("call", ("binom", inner, lower))
        elif inner is not None and cursor.take("over"):
            inner = _over(cursor, inner)
    cursor.expect("}")
    if inner is None:
        raise Unreadable("an empty group")
    return Node("set", inner.args) if inner.op == "list" else inner


def _over(cursor: Cursor, upper: Node) -> Node:
    lower = parse_list(cursor)
    if lower is None:
        raise Unreadable("a fraction without its lower part")
    return Node("div", (upper, lower))


def _without_domains(tree: Node) -> Node:
    """The tree without remarks of the form "k in Z"; such a k has no name of its own, so that it may be called n."""
    if tree.op not in ("list", "alt") or not any(_is_domain(item) for item in tree.args):
        return tree
    integers = [item.args[1] for item in tree.args if _is_domain(item) and item.args[2].args[0] in ("Z", "N")]
    kept = tuple(item for item in tree.args if not _is_domain(item))
    if not kept:
        return tree
    rest = kept[0] if len(kept) == 1 else Node(tree.op, kept)
    for index, symbol in enumerate(integers):
        rest = substituted(rest, symbol, Node("sym", (f"integer {index}",)))
    return rest


def _is_domain(item: Node) -> bool:
    if item.op != "rel" or item.args[0] != ("in",) or item.args[1].op not in ("sym", "const"):
        return False
    return item.args[2].op == "const" and item.args[2].args[0] in NUMBER_SETS
