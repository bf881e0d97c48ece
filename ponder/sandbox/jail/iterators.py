"""Iterators, generators and coroutines of the program: items come over one by one, and are data."""


class Iterator:
    """An iterator of the program's: items come one by one, and in growing batches once many were taken."""

    def __init__(self, link, number: int):
        self._link, self._number = link, number
        self._ready: list = []
        self._taken, self._end = 0, None

    def __iter__(self):
        return self

    def __next__(self):
        if not self._ready:
            if self._end is not None:
                end, self._end = self._end, {"items": []}
                return first({**end, "items": []})
            told = self._link.use("next", self._number, (1 if self._taken < 16 else self._taken // 4,))
            self._ready = list(told["items"])[::-1]
            if "stop" in told or "error" in told:
                self._end = told
            if not self._ready:
                return self.__next__()
        self._taken += 1
        return self._ready.pop()

    def __contains__(self, item):
        return item in list(self)  # to the end: an endless one holds nothing for certain

    def __length_hint__(self):
        return 0


def make_iterator(link, number: int, is_generator: bool):
    if number not in link.objects:
        made = generator(Iterator(link, number)) if is_generator else Iterator(link, number)
        link.objects[number] = made
    return link.objects[number]


def generator(items: Iterator):
    """A generator of the program's as a generator here, with all its methods."""
    told = None
    while True:
        try:
            if told is None:
                item = next(items)
            elif told["items"]:
                item = told["items"][0]
            else:
                return told.get("stop")
        except StopIteration as stop:
            return stop.value
        told = None
        try:
            sent = yield item
        except GeneratorExit:
            items._link.use("step", items._number, ("close",))
            raise
        except Exception as error:
            told = items._link.use("step", items._number, ("throw", error))
        else:
            if sent is not None:
                told = items._link.use("step", items._number, ("send", sent))


def make_async(link, number: int, is_coroutine: bool):
    if is_coroutine:
        return coroutine(link, int(number))
    return async_generator(link, int(number))


async def coroutine(link, number: int):
    return link.use("run", number)


async def async_generator(link, number: int):
    while True:
        told = link.use("anext", number)
        if not told["items"]:
            return
        yield told["items"][0]


def first(told: object):
    """The item of an answer to `next`; StopIteration where there is none."""
    if told["items"]:
        return told["items"][0]
    if "error" in told and isinstance(told["error"], BaseException):
        raise told["error"]
    raise StopIteration(told.get("stop"))
