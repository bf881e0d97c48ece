"""Congruences as sets of residues: x = 2, 3 (mod 5), x = +-2 (mod 5) and x = 5k + 2 with k an integer."""

from math import lcm
from typing import NamedTuple

from ponder.verifiers.math import modular
from ponder.verifiers.math.plus_minus import variants
from ponder.verifiers.math.tree import MINUS_ONE, Node, contains, num, substituted, symbols, walk

MAX_MODULUS = 10_000
MAX_RESIDUES = 200


class Congruence(NamedTuple):
    """`name` is what is congruent, None where that is not said; `values` are the residues as they were written."""

    name: Node | None
    modulus: int
    values: frozenset[int]


def is_congruence(node: Node) -> bool:
    return any(inner.op == "apply" and inner.args[0] == "mod" for inner in walk(node))


def same_congruence(reference: Node, answer: Node) -> bool | None:
    """Whether two answers are the same residues; None where one of them is none.

    A bare remainder for a congruence, and the other way round, must be written as it is there: 3 for 3 (mod 7), not 10.
    """
    wanted, given = _congruence(reference), _congruence(answer)
    if wanted and given:
        if wanted.name and given.name and wanted.name != given.name:
            return False
        modulus = lcm(wanted.modulus, given.modulus)
        return modulus <= MAX_MODULUS and _residues(wanted, modulus) == _residues(given, modulus)
    if any(node.op == "rel" and "===" in node.args[0] for node in (reference, answer)) and (wanted or given):
        return False  # congruent, but to what modulus
    congruence, bare = (wanted, answer) if wanted else (given, reference)
    value = None if congruence is None or bare.op in ("list", "alt", "set", "rel") else modular.integer(bare)
    if congruence is None or value is None:
        return None
    return congruence.values == {value} and 0 <= value < congruence.modulus


def _residues(congruence: Congruence, modulus: int) -> set[int]:
    steps = range(0, modulus, congruence.modulus)
    return {(value + step) % modulus for value in congruence.values for step in steps}


def _congruence(node: Node) -> Congruence | None:
    """The congruence that an answer states; None for anything else."""
    items = node.args if node.op in ("list", "alt", "set") else (node,)
    names: set[Node] = set()
    moduli: set[int] = set()
    values: list[Node] = []
    for item in items:
        if general := _general_form(item):
            names.add(item.args[1])
            moduli.add(general.modulus)
            values.extend(num(value) for value in general.values)
            continue
        if item.op == "rel":
            if item.args[0] not in (("===",), ("=",)) or len(item.args) != 3 or item.args[1].op not in ("sym", "pow"):
                return None
            names.add(item.args[1])
            item = item.args[2]
        value, modulus = _without_modulus(item)
        if modulus is not None:
            moduli.add(modulus)
        values.extend(variants(value) if contains(value, "pm") else (value,))
    integers = [modular.integer(value) for value in values]
    if len(moduli) != 1 or len(names) > 1 or len(integers) > MAX_RESIDUES or None in integers:
        return None
    return Congruence(
        next(iter(names), None), moduli.pop(), frozenset(value for value in integers if value is not None)
    )


def _without_modulus(value: Node) -> tuple[Node, int | None]:
    """A value without the "(mod m)" behind it, and m."""
    if value.op == "apply" and value.args[0] == "mod":
        modulus = modular.integer(value.args[2])
        return value.args[1], modulus if modulus is not None and 1 < modulus <= MAX_MODULUS else None
    if value.op == "pm" or (value.op == "mul" and len(value.args) == 2 and value.args[0] == MINUS_ONE):
        at = 0 if value.op == "pm" else 1
        inner, modulus = _without_modulus(value.args[at])
        return Node(value.op, (*value.args[:at], inner, *value.args[at + 1 :])), modulus
    if value.op == "add":
        inner, modulus = _without_modulus(value.args[-1])
        return Node("add", (*value.args[:-1], inner)), modulus
    return value, None


def _general_form(item: Node) -> Congruence | None:
    """x = 5k + 2, where it was said that k is an integer."""
    if item.op != "rel" or item.args[0] != ("=",) or len(item.args) != 3 or item.args[1].op != "sym":
        return None
    names = symbols(item.args[2])
    if len(names) != 1 or not (name := next(iter(names))).startswith("integer "):
        return None
    found = [modular.integer(substituted(item.args[2], Node("sym", (name,)), num(k))) for k in range(4)]
    first, second, third, fourth = found
    if first is None or second is None or third is None or fourth is None:
        return None
    step = second - first
    if step == 0 or third - second != step or fourth - third != step or abs(step) > MAX_MODULUS:
        return None
    return Congruence(item.args[1], abs(step), frozenset((first,)))
