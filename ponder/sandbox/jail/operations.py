"""What can be done with an object by the methods that Python itself calls, by the names of these methods."""

import operator


def _reflected(function):
    return lambda target, other: function(other, target)


def _by_its_type(name: str):
    return lambda target, *args: getattr(type(target), name)(target, *args)


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
FUNCTION_OF = {name: getattr(operator, f"{name}_" if name in ("and", "or") else name) for name in BINARY} | {
    "divmod": divmod
}
# What test code may do with an object of the program, by the name of the method that Python would call.
OPERATORS = {f"__{name}__": function for name, function in FUNCTION_OF.items()}
OPERATORS |= {f"__r{name}__": _reflected(function) for name, function in FUNCTION_OF.items()}
OPERATORS |= {f"__i{name}__": getattr(operator, f"i{name}") for name in BINARY}
OPERATORS |= {f"__{name}__": getattr(operator, name) for name in ("neg", "pos", "abs", "invert", "index")}
OPERATORS |= {
    f"__{name}__": getattr(operator, name) for name in ("lt", "le", "gt", "ge", "getitem", "setitem", "delitem")
}
OPERATORS |= {
    "__contains__": operator.contains,
    **{f"__{kind.__name__}__": kind for kind in (int, float, complex, bool, bytes, reversed, str)},
    **{f"__{function.__name__}__": function for function in (len, hash, repr, format, round, iter, dir)},
}
OPERATORS |= {
    f"__{name}__": _by_its_type(f"__{name}__")
    for name in ("enter", "aenter", "aexit", "trunc", "floor", "ceil", "fspath", "length_hint")
}
FORWARDED = frozenset(OPERATORS) | {"__call__", "__next__", "__exit__", "__getattr__", "__getattribute__", "__eq__"}
FORWARDED |= {"__aiter__", "__anext__", "__await__", "__missing__"}
