"""Names in test code that nobody there defines: which stand for the program's, and which never do.

The program is asked for what is tested. What the tests judge by is never its to give: modules and helpers of the
standard library are the tests' own, a constant of the program stands only against literals, and a function of the
program that is asked whether another's result is right gives no answer. A name that the tests import from the program
by name is the program's, whatever it is.
"""

import ast
import builtins
import importlib
import sys
import types

from jail import functions, usage
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
        if usage.COMPARES.search(self.__name__.lower()) or not any(map(is_object, (*args, *kwargs.values()))):
            raise NotData(
                f"the tests ask {self.__name__}, which only the program defines, whether its results are right"
            )
        return super().__call__(*args, **kwargs)


def look_up(link, tree: ast.AST, taken: set[str], entry_point: str | None) -> dict[str, object]:
    """What stands for the names that the code reads and binds nowhere; the others stay undefined."""
    free = {name for name in usage.free_names(tree) if not name.startswith("__")}
    wanted = sorted(free - set(dir(builtins)) - taken)
    bases = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    found = {name: value for name in wanted if (value := _own(name, name in bases)) is not None}
    rest = [name for name in wanted if name not in found]
    given = {name: value for name, value in link.ask("names", None, tuple(rest)) if name in rest} if rest else {}
    callables = {name for name, value in given.items() if isinstance(value, functions.Function)}
    judging = usage.judging(tree, callables, entry_point)
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
    if not is_object(value) and not usage.only_against_literals(tree, name):
        return Unusable(name)
    link.asked += 1  # a constant of the program is an answer of the program
    return value


def _path(link, name: str, tree: ast.AST) -> functions.Path:
    """A function; one with the name of a class is looked at twice where another function's result is held against it."""
    like_a_class = CLASS_NAME.fullmatch(name) and any(
        (usage.is_call_of(first, {name}) and usage.calls_something(second))
        or (usage.is_call_of(second, {name}) and usage.calls_something(first))
        for first, second in usage.compared(tree)
    )
    return (ClassLike if like_a_class else functions.Path)(link, name, name)


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
