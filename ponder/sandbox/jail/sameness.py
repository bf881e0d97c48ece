"""When two objects of the program are equal for the tests.

The program's own comparison must say so, and what the two hold must bear it out: the fields, read without the class's
help and as they were when the object came over, so that nothing made later can change an earlier answer. Objects that
hold nothing of what they were made of could stand for anything, and are not compared.
"""

from json import dumps, loads

from jail import values
from jail.raised import NotData
from jail.remote import MADE, is_data, is_object, remote_of

TRIES = 3


def equal(mine: object, other: object):
    """Whether an object equals another; NotImplemented where the other is an object of the tests. Raises NotData."""
    if other is None:
        return False
    if not is_object(other):
        if not is_data(other):
            return NotImplemented
        remote = remote_of(mine)
        if "__eq__" not in type(mine).__operators__:
            return False
        if remote.level == MADE and remote.link.ask("equal", remote.number, (other,)) is False:
            return False  # that it is another thing is all that its class may say
        raise NotData("the program returned an object that is not data, where data is compared")
    first, second = remote_of(mine), remote_of(other)
    if first.number == second.number:
        if first.shifted or second.shifted:
            raise NotData(
                f"{type(mine).__name__}(...) gives the same object whatever it is given: there is nothing to compare"
            )
        return True
    if first.link.ask("equal", first.number, (other,)) is not True:
        return False
    if _state(mine) != _state(other):
        # Equal in the eyes of a class under test, as 1/2 is 2/4, if it can also tell objects apart.
        if first.level == second.level == MADE and _tells_apart(mine, other):
            return True
        raise NotData(f"two objects of {type(mine).__name__} are equal by their class's __eq__, not by what they hold")
    for one in (mine, other):
        _check_holds_something(one)
    if first.level != MADE and second.level != MADE and len(loads(_state(mine))) == 2:
        raise NotData(f"objects of {type(mine).__name__} hold nothing: there is nothing to compare")
    return True


def equal_data(mine: object, other: object, base: type):
    """The same for objects of classes based on data, where the data are equal."""
    same = base.__eq__(mine, other)
    first, second = remote_of(mine), remote_of(other)
    if same is not True or first is None or second is None:
        return same
    if first.number == second.number and (first.shifted or second.shifted):
        raise NotData(
            f"{type(mine).__name__}(...) gives the same object whatever it is given: there is nothing to compare"
        )
    for one in (mine, other):
        _check_holds_something(one)
    return same


def _state(one: object) -> str:
    remote = remote_of(one)
    if remote.content:
        return dumps(
            values.to_data(
                type(one).__data__(one) if not hasattr(one, "_fields") else tuple(one), remote.link.write_other
            )
        )
    if remote.state is None:
        remote.state = str(remote.link.ask("state", remote.number))
    return remote.state


def _check_holds_something(one: object) -> None:
    """Raises NotData where an object that the tests made of arguments holds the same whatever these are."""
    remote = remote_of(one)
    given = remote.given
    if given is None or not (given["~tuple"][0]["~tuple"] or given["~tuple"][1]["~dict"]):
        return
    state = _state(one)
    leaves = set(_leaves(given, remote.link))
    if not leaves and len(loads(state)) > 2:
        return
    if leaves & set(_leaves(loads(state))):
        return
    for other in remote.link.objects.values():
        if type(other) is not type(one) or remote_of(other).given in (None, given):
            continue
        if _state(other) != state:
            return
    for other in _made_otherwise(one):
        if _state(other) != state:
            return
    raise NotData(f"objects of {type(one).__name__} hold nothing of what they are made of: there is nothing to compare")


def _tells_apart(mine: object, other: object) -> bool:
    """Whether the class calls an object made of other arguments unequal."""
    link = remote_of(mine).link
    for odd in (*_made_otherwise(mine), *_made_otherwise(other)):
        if link.ask("equal", remote_of(mine).number, (odd,)) is False:
            return True
    return False


def _made_otherwise(one: object) -> list[object]:
    """Objects of the same class, made of arguments that differ a little."""
    remote = remote_of(one)
    found = []
    for step in range(1, TRIES + 1):
        try:
            args, kwargs = remote.link.read(_varied(remote.given, step))
            made = remote.link.ask("call", type(one).__number__, args, kwargs)
        except Exception:  # it may refuse such arguments, or they hold an object
            continue
        if type(made) is type(one) and remote_of(made).number != remote.number:
            found.append(made)
    return found


def _leaves(data: object, link=None):
    """The numbers and texts in tagged data, and with `link` in what objects hold that occur there."""
    todo = [data]
    while todo:
        item = todo.pop()
        if link is not None and isinstance(item, dict) and "~handle" in item:
            held = link.objects.get(item["~handle"][0])
            item = loads(_state(held)) if is_object(held) else item["~handle"][1]
        if isinstance(item, list):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, int | float | str) and not isinstance(item, bool):
            yield item


def _varied(data: object, step: int):
    """Tagged data with its numbers and texts changed."""
    if isinstance(data, list):
        return [_varied(item, step) for item in data]
    if isinstance(data, dict):
        return {
            tag: _varied_pairs(inner, step) if tag == "~dict" else _varied(inner, step) for tag, inner in data.items()
        }
    if isinstance(data, bool) or data is None:
        return data
    if isinstance(data, int):
        return data + step
    if isinstance(data, float):
        return data + step / 2
    if isinstance(data, str) and data:
        last = data[-1]
        if last.isdigit():
            return data[:-1] + str((int(last) + step) % 10)
        return data[:-1] + (
            chr(ord("a") + (ord(last.lower()) - ord("a") + step) % 26) if last.isalpha() else last + "a"
        )
    return data


def _varied_pairs(pairs: list, step: int) -> list:
    return [[key, _varied(value, step)] for key, value in pairs]
