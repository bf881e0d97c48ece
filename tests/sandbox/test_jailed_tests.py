"""Test code in a jail of its own, and the program's objects as it sees them."""

import pytest

from ponder.sandbox import CodeTest, Limits
from tests.sandbox.test_forms import outcome


@pytest.mark.parametrize(
    ("source", "code", "expected"),
    [
        ("def f(x): return (x, {x})", "assert f(1) == (1, {1})", "passed"),
        ("def f(x): return x", "assert f(1) == 2", "wrong_answer"),
        (
            "def f(x): raise ValueError(x)",
            "try:\n    f(1)\nexcept ValueError:\n    pass\nelse:\n    assert False",
            "passed",
        ),
        (
            "class P:\n    def __init__(s, a): s.a = a\n    def get(s): return s.a",
            "p = P(3)\nassert p.get() == 3 and p.a == 3",
            "passed",
        ),
        ("def f(): yield from [1, 2]", "assert list(f()) == [1, 2]", "passed"),
        ("def f(x): return x", "def check(candidate):\n    assert candidate(1) == 1", "passed"),
        ("def f(x): return 2", "def check(candidate):\n    assert candidate(1) == 1", "wrong_answer"),
        ("class E:\n    def __eq__(s, o): return True\ndef f(x): return E()", "assert f(1) == 2", "wrong_answer"),
        ("class E:\n    def __bool__(s): return True\ndef f(x): return E()", "assert f(1)", "wrong_answer"),
        ("class E(int):\n    def __eq__(s, o): return True\ndef f(x): return E(3)", "assert f(1) == 2", "wrong_answer"),
        ("def f(x): raise StopIteration", "assert all(map(f, [1, 2]))", "runtime_error"),
        ("def f(x): raise SystemExit(0)", "assert f(1) == 2", "runtime_error"),
        ("def g(x): return x", "assert f(1) == 1", "runtime_error"),
        ("def f(x):\n    while True: pass", "assert f(1) == 1", "timeout"),
        ("def f(x): return x", "assert f(1 == 1", "infrastructure_error"),
        ("def f(x): return x", "import nothing_of_that_name", "infrastructure_error"),
        (
            "def f(x): return x[0]",
            "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(f([1]), 1)\n"
            "        with self.assertRaises(IndexError): f([])",
            "passed",
        ),
        ("def f(x): return x[1]", "from solution import f\ndef test_it():\n    assert f([1, 2]) == 1", "wrong_answer"),
        (
            "def f(x): return x + 1",
            "import pytest\n@pytest.mark.parametrize('a, b', [(1, 2), (2, 3)])\ndef test_it(a, b):\n    assert f(a) == b",
            "passed",
        ),
        (
            "def f(x): return 2",
            "import pytest\n@pytest.mark.parametrize('a', [1, 2])\ndef test_it(a):\n    assert f(a) == a",
            "wrong_answer",
        ),
    ],
)
def test_test_code(sandbox, source, code, expected):
    tests = [CodeTest(code=code, entry_point="f" if "check(" in code else None)]
    assert outcome(sandbox, source, tests, limits=Limits(timeout_s=0.5 if expected == "timeout" else 5.0)) == expected


@pytest.mark.parametrize(
    "error",
    [
        "ImportError",
        "SyntaxError",
        "ModuleNotFoundError",
        "type('ImportError', (Exception,), {})",
        "type('X', (ImportError,), {})",
    ],
)
def test_a_program_cannot_blame_the_tests(sandbox, error):
    """An infrastructure error would take a bad answer out of the loss."""
    tests = [CodeTest(code="assert f(1) == 2")]
    assert outcome(sandbox, f"def f(x): raise {error}", tests) == "runtime_error"
    again = [CodeTest(code="try:\n    f(1)\nexcept Exception as error:\n    raise ValueError from error")]
    assert outcome(sandbox, f"def f(x): raise {error}", again) == "runtime_error"


def test_large_answers_do_not_blame_the_tests(sandbox):
    tests = [CodeTest(code="assert dec(enc(1), enc(2)) == 3")]
    source = "def enc(x): return 'a' * (20 << 20)\ndef dec(a, b): return 3"
    assert outcome(sandbox, source, tests) == "output_limit"


@pytest.mark.parametrize(
    "code",
    [
        "def check(candidate):\n    assert candidate(1) == 2",
        "def not_a_test():\n    assert f(1) == 2",
        "pass",
    ],
)
def test_tests_that_test_nothing_do_not_pass(sandbox, code):
    assert outcome(sandbox, "def f(x): return 0", [CodeTest(code=code)]) == "infrastructure_error"


CLASSES = """
from dataclasses import dataclass
import asyncio
PI = 3.14
class MyError(ValueError): pass
@dataclass
class P:
    x: int
    y: object = None
    def __add__(self, other): return P(self.x + other.x)
    def __lt__(self, other): return self.x < other.x
    def __contains__(self, item): return item == self.x
def fail(): raise MyError("no")
class Open:
    def __enter__(self): return 5
    def __exit__(self, *error): return None
async def later(x): return x + 1
def same(kind, x): return kind(x)
class Liar:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return True
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("assert PI == 3.14 and PI > 3", "passed"),
        ("p = P(1)\nassert p.x == 1 and p.y is None and p.x + 1 == 2 and isinstance(p.x, int)", "passed"),
        ("assert P(1) == P(1) and P(1) != P(2) and P(1) + P(2) == P(3) and P(1) < P(2) and 1 in P(1)", "passed"),
        ("p = P(1)\np.y = P(2)\nassert p.y.x == 2 and repr(P(1)) == 'P(x=1, y=None)'", "passed"),
        ("assert isinstance(P(1), P) and not isinstance(3, P)", "passed"),
        ("import asyncio\nassert asyncio.run(later(1)) == 2", "passed"),
        ("async def test_it():\n    assert await later(1) == 2", "passed"),
        ("async def test_it():\n    assert await later(1) == 3", "wrong_answer"),
        ("try:\n    fail()\nexcept MyError as error:\n    assert str(error) == 'no'", "passed"),
        ("try:\n    fail()\nexcept ValueError:\n    pass", "passed"),
        ("import pytest\nwith pytest.raises(MyError):\n    fail()", "passed"),
        ("assert same(str, 1) == '1'", "passed"),
        ("with Open() as five:\n    assert five == 5", "passed"),
        ("assert Liar(1) == Liar(2)", "wrong_answer"),
        ("assert Liar(1) != 1", "wrong_answer"),
        ("if __name__ == '__main__':\n    assert P(1).x == 2", "wrong_answer"),
        ("import unittest\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): cls.p = P(1)\n"
         "    @unittest.skip('')\n    def test_a(self): self.fail()\n    def test_b(self): self.assertEqual(self.p.x, 1)\n"
         "unittest.main()", "passed"),
        ("import pytest\nclass TestP:\n    def setup_method(self): self.p = P(1)\n"
         "    @pytest.mark.parametrize('a', [1])\n    def test_a(self, a): assert self.p.x == a", "passed"),
    ],
)  # fmt: skip
def test_classes_of_the_program(sandbox, code, expected):
    assert outcome(sandbox, CLASSES, [CodeTest(code=code)]) == expected


def test_setup_may_use_the_program(sandbox):
    source = "class Node:\n    def __init__(self, x): self.x, self.left = x, None\ndef depth(n): return 0 if n is None else 1 + depth(n.left)"
    test = CodeTest(setup="root = Node(1)\nroot.left = Node(2)", code="assert depth(root) == 2")
    assert outcome(sandbox, source, [test]) == "passed"


def test_helpers_of_the_tests_are_not_the_programs(sandbox):
    """A program that redefines what the tests are built on gains nothing."""
    test = CodeTest(code="assert decode(encode('ab')) == 'ab'", setup="def encode(s): return s[::-1]")
    assert outcome(sandbox, "def decode(s): return s[::-1]", [test]) == "passed"
    assert outcome(sandbox, "def encode(s): return s\ndef decode(s): return s", [test]) == "wrong_answer"
