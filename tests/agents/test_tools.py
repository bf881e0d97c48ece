"""Functions as tools, the calculator, and the sandbox's Python."""

import asyncio
import math
import threading
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.agents.tools.calculator import calculator, calculator_tool
from ponder.agents.tools.functions import FunctionTool
from ponder.agents.tools.python import PythonTool
from ponder.agents.tools.tool import ToolBroken, ToolError
from ponder.sandbox.client import Sandbox


def call(tool, **arguments):
    return asyncio.run(tool.call(arguments))


def book(
    city: str, nights: int = 1, kind: Literal["single", "double"] = "single", tags: list[str] | None = None
) -> str:
    """Books a room.

    It is yours at once.

    Args:
        city: where it is
        nights (int): how long
            you stay
    Returns:
        the number of the booking
    """
    return f"{city} {nights} {kind} {tags}"


def test_a_schema_comes_from_hints_and_docstring():
    found = FunctionTool(book).schema["function"]
    assert found["name"] == "book" and found["description"] == "Books a room.\n\nIt is yours at once."
    parameters = found["parameters"]
    assert parameters["required"] == ["city"] and parameters["additionalProperties"] is False
    assert parameters["properties"]["city"] == {"type": "string", "description": "where it is"}
    assert parameters["properties"]["nights"] == {"type": "integer", "description": "how long", "default": 1}
    assert parameters["properties"]["kind"]["enum"] == ["single", "double"]


def test_arguments_are_checked_and_the_functions_own_defaults_hold():
    tool = FunctionTool(book)
    assert call(tool, city="Ulm") == "Ulm 1 single None"
    assert call(tool, city="Ulm", nights="3", tags=["a"]) == "Ulm 3 single ['a']", "what can be read as a number is one"
    for arguments, message in (
        ({}, "argument city: field required"),
        ({"city": 3}, "argument city: input should be a valid string"),
        ({"city": "Ulm", "nights": "many"}, "argument nights: input should be a valid integer"),
        ({"city": "Ulm", "night": 2}, "argument night: extra inputs are not permitted"),
        ({"city": "Ulm", "kind": "triple"}, "argument kind: input should be 'single' or 'double'"),
    ):
        with pytest.raises(ToolError, match=message):
            call(tool, **arguments)


def test_functions_that_can_be_no_tools():
    def untyped(a):
        """x"""

    def open_ended(*args: int):
        """x"""

    def silent(a: int) -> int:
        return a

    def locked(a: threading.Event):
        """x"""

    for function, message in (
        (untyped, "argument a has no type"),
        (open_ended, "named arguments"),
        (silent, "no docstring"),
        (locked, "its arguments can be no JSON"),
    ):
        with pytest.raises(ValueError, match=f"tool {function.__name__}: .*{message}"):
            FunctionTool(function)


def test_what_a_function_raises_is_told():
    def divide(a: int) -> float:
        """divides"""
        return 1 / a

    def leaves() -> None:
        """leaves"""
        raise SystemExit(3)

    def stops() -> None:
        """stops"""
        raise StopIteration

    def broken() -> None:
        """is broken"""
        raise ToolBroken("gone")

    with pytest.raises(ToolError, match="ZeroDivisionError: division by zero"):
        call(FunctionTool(divide), a=0)
    for function, name in ((leaves, "SystemExit"), (stops, "StopIteration")):
        with pytest.raises(ToolError, match=name):
            call(FunctionTool(function))
    with pytest.raises(ToolBroken, match="gone"):
        call(FunctionTool(broken))


def test_a_function_that_hangs_holds_nobody_up():
    release = threading.Event()

    def hangs() -> str:
        """hangs"""
        release.wait()
        return "too late"

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await FunctionTool(hangs).call({})

    asyncio.run(main())
    release.set()


def test_async_functions_run_in_the_loop():
    async def here() -> bool:
        """is it here?"""
        return threading.current_thread() is threading.main_thread()

    def elsewhere() -> bool:
        """is it here?"""
        return threading.current_thread() is threading.main_thread()

    assert call(FunctionTool(here)) is True and call(FunctionTool(elsewhere)) is False


@pytest.mark.parametrize(
    ("expression", "value"),
    [("(3 + 4) * 12 / 5", "16.8"), ("2^10", "1024"), ("7 // 2 % 2", "1"), ("-sqrt(2) ** 2", str(-(math.sqrt(2) ** 2))),
     ("max(1, 2, pi)", str(math.pi)), ("gcd(12, 18)", "6"), ("2 ** 200", str(2**200)), (" 1 + 1 ", "2")],
)  # fmt: skip
def test_the_calculator(expression, value):
    assert call(calculator_tool(), expression=expression) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [("1 / 0", "division by zero"), ("9**9**9**9", "too large"), ("(-8) ** 0.5", "no real number"), ("x + 1", "x is nothing"),
     ("__import__('os')", "nothing that a calculator knows"), ("1 +", "no arithmetic expression"), ("'a' * 9", "nothing"),
     ("[1][0]", "nothing"), ("1" * 2000, "at most 1,000"), ("(" * 900, "no arithmetic"), ("lcm(2**60000, 3**60000)", "too large"),
     ("True + 1", "nothing"), ("exp(1000)", "math range error")],
)  # fmt: skip
def test_what_a_calculator_does_not_do(expression, message):
    with pytest.raises(ToolError, match=message):
        calculator(expression)


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_an_error_for_the_model(text):
    try:
        assert isinstance(calculator(text), str)
    except ToolError as error:
        assert str(error)


def test_python_keeps_its_variables_and_says_what_went_wrong():
    async def main():
        with Sandbox(workers=1) as sandbox:
            tool = PythonTool(sandbox, seconds=1.0)
            said = [
                await tool.call({"code": code})
                for code in ("x = 20\nprint('hello')\nx + 1", "x += 1", "x", "1 / 0", "while True: pass", "x", "import os; os._exit(3)", "x")
            ]  # fmt: skip
            with pytest.raises(ToolError, match="Python source"):
                await tool.call({"source": "1"})
            await tool.close()
            return said

    first, silent, value, error, loop, still, ended, new = asyncio.run(main())
    assert first == "hello\n21" and silent == "(nothing was printed)" and value == "21" == still
    assert error.endswith("ZeroDivisionError: division by zero")
    assert "interrupted: it took longer than 1 s" in loop
    assert "variables are gone" in ended and "NameError" in new


def test_a_sandbox_that_is_gone_is_no_fault_of_the_models():
    sandbox = Sandbox(workers=1)
    sandbox.close()
    with pytest.raises(ToolBroken, match="the sandbox: this sandbox is closed"):
        call(PythonTool(sandbox), code="1")
