"""Whether an answer's tree equals a reference's: by kind of answer; every rule of what counts as equal is here."""

from fractions import Fraction

from ponder.verifiers.math import numeric, real_sets
from ponder.verifiers.math.cases import same_cases
from ponder.verifiers.math.congruences import is_congruence, same_congruence
from ponder.verifiers.math.general import same_general
from ponder.verifiers.math.lists import by_name, distinct, nameless, same_items
from ponder.verifiers.math.matrices import worked_out
from ponder.verifiers.math.modular import Undefined
from ponder.verifiers.math.plus_minus import variants
from ponder.verifiers.math.real_sets import NoSet
from ponder.verifiers.math.relations import (
    is_equation,
    rightmost_value,
    same_relation,
    value_of_name,
    value_of_quantity,
)
from ponder.verifiers.math.tree import Node, OverBudget, contains, is_undefined
from ponder.verifiers.math.units import contradict
from ponder.verifiers.math.values import both_infinite, same_value
from ponder.verifiers.math.vectors import in_unit_vectors

COLLECTIONS = ("list", "set", "alt")
MAX_ITEMS = 100
ZERO = Node("num", (Fraction(0), None))


def same(reference: Node, answer: Node) -> bool:
    """Whether the answer is right. OverBudget where that takes too much work.

    A yes is certain but for a chance of 1e-30; in doubt it is no.
    """
    try:
        return _same(reference, answer)
    except OverBudget:
        raise
    except (ValueError, ArithmeticError):  # undefined, not real, a set that is not understood
        return False


def _same(reference: Node, answer: Node) -> bool:
    if reference == answer:
        return not is_undefined(reference)
    reference, answer = worked_out(_expanded(reference)), worked_out(_expanded(answer))
    if reference.op == "unit" and is_equation(answer):
        value = rightmost_value(answer)
        return value is not None and _same(reference, value)
    if (is_congruence(reference) or is_congruence(answer)) and (
        verdict := same_congruence(reference, answer)
    ) is not None:
        return verdict
    if "unit" in (reference.op, answer.op):
        return _same_units(reference, answer)
    if "text" in (reference.op, answer.op):
        return reference == answer
    if reference.op == "alt" and one_value(reference):
        reference = reference.args[0]
    if answer.op == "alt" and not _is_multiple(reference):
        return one_value(answer) and all(_same(reference, form) for form in answer.args)
    if "logic" in (reference.op, answer.op):
        return (
            reference.op == answer.op
            and reference.args[0] == answer.args[0]
            and same_items(list(reference.args[1:]), list(answer.args[1:]), same)
        )
    if "rel" in (reference.op, answer.op) and (verdict := _same_with_relation(reference, answer)) is not None:
        return verdict
    if real_sets.is_set_like(reference) or real_sets.is_set_like(answer):
        return _same_set(reference, answer)
    if reference.op in COLLECTIONS or answer.op in COLLECTIONS:
        return _same_collection(reference, answer)
    for sequence, other in ((reference, answer), (answer, reference)):
        if sequence.op in ("seq", "matrix") and (vector := in_unit_vectors(other)) is not None:
            other = Node("seq", ("(", ")", *vector[: len(_cells(sequence) or vector)]))
            return all(same(part, ZERO) for part in vector[len(other.args) - 2 :]) and _same_sequence(sequence, other)
    if "seq" in (reference.op, answer.op) or "matrix" in (reference.op, answer.op):
        return _same_sequence(reference, answer)
    if "ratio" in (reference.op, answer.op):
        return _same_ratio(reference, answer)
    if "cases" in (reference.op, answer.op):
        return same_cases(reference, answer, same)
    if "based" in (reference.op, answer.op):
        return reference == answer or (reference.op != answer.op and _same_digits(reference, answer))
    return same_general(reference, answer) or same_value(reference, answer)


def _same_digits(reference: Node, answer: Node) -> bool:
    """Whether one side has no base, and the same digits: the reference's base may be left out, the base 10 is none."""
    if answer.op == "based":
        return answer.args[1] == 10 and _same_digits(answer, reference)
    return answer.op == "num" and answer.args == (Fraction(reference.args[0] or 0), None)


def one_value(node: Node) -> bool:
    """Whether alternatives are one value in several forms: 3/4 or 0.75."""
    first, *others = node.args
    return node.op == "alt" and first.op not in ("rel", "text") and all(same(first, other) for other in others)


def _expanded(node: Node) -> Node:
    """Plus-minus as a list of both values; the items of a list with such an item all in one list."""
    if not contains(node, "pm"):
        return node
    if node.op in COLLECTIONS:
        items = tuple(variant for item in node.args for variant in variants(item))
        return Node(node.op, items)
    return Node("list", variants(node))


def _is_multiple(reference: Node) -> bool:
    return reference.op in (*COLLECTIONS, "union", "both", "builder", "cases") or real_sets.is_set_like(reference)


def _same_units(reference: Node, answer: Node) -> bool:
    (x, unit), (y, other) = (node.args if node.op == "unit" else (node, "") for node in (reference, answer))
    percents = [node.op == "percent" or name == "percent" for node, name in ((x, unit), (y, other))]
    if contradict(unit, other) or (
        any(percents) and not all(p or not u for p, u in zip(percents, (unit, other), strict=True))
    ):
        return False
    if other == "percent" or unit == "percent":
        x, y = (Node("percent", (v,)) if u == "percent" else v for v, u in ((x, unit), (y, other)))
    if unit == "degrees" or other == "degrees":
        x, y = (Node("degree", (v,)) if u == "degrees" else v for v, u in ((x, unit), (y, other)))
    if reference.op != "unit" and x.op in (*COLLECTIONS, "seq", "rel"):
        return False
    return _same(x, y)


def _same_with_relation(reference: Node, answer: Node) -> bool | None:
    """Where one or both are relations; None where the sets that they describe decide."""
    if reference.op == "rel" and answer.op == "rel":
        return same_relation(reference, answer, _same)
    if answer.op == "rel":
        if is_equation(answer):
            value = rightmost_value(answer)
            return value is not None and _same(_named_list(reference, answer), value)
        return _same(reference, answer.args[2]) if _is_finite_membership(answer) else None
    if is_equation(reference):
        value = value_of_name(reference) or value_of_quantity(reference)
        if value is None:
            return False
        if reference.args[1].op == "seq" and answer.op == "list":
            answer = Node("seq", ("(", ")", *answer.args))
        return _same(value, answer)
    return _same(reference.args[2], answer) if _is_finite_membership(reference) else None


def _is_finite_membership(node: Node) -> bool:
    """Whether a node is x in {1, 2}."""
    return node.op == "rel" and node.args[0] == ("in",) and node.args[2].op == "set"


def _named_list(reference: Node, answer: Node) -> Node:
    """A bare list as a tuple, where the answer names its elements: (x, y) = (1, 2)."""
    if reference.op == "list" and answer.args[1].op == "seq" and len(answer.args[1].args) == len(reference.args) + 2:
        return Node("seq", ("(", ")", *reference.args))
    return reference


def _same_set(reference: Node, answer: Node) -> bool:
    try:
        return real_sets.equal(reference, answer)
    except (NoSet, numeric.NotReal, Undefined):
        pass
    if reference.op in COLLECTIONS and answer.op in COLLECTIONS:
        return _same_collection(reference, answer)
    if reference.op != answer.op or len(reference.args) != len(answer.args):
        return False
    if reference.op == "seq":
        return _same_sequence(reference, answer)
    parts = zip(reference.args, answer.args, strict=True)
    return all(_same(x, y) if isinstance(x, Node) and isinstance(y, Node) else x == y for x, y in parts)


def _items(node: Node) -> list[Node]:
    if node.op in COLLECTIONS:
        return list(node.args)
    return [node]


def _same_collection(reference: Node, answer: Node) -> bool:
    """Lists and sets, in any order; a tuple where the reference is a list of as many numbers, in order."""
    if contains(reference, "dots") or contains(answer, "dots"):
        ordered = reference.op in COLLECTIONS and answer.op in COLLECTIONS and len(reference.args) == len(answer.args)
        return ordered and all(_same(x, y) for x, y in zip(reference.args, answer.args, strict=True))
    for sequence, other in ((reference, answer), (answer, reference)):
        if sequence.op == "seq" and other.op == "list":
            items = [nameless(item) for item in by_name(other.args)]
            long = len(items) >= 3 or items != list(other.args)
            return long and _same(sequence, Node("seq", ("(", ")", *items)))
    wanted, given = _items(reference), _items(answer)
    if all(item.op == "num" for item in (*wanted, *given)):
        values = [sorted(item.args[0] for item in items) for items in (wanted, given)]
        if values[0] == values[1]:
            return True
    if max(len(wanted), len(given)) > MAX_ITEMS:
        return False
    if "set" in (reference.op, answer.op) or len(wanted) != len(given):  # a repeated item makes no other list
        wanted, given = distinct(wanted, same), distinct(given, same)
    return same_items(wanted, given, same)


def _cells(node: Node) -> list[Node] | None:
    """Elements of a tuple, or of a matrix of one row or column."""
    if node.op == "seq":
        return list(node.args[2:])
    if node.op == "matrix" and (len(node.args) == 1 or all(len(row) == 1 for row in node.args)):
        return [cell for row in node.args for cell in row]
    return None


def _as_matrix(node: Node) -> Node:
    """A list of rows, [[1, 2], [3, 4]], as the matrix that it is; anything else as it is."""
    rows = node.args[2:] if node.op == "seq" else ()
    if not rows or any(row.op != "seq" for row in rows):
        return node
    return Node("matrix", tuple(row.args[2:] for row in rows))


def _same_sequence(reference: Node, answer: Node) -> bool:
    """Tuples, intervals and matrices: in order. Brackets count where two elements may be an interval."""
    if reference.op == answer.op == "matrix":
        shapes = [[len(row) for row in node.args] for node in (reference, answer)]
        if shapes[0] != shapes[1]:
            return False
        pairs = [pair for rows in zip(reference.args, answer.args, strict=True) for pair in zip(*rows, strict=True)]
        return all(same(x, y) for x, y in pairs)
    if "matrix" in (reference.op, answer.op):
        rows = _as_matrix(reference), _as_matrix(answer)
        if rows != (reference, answer):
            return _same(*rows)
    wanted, given = _cells(reference), _cells(answer)
    if wanted is None or given is None:
        single = wanted or given
        return (
            single is not None
            and len(single) == 1
            and _same(*(single if wanted else [reference]), *([answer] if wanted else single))
        )
    if len(wanted) != len(given):
        return False
    if reference.op == answer.op == "seq" and reference.args[:2] != answer.args[:2] and len(wanted) == 2:
        return False
    return all(same(x, y) or both_infinite(x, y) for x, y in zip(wanted, given, strict=True))


def _same_ratio(reference: Node, answer: Node) -> bool:
    """a : b as a fraction; longer ratios by proportion."""
    if reference.op == answer.op == "ratio":
        if len(reference.args) != len(answer.args):
            return False
        pairs = list(zip(reference.args, answer.args, strict=True))
        if all(same(x, y) for x, y in pairs):
            return True
        if any(same(part, ZERO) for pair in pairs for part in pair):
            return False
        first = pairs[0]
        return all(same(Node("mul", (x, first[1])), Node("mul", (y, first[0]))) for x, y in pairs[1:])
    fractions = [
        Node("div", node.args) if node.op == "ratio" and len(node.args) == 2 else node for node in (reference, answer)
    ]
    return "ratio" not in (fractions[0].op, fractions[1].op) and _same(*fractions)
