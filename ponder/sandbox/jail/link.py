"""The way from test code to the program, which runs in another process: one step, one answer, as data.

What the program's process sends may be anything. What comes of it here is data that is rebuilt, a stand-in for one of
its objects (jail.handles), or an exception; the program's own code never runs here.
"""

import socket
import threading
from json import dumps, loads

from jail import calls, classes, enumerations, foreign, functions, handles, iterators, libraries, raised, values, wire
from jail.remote import MADE, NAMED, remote_of
from jail.surroundings import Surroundings

REQUEST = b"?"


class JudgeGone(BaseException):
    """The judge has closed the channel."""


class Link:
    """One request, one answer. `asked` counts what the test code has asked for."""

    def __init__(self, judge: socket.socket, surroundings: Surroundings):
        self._judge, self._surroundings = judge, surroundings
        self._classes_told: dict[int, dict] = {}
        self.classes: dict[int, type] = {}
        self.objects: dict[int, object] = {}  # the stand-ins, so that the same object is the same here
        self.foreign = foreign.Foreign(self)
        self._raised: dict[int, BaseException] = {}  # by identity, which they keep as long as they are kept here
        self._lock = threading.RLock()  # threads of the tests take turns
        self.asked = 0

    def use(self, operation: str, target: str | int | None, args: tuple = (), kwargs: dict | None = None) -> object:
        """One step of the test code's. Raises what the program raised."""
        self.asked += 1
        value = self.ask(operation, target, args, kwargs or {})
        if operation in ("call", "method", "attribute"):
            remote = remote_of(value)
            if remote is not None and remote.level == MADE:
                remote.level = NAMED  # an object that gives itself for an answer is no more than what it gives
        return value

    def ask(self, operation: str, target: str | int | None, args: tuple = (), kwargs: dict | None = None) -> object:
        """A step that says nothing of whether the program was put to the test."""
        with self._lock:
            return self._ask(operation, target, args, kwargs)

    def _ask(self, operation: str, target: str | int | None, args: tuple, kwargs: dict | None) -> object:
        kwargs = kwargs or {}
        with values.deep():
            request = {
                "operation": operation,
                "target": target,
                "args": [values.to_data(item, self.write_other) for item in args],
                "kwargs": {name: values.to_data(item, self.write_other) for name, item in kwargs.items()},
                **self._surroundings.told(self),
            }
            content = handles.content_of(self.objects.get(target)) if type(target) is int else None
            if content is not None:
                request["content"] = content
        envelope = self._exchange(request)
        while "question" in envelope:
            envelope = self._exchange(self.foreign.answer(envelope["question"]))
        error = None
        try:
            self._surroundings.take(envelope, self)
        except values.UNREADABLE as unreadable:
            error = raised.CandidateError(f"what came back is no value: {type(unreadable).__name__}")
        try:
            if error is not None:
                value = None
            elif "raised" in envelope:
                error = raised.make_error(self, envelope["raised"])
            else:
                value = self.read(envelope["value"])
                self._take_changes(envelope, args, kwargs)
        except raised.CandidateError:
            raise
        except Exception as unreadable:  # a library's own way to say that it is none
            error = raised.CandidateError(f"what came back is no value: {type(unreadable).__name__}")
        if error is None:
            return value
        self.note_raised(error)
        raise error

    def _exchange(self, request: dict) -> dict:
        """Sends a request; the envelope that answers it."""
        with values.deep():
            try:
                wire.send(self._judge, REQUEST + dumps(request).encode())
                answer = wire.receive(self._judge)
            except (EOFError, OSError):
                raise JudgeGone from None
            try:
                envelope = loads(answer[1:])
                if answer[:1] == calls.ERROR:
                    envelope = {"raised": {**envelope, "class": None, "args": None}}
                elif answer[:1] != calls.VALUE or not envelope.keys() & {"value", "raised", "question"}:
                    envelope = {"value": {"no": "value"}}
                for number, told in envelope.get("classes", {}).items():
                    self._classes_told.setdefault(int(number), told)
            except values.UNREADABLE:
                envelope = {"value": {"no": "value"}}
        return envelope

    def read(self, data: object) -> object:
        """Raises values.UNREADABLE."""
        with values.deep():
            return values.from_data(data, self.read_other)

    def note_raised(self, error: BaseException) -> None:
        """An error of the program's, wherever it comes up."""
        self._raised[id(error)] = error

    def has_raised(self, error: BaseException | None) -> bool:
        """Whether the program raised this error, or one that led to it."""
        seen = 0
        while error is not None and seen < 1000:
            if id(error) in self._raised:
                return True
            error, seen = error.__cause__ or error.__context__, seen + 1
        return False

    # ---- values ----

    def class_of(self, number: int) -> type:
        if number not in self.classes:
            if number not in self._classes_told:
                raise ValueError("no class has that number")
            told = self._classes_told.pop(number)  # a class that would be its own ancestor finds nothing here
            self.classes[number] = classes.make_class(self, number, told)
        return self.classes[number]

    def read_other(self, tag: str, inner):
        """What stands for a value of the program's that is no plain data."""
        match tag:
            case "~object":
                return handles.make_object(self, *inner)
            case "~class":
                return self.class_of(inner)
            case "~member":
                return enumerations.find_member(self, *inner)
            case "~error":
                return raised.make_error(self, inner)
            case "~function":
                return functions.Function(self, int(inner[0]), str(inner[1]), str(inner[2]))
            case "~iterator":
                return iterators.make_iterator(self, int(inner[0]), inner[1] == "generator")
            case "~async":
                return iterators.make_async(self, *inner)
            case "~module":
                return functions.Module(self, int(inner[0]), str(inner[1]))
            case "~of tests":
                return self.foreign.find_tuple(inner[0])._make([self.read(item) for item in inner[1]])
            case "~foreign":
                return self.foreign.find(inner)
            case "~symbolic":
                return libraries.read_symbolic(inner)
        raise ValueError(f"not a value: {str(tag)[:40]}")

    def write_other(self, value: object):
        """What the program's side makes of a value of the tests' side that is no plain data."""
        return handles.write(value) or self.foreign.write(value)

    def _take_changes(self, envelope: dict, args: tuple, kwargs: dict) -> None:
        """Brings the tests' side up to date with what a step has done to the objects that took part in it."""
        for place, after in envelope.get("changed", ()):
            handles.update(args[place] if isinstance(place, int) else kwargs[place], self.read(after))
        for number, told in envelope.get("told", {}).items():
            handles.refresh(self, int(number), told)
