"""One step with an object of the program: a call, an attribute, an operator, the next items."""

from time import monotonic

from jail.kinds import signature
from jail.operations import OPERATORS

MOST_NEXT, PATIENCE_S = 256, 0.001  # items of an iterator that are made ahead at most


class Steps:
    """What can be asked of the program's objects, one step each."""

    def __init__(self, names: dict, resolve, state_of):
        self._names, self._resolve, self._state_of = names, resolve, state_of
        self._loop = None

    def do(self, operation: str, target, args: list, kwargs: dict):
        match operation:
            case "call":
                target = self._resolve(target) if isinstance(target, str) else target
                return target(*args, **kwargs)
            case "method":
                return getattr(target, args[0])(*args[1:], **kwargs)
            case "attribute":
                return getattr(target, args[0])
            case "attribute of":
                return getattr(*args)
            case "operator of":
                return OPERATORS[args[1]](args[0], *args[2:])
            case "set attribute":
                return setattr(target, *args)
            case "delete attribute":
                return delattr(target, *args)
            case "names":
                return [[name, self._names[name]] for name in args if name in self._names]
            case "global":
                return self._global(args[0])
            case "globals":
                return [name for name in self._names if not name.startswith("_")]
            case "set global":
                self._names[args[0]] = args[1]
                return None
            case "delete global":
                del self._names[args[0]]
                return None
            case "next":
                return _next_items(target, args[0])
            case "step":
                return _step(target, *args)
            case "signature":
                return signature(target)
            case "names of":
                return sum(value is args[0] for kind in type.mro(target) for value in vars(kind).values())
            case "equal":
                return bool(target == args[0])
            case "state":
                return self._state_of(target)
            case "exit":
                error = args[0]
                return target.__exit__(*((None, None, None) if error is None else (type(error), error, None)))
            case "copy":
                import copy

                return getattr(copy, args[0])(target)
            case "run":
                return self._run(target)
            case "anext":
                return self._run(_anext(target))
            case "return":
                return args[0]
        return OPERATORS[operation](target, *args)

    def _global(self, name: str):
        """A global for `from solution import name`; AttributeError where there is none."""
        if name not in self._names:
            raise AttributeError(f"the program defines no {name!r}")
        return self._names[name]

    def _run(self, awaitable):
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()

        async def wait():
            return await awaitable

        return self._loop.run_until_complete(wait())


def _next_items(target, most: int) -> dict:
    """{"items": up to so many items, "stop": the value of StopIteration where it ended}. An error comes in its place."""
    items, end = [], monotonic() + PATIENCE_S
    while len(items) < min(most, MOST_NEXT) and (not items or monotonic() < end):
        try:
            items.append(next(target))
        except StopIteration as stop:
            return {"items": items, "stop": stop.value}
        except BaseException as error:
            if not items:
                raise
            return {"items": items, "error": error}
    return {"items": items}


def _step(target, what: str, *args) -> dict:
    """One step of a generator that is given something: {"items": [item]} or {"items": [], "stop": value}."""
    try:
        if what == "close":
            target.close()
            return {"items": [], "stop": None}
        return {"items": [getattr(target, what)(*args)]}
    except StopIteration as stop:
        return {"items": [], "stop": stop.value}


async def _anext(target) -> dict:
    if not hasattr(target, "__anext__"):
        target = target.__aiter__()
    try:
        return {"items": [await target.__anext__()]}
    except StopAsyncIteration:
        return {"items": [], "stop": None}
