"""What Python asks of an object of the program: its operators, items, text. None answers a comparison with data."""

from jail import iterators, operations
from jail.raised import NotData
from jail.remote import MADE, NAMED, OTHER, is_data, is_object, remote_of, want

COMPARISONS = ("__lt__", "__le__", "__gt__", "__ge__")
BINARY = {f"__{way}{name}__" for name in (*operations.BINARY, "divmod") for way in ("", "r", "i")}
UNARY = {"__neg__", "__pos__", "__abs__", "__invert__", "__int__", "__float__", "__complex__", "__index__", "__round__"}
UNARY |= {
    "__trunc__",
    "__floor__",
    "__ceil__",
    "__bytes__",
    "__len__",
    "__getitem__",
    "__reversed__",
    "__length_hint__",
}
ASKED_OF_ALL = {"__setitem__", "__delitem__", "__enter__", "__fspath__", "__dir__"}


def plain(value: object, kind: type):
    """A value that Python itself wants of this type. TypeError as Python raises it."""
    if type(value) is not kind:
        raise TypeError(f"a {kind.__name__} is wanted, not {type(value).__name__}")
    return value


def text(self, operation: str, *args) -> str:
    remote = remote_of(self)
    return str.__str__(_plain_text(remote.link.use(operation, remote.number, args)))


def _plain_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value


def inherit(self, value: object):
    """What an operator of an object gives is as well known as the object."""
    remote, other = remote_of(self), remote_of(value)
    if remote is not None and other is not None and remote.level == MADE:
        other.level = MADE
    return value


def _unary(name: str):
    def operate(self, *args):
        remote = remote_of(self)
        want(remote, NAMED, name.strip("_"))
        return inherit(self, remote.link.use(name, remote.number, args))

    return operate


def _binary(name: str):
    def operate(self, other, *more):
        remote, partner = remote_of(self), remote_of(other)
        if partner is not None and not is_object(other):
            partner = None  # a data-based value is data
        if partner is not None:
            want(remote, NAMED, "arithmetic")
            want(partner, NAMED, "arithmetic")
            return inherit(self, remote.link.use(name, remote.number, (other, *more)))
        if remote.level == MADE:
            return inherit(self, remote.link.use(name, remote.number, (other, *more)))
        result = remote.link.use(name, remote.number, (other, *more)) if remote.level == NAMED else None
        known = remote_of(result)
        if known is None or not is_object(result):
            raise NotData("the program returned an object that is not data, where it is calculated with")
        known.level = OTHER  # it has seen the tests' own value: it could answer with that from now on
        return result

    return operate


def _comparison(name: str):
    def compare(self, other):
        remote, partner = remote_of(self), remote_of(other)
        if partner is None or not is_object(other):
            if is_data(other) or other is None:
                raise NotData("the program returned an object that is not data, where data is compared")
            return NotImplemented
        want(remote, NAMED, "its order")
        want(partner, NAMED, "its order")
        return plain(remote.link.use(name, remote.number, (other,)), bool)

    return compare


def _asked(name: str):
    def operate(self, *args):
        remote = remote_of(self)
        return remote.link.use(name, remote.number, args)

    return operate


def _iterate(self):
    remote = remote_of(self)
    want(remote, NAMED, "its items")
    found = remote.link.use("__iter__", remote.number)
    inherit(self, found)
    if remote_of(found) is not None and remote_of(found).level == OTHER:
        remote_of(found).level = NAMED
    return found


def _next(self):
    remote = remote_of(self)
    want(remote, NAMED, "its next item")
    return iterators.first(remote.link.use("next", remote.number, (1,)))


def _contains(self, item):
    remote = remote_of(self)
    if remote.level == MADE:
        return plain(remote.link.use("__contains__", remote.number, (item,)), bool)
    want(remote, NAMED, "membership")
    if "__iter__" not in type(self).__operators__:
        raise NotData("the program returned an object that is not data, where membership is asked for")
    return item in list(self)


def _call(self, *args, **kwargs):
    remote = remote_of(self)
    return remote.link.use("call", remote.number, args, kwargs)


def _exit(self, kind, error, traceback):
    """An exception of the test code's own passes through the program's hands; a failed assertion does not."""
    remote = remote_of(self)
    if error is None or not isinstance(error, Exception) or isinstance(error, AssertionError):
        remote.link.use("exit", remote.number, (None,))
        return False
    return remote.link.use("exit", remote.number, (error,)) is True


async def _enter_async(self):
    remote = remote_of(self)
    return await remote.link.use("__aenter__", remote.number)


async def _exit_async(self, kind, error, traceback):
    remote = remote_of(self)
    await remote.link.use("__aexit__", remote.number, (None, None, None))
    return False


def _iterate_async(self):
    remote = remote_of(self)
    want(remote, NAMED, "its items")
    return iterators.async_generator(remote.link, remote.number)


def _await(self):
    remote = remote_of(self)
    return iterators.coroutine(remote.link, remote.number).__await__()


METHODS = {"__iter__": _iterate, "__next__": _next, "__contains__": _contains, "__call__": _call, "__exit__": _exit}
METHODS |= {"__aenter__": _enter_async, "__aexit__": _exit_async, "__aiter__": _iterate_async, "__await__": _await}
METHODS |= {name: _unary(name) for name in UNARY}
METHODS |= {name: _binary(name) for name in BINARY}
METHODS |= {name: _comparison(name) for name in COMPARISONS}
METHODS |= {name: _asked(name) for name in ASKED_OF_ALL}
