"""What stands in test code for a class of the program's, and what is known here of each of its objects.

What an object may be asked depends on where it comes from:

- made: the tests called a class by its name. The class is under test, so its methods and operators are asked.
- of a named class: another call gave it, but the tests know its class by name.
- any other: attributes and methods only. Python would let its class answer whatever the tests compare it with.
"""

import re

from jail import values
from jail.raised import CannotCross, NotData

MADE, NAMED, OTHER = 2, 1, 0
DATA = (bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range)
CLASS_NAME = re.compile(r"_*([A-Z]|[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*|[A-Z]{2,5})")


class Remote:
    """What this side knows of an object of the program."""

    __slots__ = ("content", "crossed", "given", "level", "link", "number", "shifted", "state")

    def __init__(self, link, number: int):
        self.link, self.number = link, number
        self.level = OTHER
        self.state: str | None = None  # the fields as they last crossed
        self.given: tuple | None = None  # what the tests made it of
        self.shifted = False  # the program gave the same object for different arguments
        self.content = False
        self.crossed = 1  # times that it came over


def remote_of(value: object) -> Remote | None:
    """None for what is no stand-in."""
    if not isinstance(type(value), RemoteClass):
        return None
    try:
        return object.__getattribute__(value, "__remote__")
    except AttributeError:
        return None


class RemoteClass(type):
    """The class of stand-ins for classes. Calling one makes an object of the program."""

    def __new__(meta, name, bases, names, told=None):
        if told is None:
            raise CannotCross(f"class {name} of the tests extends a class of the program, which is in another process")
        return super().__new__(meta, name, bases, names)

    def __init__(cls, name, bases, names, told=None):
        super().__init__(name, bases, names)

    def __call__(cls, *args, **kwargs):
        made = cls.__link__.use("call", cls.__number__, args, kwargs)
        return note_made(made, (args, kwargs)) if cls.__named__ else made

    def __getattr__(cls, name: str):
        if name == "pytestmark" or (name.startswith("__") and name not in ("__annotations__", "__match_args__")):
            raise AttributeError(name)
        value = cls.__link__.use("attribute", cls.__number__, (name,))
        if is_object(value) and cls.__link__.ask("names of", cls.__number__, (value,)) != 1:
            return another(value)  # other names give it too, or any name does
        return value

    def __setattr__(cls, name: str, value: object):
        if name in ("__named__", "__doc__", "__abstractmethods__") or "__number__" not in vars(cls):
            return super().__setattr__(name, value)
        cls.__link__.use("set attribute", cls.__number__, (name, value))

    def __delattr__(cls, name: str):
        cls.__link__.use("delete attribute", cls.__number__, (name,))

    def __iter__(cls):
        return iter(cls.__link__.use("__iter__", cls.__number__))

    def __len__(cls):
        return cls.__link__.use("__len__", cls.__number__)

    def __contains__(cls, item):
        return any(item == other for other in cls)

    def __getitem__(cls, key):
        return cls.__link__.use("__getitem__", cls.__number__, (key,))

    def __bool__(cls):
        return True

    def __hash__(cls):
        return type.__hash__(cls)

    def __eq__(cls, other):
        return cls is other


def is_object(value: object) -> bool:
    """Whether a value stands for an object of the program that is no data."""
    remote = remote_of(value)
    return remote is not None and not remote.content


def is_data(value: object) -> bool:
    """Whether a value of the tests is plain data, which the program's objects are never compared with."""
    kind = type(value)
    if isinstance(value, DATA) or kind in values.WRITERS:
        return True
    return (kind.__module__, kind.__name__) in values.WRITERS_BY_NAME and kind.__module__ != "numpy"


def want(remote: Remote, level: int, what: str) -> None:
    """Raises NotData for an object that is not known so well."""
    if remote.level < level:
        raise NotData(f"the program returned an object that is not data, where {what} is asked for")


def note_made(made: object, given: tuple) -> object:
    """What the tests have made by calling a class, which is now known as made of that."""
    remote = remote_of(made)
    if remote is None:
        return made
    written = values.to_data(given, remote.link.write_other)
    if remote.crossed > 1 and any(given) and remote.given != written:
        made = another(made)
    remote = remote_of(made)
    remote.level, remote.given = MADE, written
    return made


def another(value: object) -> object:
    """A second stand-in for an object that the program gives for different things: it is compared with nothing."""
    remote = remote_of(value)
    remote.shifted = True
    kind = type(value)
    twin = object.__new__(kind) if not remote.content else kind.__data__.__new__(kind, value)
    fresh = Remote(remote.link, remote.number)
    for name in ("content", "level", "state", "shifted"):
        setattr(fresh, name, getattr(remote, name))
    object.__setattr__(twin, "__remote__", fresh)
    return twin
