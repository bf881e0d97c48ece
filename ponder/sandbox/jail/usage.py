"""How test code uses the names in it, told from its syntax tree alone: read, compared, asserted."""

import ast
import builtins
import itertools
import re

# Names of functions that compare, or judge: not even of the program's own objects are they asked.
COMPARES = re.compile(
    r"same|equal|(^|_)eq(_|$)|close|approx|match|check|compare|assert|verif|valid|correct|almost|similar"
)
EQUALS = ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertIn")
TRUTHS = ("assertTrue", "assertFalse", "assert_", "bool", "all", "any")


def free_names(tree: ast.AST) -> set[str]:
    """Names that the code reads somewhere and binds nowhere."""
    read, bound = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.split(".")[0])
            case ast.ExceptHandler(name=str() as name):
                bound.add(name)
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                bound.add(name)
    return read - bound


def only_against_literals(tree: ast.AST, name: str) -> bool:
    """Whether every statement with this name holds no other names but Python's own (and self): `assert PI == 3.14`."""
    allowed = {name, "self", *dir(builtins)}
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    for part in parts:
        if isinstance(part, ast.Assert) and _is_several(part.test):
            parts += part.test.values
    for statement in parts:
        if isinstance(statement, ast.Assert) and _is_several(statement.test):
            continue  # its parts are looked at one by one
        if not hasattr(statement, "body"):
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            if name in names and not names <= allowed:
                return False
        elif isinstance(statement, ast.If | ast.While | ast.For):
            head = statement.iter if isinstance(statement, ast.For) else statement.test
            if _mentions(head, {name}):
                return False
    return True


def _is_several(test: ast.expr) -> bool:
    return isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)


def judging(tree: ast.AST, callables: set[str], entry_point: str | None) -> set[str]:
    """Functions of the program whose claim about another's result, beside a value of the tests', is what is asserted."""
    own = callables | {"candidate"} | ({entry_point} if entry_point else set())
    derived = set(own)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _calls(node.value, own):
            derived |= {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    found = set()
    for call in _asserted(tree):
        if not isinstance(call.func, ast.Name) or call.func.id not in callables or call.func.id == entry_point:
            continue
        parts = [*call.args, *(keyword.value for keyword in call.keywords)]
        of_program = [_mentions(part, derived) for part in parts]
        if any(of_program) and not all(of_program):
            found.add(call.func.id)
    for first, second in compared(tree):
        for side, other in ((first, second), (second, first)):
            if not is_call_of(side, callables - {entry_point}):
                continue
            name = side.func.id
            beside_the_entry_point = entry_point is not None and _mentions(other, {entry_point, "candidate"})
            of_both = is_call_of(other, {name}) and _mentions_call(side, own) != _mentions_call(other, own)
            if beside_the_entry_point or of_both:
                found.add(name)
    return found


def is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _mentions_call(call: ast.Call, names: set[str]) -> bool:
    return any(_calls(part, names) for part in (*call.args, *(keyword.value for keyword in call.keywords)))


def compared(tree: ast.AST):
    """Pairs of expressions that are set against each other."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=right):
                sides = [left, *right]
                for first, second in itertools.pairwise(sides):
                    for part in second.elts if isinstance(second, ast.List | ast.Tuple | ast.Set) else [second]:
                        yield first, part
            case ast.Call(func=ast.Attribute(attr=name), args=[first, second, *_]) if name in EQUALS:
                yield first, second


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def _calls(node: ast.AST, names: set[str]) -> bool:
    return any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in names
        for inner in ast.walk(node)
    )


def calls_something(node: ast.AST) -> bool:
    """Whether an expression calls what is not Python's own."""
    own = set(dir(builtins))
    return any(
        isinstance(inner, ast.Call) and not (isinstance(inner.func, ast.Name) and inner.func.id in own)
        for inner in ast.walk(node)
    )


def _asserted(tree: ast.AST):
    """Calls whose truth is what a statement asserts, or whose value it holds against a bare constant's bounds."""
    todo = []
    for node in ast.walk(tree):
        match node:
            case ast.Assert(test=test) | ast.If(test=test):
                todo.append(test)
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[first, *_]) if name in TRUTHS:
                todo.append(first)
            case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call) if COMPARES.search(name.lower()):
                yield call
    while todo:
        match todo.pop():
            case ast.Call() as call:
                yield call
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                todo.append(inner)
            case ast.BoolOp(values=inner):
                todo += inner
            case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
                todo.append(inner)
            case ast.Compare(left=left, ops=[op], comparators=[ast.Constant(value=value)]) if _is_verdict(op, value):
                todo.append(left)


def _is_verdict(op: ast.cmpop, value: object) -> bool:
    if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return True
    return isinstance(op, ast.Eq | ast.Is | ast.NotEq | ast.IsNot) and (isinstance(value, bool) or value == 0)
