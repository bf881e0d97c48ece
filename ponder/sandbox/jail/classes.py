"""The program's classes as test code holds them.

A class of the program has a class here, with the methods that Python itself calls; an instance is an instance of it.
Instances of classes based on data (class Stack(list), NamedTuple, IntEnum) are data here, with Python's own comparison.
Others ask the program for each step, as far as they may (jail.remote).
"""

from jail import enumerations, functions, kinds, operations, raised, sameness, values
from jail.operators import BINARY, METHODS, inherit, plain, text
from jail.raised import NotData
from jail.remote import MADE, NAMED, OTHER, Remote, RemoteClass, remote_of, want

# What of a class based on data the program is asked for, where the tests made the object: never a comparison.
OF_DATA = {"__str__", "__repr__", "__format__", "__call__", "__enter__", "__exit__", "__missing__"}
OF_DATA |= BINARY | {"__getitem__", "__setitem__", "__delitem__", "__neg__", "__pos__", "__invert__"}


class RemoteObject(metaclass=RemoteClass, told={}):
    """An object of the program that is no data."""

    __slots__ = ("__remote__", "__weakref__")

    def __getattr__(self, name: str):
        return _attribute(self, name)

    def __setattr__(self, name: str, value: object):
        remote = remote_of(self)
        type(self).__methods__.pop(name, None)
        remote.link.use("set attribute", remote.number, (name, value))
        remote.state = None

    def __delattr__(self, name: str):
        remote = remote_of(self)
        remote.link.use("delete attribute", remote.number, (name,))

    def __eq__(self, other):
        return sameness.equal(self, other)

    def __ne__(self, other):
        return _opposite(sameness.equal(self, other))

    def __hash__(self):
        operators = type(self).__operators__
        remote = remote_of(self)
        if "__hash__" in operators:
            return plain(remote.link.use("__hash__", remote.number), int)
        if "__eq__" in operators:
            raise TypeError(f"unhashable type: {type(self).__name__!r}")
        return hash((Remote, remote.number))

    def __bool__(self):
        operators = type(self).__operators__
        if "__bool__" not in operators and "__len__" not in operators:
            return True
        remote = remote_of(self)
        want(remote, NAMED, "its truth")
        return plain(remote.link.use("__bool__", remote.number), bool)

    def __str__(self):
        return text(self, "__str__")

    def __repr__(self):
        return text(self, "__repr__")

    def __format__(self, wanted: str):
        return text(self, "__format__", wanted)

    def __copy__(self):
        return inherit(self, remote_of(self).link.use("copy", remote_of(self).number, ("copy",)))

    def __deepcopy__(self, memo):
        return inherit(self, remote_of(self).link.use("copy", remote_of(self).number, ("deepcopy",)))

    def __reduce_ex__(self, protocol):
        raise NotData("the program returned an object that is not data, where it is pickled")

    @property
    def __dict__(self):
        return _attribute(self, "__dict__")


def _opposite(same: object):
    return same if same is NotImplemented else not same


def _attribute(self, name: str):
    if name.startswith("__") and name not in ("__name__", "__qualname__", "__dict__", "__wrapped__", "__notes__"):
        raise AttributeError(name)  # Python's own machinery asks, not the test
    remote = remote_of(self)
    if remote is None:
        raise AttributeError(name)
    answers_to_every_name = type(self).__operators__ & {"__getattr__", "__getattribute__"}
    if answers_to_every_name and remote.level == OTHER and name in functions.OF_ANY_DATA | functions.ANSWERS_ITSELF:
        raise NotData(f"the program returned an object that answers to every name, where .{name} is asked for")
    known = type(self).__methods__
    if name in known:  # asked once for all objects of the class: a call then needs one step, not two
        return functions.Method(self, name, known[name])
    found = remote.link.use("attribute", remote.number, (name,))
    if isinstance(found, functions.Function):
        known[name] = found
        return functions.Method(self, name, found)
    return found


def make_class(link, number: int, told: dict) -> type:
    """The class here for one of the program's. Raises values.UNREADABLE."""
    ancestors = [link.class_of(base) for base in told["bases"] if isinstance(base, int)]
    names_of_bases = [base for base in told["lineage"] if isinstance(base, str)]
    if told.get("members") is not None:
        return enumerations.make_enum(link, number, told, names_of_bases)
    base_error = raised.base_of(names_of_bases)
    if base_error is not None:
        return raised.make_error_class(
            link, number, told, [a for a in ancestors if issubclass(a, Exception)], base_error
        )
    found = _same_class(told)
    if found is not None:
        return found
    operators = {str(name) for name in told["operators"]} & operations.FORWARDED
    names = {"__module__": "solution", "__slots__": (), "__link__": link, "__number__": number, "__named__": False}
    names |= {
        "__methods__": {},
        "__operators__": frozenset(operators),
        "__qualname__": str(told["qualname"]),
        "__doc__": told.get("doc"),
    }
    ancestors = [base for base in ancestors if isinstance(base, RemoteClass)]
    if told.get("dataclass"):
        names["__dataclass_fields__"] = _dataclass_fields(told["dataclass"])
    if told.get("data") is None:
        names |= {name: METHODS[name] for name in operators if name in METHODS and name not in ("__hash__", "__eq__")}
        return RemoteClass(str(told["name"]), tuple(ancestors) or (RemoteObject,), names, told=told)
    base = _base_of_data(told)
    del names["__slots__"]
    names |= {
        name: _of_made_data(name, base) for name in operators & OF_DATA if hasattr(base, name) or name == "__call__"
    }
    names |= {
        name: _method_of_made_data(name, base)
        for name in map(str, told["own"])
        if not name.startswith("_") and callable(getattr(base, name, None)) and name not in told.get("fields", ())
    }
    names |= {"__getattr__": _attribute, "__data__": base, "__hash__": base.__hash__}
    names |= {"__setattr__": RemoteObject.__setattr__, "__delattr__": RemoteObject.__delattr__}
    names |= {
        "__eq__": lambda self, other: sameness.equal_data(self, other, base),
        "__ne__": lambda self, other: _opposite(sameness.equal_data(self, other, base)),
    }
    parents = ancestors if any(issubclass(a, base) for a in ancestors) else [*ancestors, base]
    return RemoteClass(str(told["name"]), tuple(parents), names, told=told)


def _dataclass_fields(names: list) -> dict:
    """What dataclasses.asdict and fields look for in a class."""
    import dataclasses

    return dataclasses.make_dataclass("Fields", [str(name) for name in names]).__dataclass_fields__


def _same_class(told: dict) -> type | None:
    """The very class, where its instances are data: Counter, Decimal, date."""
    import importlib

    place = str(told["module"]), str(told["name"])
    if place not in values.WRITERS_BY_NAME:
        return None
    found = getattr(importlib.import_module(place[0]), place[1], None)
    return found if isinstance(found, type) else None


def _base_of_data(told: dict) -> type:
    import collections

    name = told["data"]
    if told.get("fields"):
        return collections.namedtuple(str(told["name"]), [str(field) for field in told["fields"]])
    for kind in kinds.DATA_BASES:
        if kind.__name__ == name and kind is not bool:
            return kind
    if name not in kinds.COLLECTIONS:
        raise ValueError("no such data")
    return getattr(collections, name)


def _of_made_data(name: str, base: type):
    """An operator that the program's class has in place of the data's own."""

    def operate(self, *args):
        remote = remote_of(self)
        texts = name in ("__str__", "__repr__", "__format__", "__call__", "__enter__", "__exit__")
        if remote is None or (remote.level != MADE and not texts):
            return getattr(base, name)(self, *args)
        return inherit(self, remote.link.use(name if name != "__call__" else "call", remote.number, args))

    return operate


def _method_of_made_data(name: str, base: type):
    def method(self, *args, **kwargs):
        remote = remote_of(self)
        if remote is None or remote.level != MADE:
            return getattr(base, name)(self, *args, **kwargs)
        return remote.link.use("method", remote.number, (name, *args), kwargs)

    return method
