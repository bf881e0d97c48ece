"""Environments: what a start state is, which calls change it, and what the end is worth."""

import asyncio
from functools import partial
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.agents.environments.bookings import Bookings
from ponder.agents.environments.choice import ENVIRONMENTS, environment_maker
from ponder.agents.environments.environment import EnvironmentRun
from ponder.agents.environments.find_and_fix import FindAndFix
from ponder.agents.environments.hanoi import Hanoi
from ponder.agents.environments.tasks import environment_tasks
from ponder.agents.equipment import Equipment
from ponder.agents.tools.tool import ToolBroken, ToolError
from ponder.recipe.episodes import EnvironmentName
from ponder.recipe.python_function import PythonFunction
from ponder.sandbox.client import Sandbox


def carried_out(hotel: Bookings) -> None:
    """What a good clerk would do: all that goes is cancelled, then the rooms are given away so that all wishes are met."""
    wishes = [wish for wish in hotel._wishes if wish.day is not None]
    for wish in hotel._wishes:
        if wish.gone is not None:
            room, day = next(night for night, name in hotel._booked.items() if name == wish.guest)
            assert day == wish.gone
            hotel.cancel(room, day)
    free = {wish: [r for r, sleeps in hotel._sleeps.items() if sleeps >= wish.people and (r, wish.day) not in hotel._booked]
            for wish in wishes}  # fmt: skip
    for rooms in product(*free.values()):
        if len({(room, wish.day) for room, wish in zip(rooms, wishes, strict=True)}) == len(wishes):
            for room, wish in zip(rooms, wishes, strict=True):
                assert f"room {room}, sleeps {hotel._sleeps[room]}: free" in hotel.rooms_on(wish.day)
                hotel.book(room, wish.day, wish.guest)
            return
    raise AssertionError("the wishes cannot all be met")


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**31), rooms=st.integers(1, 8), days=st.integers(2, 7), orders=st.integers(1, 3))
def test_every_hotel_can_be_put_right_and_is_not_right_before(seed, rooms, days, orders):
    hotel = Bookings(rooms, days, min(orders, rooms * days // 2), taken=0.8)
    question = hotel.reset(seed)
    assert hotel.reset(seed) == question, "equal rows give equal states"
    assert hotel.reward()["score"] == 0
    carried_out(hotel)
    assert hotel.reward() == {"score": 1.0, "reason": "all carried out"}


def test_somebody_elses_booking_must_stay():
    hotel = Bookings()
    hotel.reset(3)
    carried_out(hotel)
    room, day = next(night for night, name in hotel._booked.items() if name not in {w.guest for w in hotel._wishes})
    hotel.cancel(room, day)
    assert hotel.reward() == {"score": 0.0, "reason": "somebody else's booking was changed"}


def test_a_hotel_tells_what_is_wrong_with_a_call():
    hotel = Bookings(rooms=2, days=3)
    hotel.reset(0)
    with pytest.raises(ToolError, match="there is no day 9; days are 1 to 3"):
        hotel.rooms_on(9)
    with pytest.raises(ToolError, match="there is no room 7; rooms are 1 to 2"):
        hotel.book(7, 1, "Ana")
    with pytest.raises(ToolError, match="is free on day"):
        [hotel.cancel(room, day) for room in (1, 2) for day in (1, 2, 3)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_towers_shortest_solution_wins_and_its_beginning_does_not(seed):
    game = Hanoi(1, 4, moves=1.0)
    game.reset(seed)

    def bring(disks: int, source: int, target: int) -> list[tuple[int, int]]:
        if not disks:
            return []
        third = 6 - source - target
        return [*bring(disks - 1, source, third), (source, target), *bring(disks - 1, third, target)]

    start = next(peg for peg, disks in game._pegs.items() if disks)
    *before, last = bring(len(game._pegs[start]), start, game._target)
    for move in before:
        game.move(*move)
    assert game.reward()["score"] == 0
    game.move(*last)
    assert game.reward()["score"] == 1
    with pytest.raises(ToolError, match="no moves left"):
        game.move(*reversed(last))


def test_a_larger_disk_never_lies_on_a_smaller_one():
    game = Hanoi(2, 2)
    game.reset(0)
    start = next(peg for peg, disks in game._pegs.items() if disks)
    one, other = [peg for peg in (1, 2, 3) if peg != start]
    game.move(start, one)
    with pytest.raises(ToolError, match="disk 2 is larger than disk 1"):
        game.move(start, one)
    with pytest.raises(ToolError, match=f"peg {other} is empty"):
        game.move(other, one)


def test_a_fault_is_found_and_mended():
    with Sandbox(workers=1) as sandbox:
        world = FindAndFix(sandbox)
        world.reset(5)
        solution = world._task.metadata["solution"]
        assert world.reward().status == "wrong", "the start is not yet right"
        assert "SyntaxError" in world.test("def f(x:\n return x")
        assert world.reward().status == "wrong", "the last program that was tested counts"
        assert world.test(solution) == "All tests pass."
        assert world.reward().status == "correct"


def test_every_broken_program_differs_from_its_own():
    from ponder.agents.environments.find_and_fix import broken
    from ponder.tasks.programs import program_tasks

    for number, task in enumerate(program_tasks(size=200)[:200]):
        solution = task.metadata["solution"]
        assert broken(solution, Random(number)) != solution


def test_names_of_recipes_are_those_of_the_table():
    from typing import get_args

    assert list(get_args(EnvironmentName)) == list(ENVIRONMENTS)


# ---- environments of anybody's ----


class Counter:
    """A world of one number."""

    def __init__(self, start: int = 0):
        self.start = start

    def reset(self, seed: int) -> str:
        self.value, self.seen = self.start, []
        return f"Count to {seed % 10}."

    def add(self, n: int) -> int:
        """adds"""
        self.seen.append(n)
        self.value += n
        return self.value

    def reward(self):
        return self.value / 10


def run_of(make, row=None) -> EnvironmentRun:
    return EnvironmentRun(make, {"seed": 7} if row is None else row)


def test_calls_of_one_turn_change_a_state_in_their_order():
    async def play():
        run = run_of(Counter)
        run.begin("Count to 7.")
        (add,) = run.tools
        answers = await asyncio.gather(*(add.call({"n": n}) for n in range(5)))
        return answers, run._environment.seen, await run.outcome(5)

    answers, seen, outcome = asyncio.run(play())
    assert seen == [0, 1, 2, 3, 4] and answers == [0, 1, 3, 6, 10]
    assert (outcome.status, outcome.score) == ("correct", 1.0)


def test_a_start_state_that_is_not_the_tasks_is_broken():
    run = run_of(Counter)
    with pytest.raises(ToolBroken, match="let equal rows give equal states"):
        run.begin("Count to 8.")
    with pytest.raises(ToolBroken, match="reset: TypeError"):
        run_of(Counter, {"seed": 7, "more": 1}).begin("Count to 7.")


def test_a_call_that_does_not_end_leaves_an_environment_that_nobody_judges():
    import threading

    held = threading.Event()

    class Stuck(Counter):
        def wait(self) -> str:
            """waits"""
            held.wait()
            return "done"

    async def play():
        run = run_of(Stuck)
        run.begin("Count to 7.")
        tools = {tool.name: tool for tool in run.tools}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await tools["wait"].call({})
        with pytest.raises(ToolBroken, match="wait did not end in time"):
            await tools["add"].call({"n": 1})
        return await run.outcome(5)

    try:
        outcome = asyncio.run(play())
    finally:
        held.set()
    assert outcome.status == "error" and "nobody knows the environment's state" in outcome.reason


def test_a_close_that_fails_or_hangs_ends_nothing_and_is_told(monkeypatch, caplog):
    import threading

    held = threading.Event()
    monkeypatch.setattr("ponder.agents.equipment.CLOSE_S", 0.05)

    class Hangs(Counter):
        def close(self):
            held.wait()

    class Gone:
        name = "python"

        async def close(self):
            raise OSError("the sandbox is gone")

    try:
        asyncio.run(Equipment([Gone()], run_of(Hangs)).close())
    finally:
        held.set()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["closing python: OSError: the sandbox is gone", "closing the environment: TimeoutError"]


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (True, "correct", "1 by"),
        (0.25, "wrong", "0.25 by"),
        ({"score": 0.5, "reason": "half"}, "wrong", "half"),
        (7, "error", "a score is a number from 0 to 1"),
        (None, "error", "is a `return` missing"),
        (float("nan"), "error", "a score is a number from 0 to 1"),
        ("good", "error", "of type str"),
        (ZeroDivisionError("x"), "error", "ZeroDivisionError: x"),
        (StopIteration(), "error", "StopIteration"),
    ],
)
def test_what_a_reward_says_is_a_verdict_or_an_error(said, status, reason):
    class World(Counter):
        def reward(self):
            if isinstance(said, Exception):
                raise said
            return said

    verdict = asyncio.run(run_of(World).outcome(5))
    assert verdict.status == status and reason in verdict.reason


BROKEN = {
    "NoReset": ("def reward(self): return 1\n def go(self): 'goes'", "it has no method reset"),
    "NoTool": ("def reset(self, seed): return 'x'\n def reward(self): return 1", "has no method that a model could call"),
    "NoDocstring": ("def reset(self, seed): return 'x'\n def reward(self): return 1\n def go(self): return 1", "no docstring"),
    "NoType": ("def reset(self, seed): return 'x'\n def reward(self): return 1\n def go(self, a): 'goes'", "has no type"),
    "Waits": ("def reset(self, seed): return 'x'\n def reward(self): return 1\n async def go(self): 'goes'", "write def"),
    "Raises": ("def __init__(self): raise KeyError('k')", "cannot be made with the settings {}: KeyError"),
    "Silent": ("def reset(self, seed): pass\n def reward(self): return 1\n def go(self): 'goes'", "returns None; return the text"),
    "Fails": ("def reset(self, seed): return 1 / 0\n def reward(self): return 1\n def go(self): 'goes'", "ZeroDivisionError"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_class_that_is_no_environment_is_refused_in_a_sentence(name, tmp_path):
    body, told = BROKEN[name]
    file = tmp_path / "mine.py"
    file.write_text(f"class {name}:\n {body}\n")
    choice = PythonFunction(python=f"{file}:{name}")
    with pytest.raises(ValueError, match=told):
        environment_tasks(choice, {}, None, 3, 0, "mine")[0]


def test_settings_that_cannot_be_are_refused_with_the_environments_name():
    for name, wrong, told in [
        ("bookings", {"rooms": 0}, "bookings cannot be made .* rooms must be 1 to 50"),
        ("hanoi", {"disks": 3}, "hanoi cannot be made .*unexpected keyword argument 'disks'"),
        ("find_and_fix", {"max_steps": 1}, "find_and_fix cannot be made .* programs of 2 to 1 steps"),
    ]:
        with pytest.raises(ValueError, match=told):
            environment_maker(name, wrong, Sandbox())


def test_rows_of_files_are_start_states(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"seed": 3}\n{"seed": 14}\n')
    file = tmp_path / "counting.py"
    file.write_text(
        "class Counter:\n"
        " def reset(self, seed: int) -> str:\n  return f'Count to {seed}.'\n"
        " def add(self, n: int) -> int:\n  'adds'\n  return n\n"
        " def reward(self):\n  return 0\n"
    )
    choice = PythonFunction(python=f"{file}:Counter")
    tasks = environment_tasks(choice, {}, str(rows), 9, 0, "counting")
    assert [task.question for task in tasks] == ["Count to 3.", "Count to 14."]
    assert tasks[1].metadata["environment"]["row"] == {"seed": 14} and tasks[1].place.endswith("rows.jsonl, line 2")
    assert [tool["function"]["name"] for tool in tasks[0].tools] == ["add"]
    rows.write_text('{"seed": 3}\n{"sed": 14}\n')
    with pytest.raises(ValueError, match=r"line 2: counting.Counter.reset: TypeError"):
        environment_tasks(choice, {}, str(rows), 9, 0, "counting")


def test_tasks_of_seeds_are_made_as_they_are_asked_for_and_differ():
    tasks = environment_tasks("bookings", {"rooms": 3}, None, 50, 1, "hotel")
    assert len({task.id for task in tasks[:20]}) > 15 and tasks[7] == tasks[7]
    assert tasks[3] != environment_tasks("bookings", {"rooms": 3}, None, 50, 2, "hotel")[3]
    assert partial(Bookings, rooms=3)().reset(**tasks[3].metadata["environment"]["row"]) == tasks[3].question


def test_the_example_is_an_environment_and_the_one_in_the_docs():
    file = Path(__file__).parents[2] / "examples" / "my_world.py"
    assert file.read_text().split('"""\n\n\n', 1)[1].strip() in (file.parents[1] / "docs" / "agents.md").read_text()
    task = environment_tasks(PythonFunction(python=f"{file}:Lights"), {"lamps": 3}, None, 9, 0, "lamps")[4]
    lights = environment_maker(PythonFunction(python=f"{file}:Lights"), {"lamps": 3}, Sandbox())()
    assert lights.reset(**task.metadata["environment"]["row"]) == task.question
    for lamp, on in enumerate(list(lights.on), start=1):
        if not on:
            told = lights.switch(lamp)
            assert f"lamp {lamp} is on" in told
    assert lights.reward() == 1
