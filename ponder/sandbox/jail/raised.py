"""The program's exceptions as test code sees them: with the same base classes, arguments and attributes."""

import builtins
import sys

# Raised on this side they would end a loop or the tests early, as if all were well.
NOT_RAISED_HERE = (StopIteration, StopAsyncIteration)
# Modules whose exceptions are the frameworks' signals, or no concern of a program's.
SIGNALS = ("unittest", "_pytest", "pytest", "bdb", "jail", "asyncio", "concurrent")
LIBRARIES = ("numpy", "pandas", "sympy")


class CandidateError(Exception):
    """The program raised something that is no ordinary exception, or answered with what is no value."""


class NotData(BaseException):
    """What the test code asks cannot be judged: the program's object would be the one to answer.

    No `except Exception` of the tests takes it for an error of the program's.
    """


class CannotCross(BaseException):
    """The test code hands the program something that cannot be handed over: the tests cannot be judged here."""


class ErrorClass(type):
    """The class of the program's own exception classes. Making one is the program's part."""

    def __call__(cls, *args, **kwargs):
        link, number = cls.__dict__.get("_remote_class", (None, None))
        if link is None:  # the tests have a subclass of their own
            return super().__call__(*args, **kwargs)
        return link.use("call", number, args, kwargs)

    def __getattr__(cls, name: str):
        if name.startswith("__") or "_remote_class" not in cls.__dict__:
            raise AttributeError(name)
        link, number = cls.__dict__["_remote_class"]
        return link.use("attribute", number, (name,))


def _attribute_of(self, name: str):
    """A method or property of the program's exception."""
    held = BaseException.__getattribute__(self, "__dict__").get("_remote")
    if name.startswith("__") or held is None or held[1] is None:
        raise AttributeError(name)
    return held[0].use("attribute", held[1], (name,))


def _text_of(self):
    text = BaseException.__getattribute__(self, "__dict__").get("_text")
    return BaseException.__str__(self) if text is None else text


def make_error_class(link, number: int, told: dict, ancestors: list[type], base: type[Exception]) -> type:
    """One of the program's own exception classes, below what it descends from."""
    found = _known(told)
    if found is not None:
        return found
    names = {
        "_remote_class": (link, number),
        "__module__": "solution",
        "__str__": _text_of,
        "__getattr__": _attribute_of,
    }
    names["__qualname__"] = str(told["qualname"])
    parents = tuple(dict.fromkeys([*ancestors, base]))
    return ErrorClass(str(told["name"]), parents, names)


def _known(told: dict) -> type | None:
    """The very class, where the tests' side has it too: json.JSONDecodeError, decimal.InvalidOperation."""
    module, name = str(told["module"]), str(told["name"])
    top = module.split(".")[0]
    if top in SIGNALS or not (top in sys.stdlib_module_names or top in LIBRARIES):
        return None
    if top in sys.stdlib_module_names and module not in sys.modules and module not in ("builtins", "__main__"):
        __import__(module)
    found = getattr(sys.modules.get(module), name, None)
    return found if _may_be_raised(found) else None


def _may_be_raised(kind: object) -> bool:
    if not isinstance(kind, type) or not (issubclass(kind, Exception) or kind is SystemExit):
        return False
    return not issubclass(kind, NOT_RAISED_HERE)


def base_of(names: list) -> type[Exception] | None:
    """The nearest built-in exception among the names of ancestors; None where there is none."""
    for name in names:
        kind = getattr(builtins, name, None) if isinstance(name, str) else None
        if isinstance(kind, type) and issubclass(kind, BaseException):
            return kind if _may_be_raised(kind) and kind is not Exception else CandidateError
    return None


def make_error(link, told: dict, depth: int = 0) -> BaseException:
    """The program's exception as one that is safe to raise here. Raises values.UNREADABLE for what is none."""
    if told.get("foreign") is not None:
        return link.foreign.find_error(told["foreign"])
    error = _make_error(link, told, depth)
    link.note_raised(error)
    return error


def _make_error(link, told: dict, depth: int) -> BaseException:
    name, message = str(told["type"]), str(told["message"])
    kind = getattr(builtins, name, None) if told["class"] is None else link.class_of(told["class"])
    if not _may_be_raised(kind):
        kind = CandidateError
    args = None if told.get("args") is None else link.read(told["args"])
    if kind is CandidateError or not isinstance(args, tuple):
        args = (f"{name}: {message}" if kind is CandidateError else message,)
    error = _construct(kind, args)
    fields = BaseException.__getattribute__(error, "__dict__")
    attributes = link.read(told["attributes"]) if told.get("attributes") else {}
    fields.update({key: value for key, value in attributes.items() if isinstance(key, str)})
    if isinstance(type(error), ErrorClass):
        fields |= {"_remote": (link, told.get("number")), "_text": message}
    if depth < 8 and told.get("__cause__"):
        error.__cause__ = make_error(link, told["__cause__"], depth + 1)
    elif depth < 8 and told.get("__context__"):
        error.__context__ = make_error(link, told["__context__"], depth + 1)
    error.__suppress_context__ = told.get("suppress") is True
    return error


def _construct(kind: type[BaseException], args: tuple) -> BaseException:
    if kind.__module__ == "builtins":
        try:
            return kind(*args)
        except (TypeError, ValueError):  # some want other arguments than they keep
            return CandidateError(f"{kind.__name__}: {args}")
    error = kind.__new__(kind, *args)
    error.args = args
    return error
