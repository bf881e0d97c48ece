"""Names in test code that nobody there defines: which stand for the program's, and which never do.

The program is asked for what is tested. What the tests judge by is never its to give: modules and helpers of the
standard library are the tests' own, a constant of the program stands only against literals, and a function of the
program that is asked whether another's result is right gives no answer. A name that the tests import from the program
by name is the program's, whatever it is.
"""

import ast
import builtins
import importlib
import itertools
import re
import sys
import types

from jail import functions
from jail.raised import NotData
from jail.remote import CLASS_NAME, RemoteClass, is_object, remote_of

ALIASES = {"np": "numpy", "pd": "pandas", "numpy": "numpy", "pandas": "pandas", "pytest": "pytest"}
ALIASES |= {"sp": "sympy", "sympy": "sympy", "mock": "unittest.mock"}
# Modules that tests use without importing them; a program's global of that name is another thing only for other names.
OWN_MODULES = {
    "math",
    "cmath",
    "operator",
    "statistics",
    "unittest",
    "re",
    "json",
    "itertools",
    "functools",
    "collections",
}
OWN_MODULES |= {"datetime", "decimal", "fractions", "random", "copy", "os", "sys", "string", "time", "types", "typing"}
OWN_MODULES |= {"heapq", "bisect", "io", "inspect", "asyncio", "warnings", "contextlib", "dataclasses", "enum"}
HELPERS = {
    "isclose": "math",
    "fabs": "math",
    "approx": "pytest",
    "raises": "pytest",
    "allclose": "numpy",
    "array_equal": "numpy",
    **dict.fromkeys(("assert_allclose", "assert_almost_equal", "assert_array_equal", "assert_equal"), "numpy.testing"),
    **dict.fromkeys(("assert_array_almost_equal", "assert_approx_equal"), "numpy.testing"),
    **dict.fromkeys(("assert_frame_equal", "assert_series_equal"), "pandas.testing"),
    **dict.fromkeys(("TestCase", "skip", "skipIf", "expectedFailure"), "unittest"),
    **dict.fromkeys(("patch", "Mock", "MagicMock", "ANY"), "unittest.mock"),
}
# Names of functions that compare, or judge: not even of the program's own objects are they asked.
COMPARES = re.compile(
    r"same|equal|(^|_)eq(_|$)|close|approx|match|check|compare|assert|verif|valid|correct|almost|similar"
)
EQUALS = ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertIn")
TRUTHS = ("assertTrue", "assertFalse", "assert_", "bool", "all", "any")


class Unusable:
    """In place of a constant of the program by which the tests would judge it: any use of it ends the tests."""

    def __init__(self, name: str):
        object.__setattr__(self, "_name", name)

    def _refuse(self, *args):
        raise NotData(f"the tests use {self._name}, which only the program defines: it cannot judge itself")

    __getattr__ = __call__ = __bool__ = __iter__ = __len__ = __eq__ = __ne__ = __hash__ = __contains__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _refuse
    __neg__ = __abs__ = __float__ = __int__ = __index__ = __round__ = __getitem__ = __str__ = __format__ = _refuse


class ClassLike(functions.Path):
    # What has the name of a class, and gives what another result is held against: it must give an object of a class.
    __doc__ = functions.Path.__doc__

    def __call__(self, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        if remote_of(made) is None:
            raise NotData(f"{self.__name__} is no class of the program: what it gives is nothing to compare with")
        return made


class Judging(functions.Path):
    # A function of the program that the tests ask about other results of it: only of the program's own objects.
    __doc__ = functions.Path.__doc__

    def __call__(self, *args, **kwargs):
        if COMPARES.search(self.__name__.lower()) or not any(map(is_object, (*args, *kwargs.values()))):
            raise NotData(
                f"the tests ask {self.__name__}, which only the program defines, whether its results are right"
            )
        return super().__call__(*args, **kwargs)


def look_up(link, tree: ast.AST, taken: set[str], entry_point: str | None) -> dict[str, object]:
    """What stands for the names that the code reads and binds nowhere; the others stay undefined."""
    free = {name for name in _free_names(tree) if not name.startswith("__")}
    wanted = sorted(free - set(dir(builtins)) - taken)
    bases = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    found = {name: value for name in wanted if (value := _own(name, name in bases)) is not None}
    rest = [name for name in wanted if name not in found]
    given = {name: value for name, value in link.ask("names", None, tuple(rest)) if name in rest} if rest else {}
    callables = {name for name, value in given.items() if isinstance(value, functions.Function)}
    judging = _judging(tree, callables, entry_point)
    for name, value in given.items():
        found[name] = _stand_in(link, name, value, judging, tree)
    for name in rest:
        if name not in found and name in bases and name in sys.stdlib_module_names:
            found[name] = importlib.import_module(name)
    return found


def _own(name: str, is_base: bool) -> object | None:
    """What is the tests' own, whatever the program calls by that name; None for other names."""
    module = ALIASES.get(name) or (name if name in OWN_MODULES and is_base else None)
    try:
        if module is not None:
            return importlib.import_module(module) if is_base else None
        if name in HELPERS:
            return getattr(importlib.import_module(HELPERS[name]), name)
    except ImportError:
        return Unusable(name)
    return None


def _stand_in(link, name: str, value: object, judging: set[str], tree: ast.AST) -> object:
    if isinstance(value, functions.Function):
        same = _of_standard_library(value, name)
        if same is not None:
            return same
        return Judging(link, name, name) if name in judging else _path(link, name, tree)
    if isinstance(value, functions.Module):
        module = value.__name__
        known = module.split(".")[0] in sys.stdlib_module_names or module in ALIASES.values()
        return importlib.import_module(module) if known else value
    if isinstance(value, type):
        return called_by(value, name)
    if not is_object(value) and not _only_against_literals(tree, name):
        return Unusable(name)
    link.asked += 1  # a constant of the program is an answer of the program
    return value


def _path(link, name: str, tree: ast.AST) -> functions.Path:
    """A function; one with the name of a class is looked at twice where another function's result is held against it."""
    like_a_class = CLASS_NAME.fullmatch(name) and any(
        (_is_call_of(first, {name}) and _calls_something(second))
        or (_is_call_of(second, {name}) and _calls_something(first))
        for first, second in _compared(tree)
    )
    return (ClassLike if like_a_class else functions.Path)(link, name, name)


def _calls_something(node: ast.AST) -> bool:
    """Whether an expression calls what is not Python's own."""
    own = set(dir(builtins))
    return any(
        isinstance(inner, ast.Call) and not (isinstance(inner.func, ast.Name) and inner.func.id in own)
        for inner in ast.walk(node)
    )


def called_by(kind: type, name: str) -> type:
    """A class of the program that the tests know by this name."""
    if isinstance(kind, RemoteClass) and CLASS_NAME.fullmatch(name):
        kind.__named__ = True
    return kind


def _of_standard_library(function: functions.Function, name: str) -> object | None:
    """`from math import sqrt` in the program makes sqrt the tests' own too."""
    module = function.of_module
    if module.split(".")[0] not in sys.stdlib_module_names or module not in sys.modules or function.__name__ != name:
        return None
    found = getattr(sys.modules[module], name, None)
    return found if callable(found) and module not in ("__main__", "builtins") else None


def _free_names(tree: ast.AST) -> set[str]:
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


def _only_against_literals(tree: ast.AST, name: str) -> bool:
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


def _judging(tree: ast.AST, callables: set[str], entry_point: str | None) -> set[str]:
    """Functions of the program whose bare word on another's result, beside a value of the tests', is what is asserted."""
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
    for first, second in _compared(tree):
        for side, other in ((first, second), (second, first)):
            if not _is_call_of(side, callables - {entry_point}):
                continue
            name = side.func.id
            beside_the_entry_point = entry_point is not None and _mentions(other, {entry_point, "candidate"})
            of_both = _is_call_of(other, {name}) and _mentions_call(side, own) != _mentions_call(other, own)
            if beside_the_entry_point or of_both:
                found.add(name)
    return found


def _is_call_of(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _mentions_call(call: ast.Call, names: set[str]) -> bool:
    return any(_calls(part, names) for part in (*call.args, *(keyword.value for keyword in call.keywords)))


def _compared(tree: ast.AST):
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


def module(name: str, link, tree: ast.AST) -> types.ModuleType:
    """A module whose every attribute is the program's, to be read and to be set."""

    class Candidate(types.ModuleType):
        def __getattr__(self, attribute: str):
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            try:
                value = link.ask("global", None, (attribute,))
            except AttributeError:
                return functions.Path(link, attribute, attribute)  # calling it says that the program has none
            if isinstance(value, functions.Function):
                return _path(link, attribute, tree)
            if isinstance(value, type):
                return called_by(value, attribute)
            link.asked += 1
            return value

        def __setattr__(self, attribute: str, value: object):
            if attribute.startswith("__"):
                return super().__setattr__(attribute, value)
            if attribute not in replaced:
                try:
                    replaced[attribute] = link.ask("global", None, (attribute,))
                except AttributeError:
                    replaced[attribute] = missing
            link.use("set global", None, (attribute, value))

        def __dir__(self):
            return link.ask("globals", None)

        def __delattr__(self, attribute: str):
            """As for an attribute that comes from elsewhere: what was there before shows again. So mock undoes a patch."""
            before = replaced.pop(attribute, missing)
            if before is missing:
                link.use("delete global", None, (attribute,))
            else:
                link.use("set global", None, (attribute, before))

    replaced: dict[str, object] = {}
    missing = object()
    return Candidate(name)
