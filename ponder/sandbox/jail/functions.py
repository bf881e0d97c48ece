"""Functions, methods and modules of the program, as test code calls and patches them."""

from jail.raised import NotData
from jail.remote import OTHER, RemoteClass, is_object, remote_of

# Methods of data types that say yes or no, or that are gone through: of an object that the tests do not know, they
# would be the program's own claim in place of a comparison.
ANSWERS_ITSELF = {name for kind in (str, bytes, int, float) for name in dir(kind)} - {
    "count",
    "index",
    "format",
    "title",
}
OF_ANY_DATA = {name for kind in (str, bytes, int, float, list, dict, set) for name in dir(kind)}
ANSWERS_ITSELF |= {"items", "keys", "values", "issubset", "issuperset", "isdisjoint", "equals", "all", "any", "isclose"}


class Function:
    """A function, method or other callable of the program."""

    def __init__(self, link, target: int | str, name: str, of_module: str = ""):
        self._link, self._target, self.of_module = link, target, of_module
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args, **kwargs):
        return self._link.use("call", self._target, args, kwargs)

    def __getattr__(self, name: str):
        if name.startswith("__") and name not in ("__wrapped__", "__annotations__", "__defaults__", "__kwdefaults__"):
            raise AttributeError(name)
        return self._link.ask("attribute", self._kept(), (name,))

    @property
    def __signature__(self):
        import inspect

        told = self._link.ask("signature", self._kept())
        if told is None:
            raise AttributeError("__signature__")
        kinds = list(inspect._ParameterKind)
        return inspect.Signature(
            [inspect.Parameter(n, kinds[k], **({"default": d[0]} if d else {})) for n, k, d in told]
        )

    def _kept(self) -> int:
        if isinstance(self._target, str):
            found = self._link.ask("global", None, (self._target,))
            return found._target if isinstance(found, Function) else number_of(found)
        return self._target

    @property
    def __doc__(self):
        return self._link.use("attribute", self._kept(), ("__doc__",))

    def __get__(self, instance, owner=None):
        return self

    def __eq__(self, other):
        return isinstance(other, Function) and self._kept() == other._kept()

    def __hash__(self):
        return hash(self.__name__)

    def __repr__(self):
        return f"<function {self.__name__} of the program>"


class Path(Function):
    # A global or `Class.method` of the program, looked up with each call. Its text is the program's, not this class's.
    __doc__ = Function.__dict__["__doc__"]


class Method:
    """A method of an object of the program."""

    def __init__(self, owner: object, name: str, function: Function):
        self._owner, self.__name__, self._function = owner, name, function

    def __call__(self, *args, **kwargs):
        remote = remote_of(self._owner)
        if remote.level == OTHER and self.__name__ in ANSWERS_ITSELF and is_object(self._owner):
            raise NotData(f"the program returned an object that is not data, where .{self.__name__}() is asked for")
        return remote.link.use("method", remote.number, (self.__name__, *args), kwargs)

    def __getattr__(self, name: str):
        return getattr(self._function, name)

    @property
    def __self__(self):
        return self._owner

    def __eq__(self, other):
        return isinstance(other, Method) and self._owner is other._owner and self.__name__ == other.__name__

    def __hash__(self):
        return hash(self.__name__)


class Module:
    """A module that the program has imported, for the tests to patch."""

    def __init__(self, link, number: int, name: str):
        self.__dict__.update(_link=link, _number=number, __name__=name)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._link.use("attribute", self._number, (name,))

    def __setattr__(self, name: str, value: object):
        self._link.use("set attribute", self._number, (name, value))

    def __delattr__(self, name: str):
        self._link.use("delete attribute", self._number, (name,))


def number_of(value: object) -> int:
    remote = remote_of(value)
    if remote is not None:
        return remote.number
    if isinstance(value, RemoteClass):
        return value.__number__
    raise TypeError(f"{type(value).__name__} is no object of the program")
