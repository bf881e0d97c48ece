"""Vectors as sums of multiples of the unit vectors i, j and k."""

from ponder.verifiers.math.tree import Node, num, substituted, symbols, walk


def _names(letter: str, *plain: Node) -> tuple[Node, ...]:
    """The ways to write a unit vector: j, \\hat{j}, \\vec{\\jmath}."""
    letters = (letter, f"{letter}math")
    return (*plain, *(Node("sym", (f"{accent}({name})",)) for accent in ("hat", "vec", "bar") for name in letters))


UNITS = (
    _names("i", Node("const", ("i",))),
    _names("j", Node("sym", ("j",))),
    _names("k", Node("sym", ("k",))),
)


def in_unit_vectors(node: Node) -> tuple[Node, Node, Node] | None:
    """The three coordinates; None for anything that is no such sum with numbers before i, j, k."""
    if node.op not in ("add", "mul", "sym") or not any(inner in units for units in UNITS[1:] for inner in walk(node)):
        return None
    for number, units in enumerate(UNITS):
        for unit in units:
            node = substituted(node, unit, Node("sym", (f"unit {number}",)))
    if symbols(node) - {"unit 0", "unit 1", "unit 2"}:
        return None
    parts = []
    for term in node.args if node.op == "add" else (node,):
        names = symbols(term)
        factors = _factors(term)
        if len(names) != 1 or sum(factor.op == "sym" for factor in factors) != 1:
            return None
        others = tuple(factor for factor in factors if factor.op != "sym")
        if any(symbols(factor) for factor in others):
            return None
        parts.append((next(iter(names)), Node("mul", others) if len(others) > 1 else others[0] if others else num(1)))
    coordinates = []
    for number in range(3):
        terms = tuple(value for name, value in parts if name == f"unit {number}")
        coordinates.append(Node("add", terms) if len(terms) > 1 else terms[0] if terms else num(0))
    return coordinates[0], coordinates[1], coordinates[2]


def _factors(term: Node) -> tuple[Node, ...]:
    return tuple(part for factor in term.args for part in _factors(factor)) if term.op == "mul" else (term,)
