"""Objects of the test code, as the program sees them: what is done with them is done on the tests' side."""


class Foreign:
    """An object of the test code: what is done with it is done there."""

    def __init__(self, objects, number: int):
        object.__setattr__(self, "_objects", objects)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: object):
        _ask(self, "setattr", name, value)

    def __eq__(self, other):
        return self is other or (bool(_ask(self, "eq", other)) if isinstance(other, Foreign) else NotImplemented)

    def __hash__(self):
        return object.__hash__(self)


def _ask(foreign: Foreign, what: str, *args, **kwargs):
    get = object.__getattribute__
    return get(foreign, "_objects").ask(get(foreign, "_number"), what, args, kwargs)


def _asking(what: str):
    def method(self, *args, **kwargs):
        return _ask(self, what, *args, **kwargs)

    return method


def _foreign_next(self):
    told = _ask(self, "next")
    if told[0]:
        return told[1]
    raise StopIteration


def make_stand_in(objects, told: dict) -> object:
    """A stand-in of a class with the methods that the object has."""
    number = told["number"]
    if told["kind"] == "errors":
        return objects.error_class(told)
    if told["kind"] == "named tuple":
        import collections

        return collections.namedtuple(told["name"], told["fields"])
    if told["kind"] == "function":

        def function(*args, **kwargs):
            return objects.ask(number, "call", args, kwargs)

        function.__name__ = function.__qualname__ = told["name"]
        function.__doc__ = told.get("doc")
        if told.get("async"):

            async def later(*args, **kwargs):
                return objects.ask(number, "call", args, kwargs)

            function, later.__name__ = later, told["name"]
        return function
    methods = {name: _asking(name.strip("_")) for name in told["operators"]}
    if "__next__" in methods:
        methods |= {"__next__": _foreign_next, "__iter__": lambda self: self}
    kind = type(told["name"], (Foreign,), methods)
    return kind(objects, number)


def find_named(module: str, path: str):
    """What the tests' side calls by the name of a module and a path in it: len, operator.add, str.upper."""
    import importlib

    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found
