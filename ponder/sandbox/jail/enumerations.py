"""Enumerations of the program, made anew here from their names and values."""

import enum

from jail import operations
from jail.operators import COMPARISONS
from jail.raised import NotData


class RemoteEnum(enum.EnumMeta):
    """Enumerations of the program, made anew from their names and values: members are data here."""

    def __getattr__(cls, name: str):
        found = cls.__dict__.get("_remote_class")
        if name.startswith("_") or found is None:
            raise AttributeError(name)
        if name in cls.__dict__["_twins"]:
            raise NotData(f"{cls.__name__}.{name} is the same member as another: there is nothing to tell apart")
        return found[0].use("attribute", found[1], (name,))

    def __call__(cls, value, *args, **kwargs):
        try:
            return super().__call__(value, *args, **kwargs)
        except ValueError:
            found = cls.__dict__.get("_remote_class")
            if found is None:
                raise
            return found[0].use("call", found[1], (value, *args), kwargs)  # it may have its own way with such values


def _attribute_of_member(self, name: str):
    found = type(self).__dict__.get("_remote_class")
    if name.startswith("_") or found is None:
        raise AttributeError(name)
    return found[0].use("attribute of", None, (self, name))


def make_enum(link, number: int, told: dict, bases: list[str]) -> type:
    """An enumeration with the same members. A second name for a member is left out: it would make two answers one."""
    kinds = {"enum.IntFlag": enum.IntFlag, "enum.Flag": enum.Flag, "enum.IntEnum": enum.IntEnum}
    kinds |= {"enum.StrEnum": getattr(enum, "StrEnum", None)}
    parent = next((kinds[name] for name in bases if kinds.get(name)), None)
    mixin = {"int": int, "str": str, "float": float, "tuple": tuple}.get(told.get("data")) if parent is None else None
    parents = (parent,) if parent else (mixin, enum.Enum) if mixin else (enum.Enum,)
    members = [(str(name), link.read(value)) for name, value, twin in told["members"] if twin is not True]
    names = RemoteEnum.__prepare__(str(told["name"]), parents)
    names["__getattr__"] = _attribute_of_member
    own = {str(name) for name in told["own"]}
    for name in ("__str__", "__repr__", "__format__", "__call__", *COMPARISONS):
        if name in own and name in operations.FORWARDED and mixin is None and parent is None:
            names[name] = _operator_of_member(name)
    for name, value in members:
        names[name] = value
    made = RemoteEnum(str(told["name"]), parents, names)
    type.__setattr__(made, "_remote_class", (link, number))
    type.__setattr__(made, "_twins", {str(name) for name, _, twin in told["members"] if twin is True})
    return made


def _operator_of_member(name: str):
    def operate(self, *args):
        if name in COMPARISONS and not (args and type(args[0]) is type(self)):
            return NotImplemented
        link, _ = type(self).__dict__["_remote_class"]
        return link.use("operator of", None, (self, name, *args))

    return operate


def find_member(link, class_number: int, name: object, value: object):
    kind = link.class_of(class_number)
    if not isinstance(kind, RemoteEnum):
        raise ValueError("no enumeration")
    return kind.__members__[name] if isinstance(name, str) else enum.EnumMeta.__call__(kind, link.read(value))
