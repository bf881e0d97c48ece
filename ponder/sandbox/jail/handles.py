"""Stand-ins for the program's objects, as test code holds them, made from data and turned back into it.

What an object is here, its class says (jail.classes).
"""

from jail import enumerations, functions, iterators, kinds, raised, values
from jail.classes import RemoteObject
from jail.remote import NAMED, OTHER, Remote, RemoteClass, remote_of


def make_object(link, number: int, class_number: int, content: object, state: object):
    """The stand-in for an object; the same object is the same here."""
    if type(number) is not int:
        raise ValueError("not a number")
    kind = link.class_of(class_number)
    if not isinstance(kind, RemoteClass):
        raise ValueError("no class of objects")
    known = link.objects.get(number)
    if known is not None and type(known) is kind:
        remote = remote_of(known)
        remote.crossed += 1
        if state is not None:
            remote.state = str(state)
        elif content is not None and not issubclass(kind, int | float | str | bytes | tuple | frozenset | complex):
            _refill(known, kind.__data__, link.read(content))
        return known
    remote = Remote(link, number)
    remote.level = NAMED if kind.__named__ else OTHER
    if issubclass(kind, RemoteObject):
        made = object.__new__(kind)
        remote.state = None if state is None else str(state)
    else:
        made = _of_data(kind, link.read(content))
        remote.content = True
    object.__setattr__(made, "__remote__", remote)
    link.objects[number] = made
    return made


def _of_data(kind: RemoteClass, plain: object):
    base = kind.__data__
    if not isinstance(plain, base if not hasattr(base, "_fields") else tuple):
        raise ValueError("an object that is not what its class says")
    if base in (list, set, dict, bytearray) or base.__name__ in kinds.COLLECTIONS:
        made = base.__new__(kind)
        _refill(made, base, plain)
        return made
    if hasattr(base, "_fields"):
        if len(plain) != len(base._fields):
            raise ValueError("a tuple with other fields than its class says")
        return tuple.__new__(kind, plain)
    return base.__new__(kind, plain)


def _refill(made: object, base: type, plain: object) -> None:
    """Gives a container new content by its base's own means."""
    match base.__name__:
        case "list" | "bytearray":
            base.__setitem__(made, slice(None), plain)
        case "set":
            base.clear(made)
            base.update(made, plain)
        case "deque":
            base.__init__(made, plain, plain.maxlen)
        case "defaultdict":
            dict.clear(made)
            base.__init__(made, plain.default_factory, plain)
        case _:
            base.clear(made)
            for key, item in plain.items():
                base.__setitem__(made, key, item)


def refresh(link, number: int, told: dict) -> None:
    """What an object holds after a step that it took part in."""
    known = link.objects.get(number)
    remote = remote_of(known) if known is not None else None
    if remote is None:
        return
    if "content" in told and remote.content:
        _refill(known, type(known).__data__, link.read(told["content"]))
    elif "state" in told:
        remote.state = None if told["state"] is None else str(told["state"])


def update(container: object, after: object) -> None:
    """Changes a container of the tests as the program has changed its copy, inner ones in place too where they match."""
    if isinstance(container, list) and isinstance(after, list):
        if len(container) == len(after):
            for place, (old, new) in enumerate(zip(container, after, strict=True)):
                if type(old) is type(new) and isinstance(old, list | dict | set):
                    update(old, new)
                else:
                    container[place] = new
        else:
            container[:] = after
    elif isinstance(container, dict) and isinstance(after, dict):
        for key in [key for key in container if key not in after]:
            del container[key]
        for key, new in after.items():
            old = container.get(key)
            if type(old) is type(new) and isinstance(old, list | dict | set):
                update(old, new)
            else:
                container[key] = new
    elif isinstance(container, set) and isinstance(after, set):
        container.clear()
        container.update(after)
    elif isinstance(container, bytearray) and isinstance(after, bytearray):
        container[:] = after
    elif type(container).__name__ == "deque" and type(after) is type(container):
        container.clear()
        container.extend(after)
    elif type(container).__name__ == "ndarray" and container.shape == after.shape:
        container[...] = after
    elif type(container).__name__ == "DataFrame" and type(after) is type(container):
        container.drop(columns=container.columns, index=container.index, inplace=True)
        for name in after.columns:
            container[name] = after[name]


def content_of(value: object) -> object | None:
    """What a container of the program's class holds on this side, for the program's side to take over; else None."""
    remote = remote_of(value)
    if remote is None or not remote.content:
        return None
    if isinstance(value, int | float | str | bytes | tuple | frozenset | complex):
        return None
    return values.to_data(_plain_copy(value, type(value).__data__), remote.link.write_other)


def write(value: object):
    """The data that leads the program's side to its own object; None for an object of the tests."""
    kind = type(value)
    remote = remote_of(value)
    if remote is not None:
        return {"~handle": [remote.number, content_of(value)]}
    if isinstance(value, RemoteClass) and "__number__" in vars(value):
        return {"~handle": [value.__number__, None]}
    if isinstance(value, raised.ErrorClass) and "_remote_class" in vars(value):
        return {"~handle": [vars(value)["_remote_class"][1], None]}
    if isinstance(kind, enumerations.RemoteEnum):
        number = kind.__dict__["_remote_class"][1]
        return {"~member": [number, value._name_, values.to_data(value._value_, write)]}
    if isinstance(value, enumerations.RemoteEnum):
        return {"~handle": [value.__dict__["_remote_class"][1], None]}
    if isinstance(value, functions.Function):
        return {"~path": value._target} if isinstance(value._target, str) else {"~handle": [value._target, None]}
    if isinstance(value, functions.Method):
        return {"~handle": [value._function._target, None]}
    if isinstance(value, functions.Module | iterators.Iterator):
        return {"~handle": [value._number, None]}
    if kind.__name__ == "generator" and value.gi_code is iterators.generator.__code__ and value.gi_frame is not None:
        return {"~handle": [value.gi_frame.f_locals["items"]._number, None]}
    return None


def _plain_copy(value: object, base: type):
    match base.__name__:
        case "deque":
            return base(base.__iter__(value), value.maxlen)
        case "defaultdict":
            return base(value.default_factory, dict.items(value))
        case "list" | "set" | "bytearray":
            return base(base.__iter__(value))
    return base(dict.items(value)) if base.__name__ != "Counter" else base(dict(dict.items(value)))
