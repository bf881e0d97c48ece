"""Taking test code apart into its assertions."""

import pytest

from ponder.sandbox.audit.asserts import taken_apart


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("f(1)", 1),
        ("assert f(1) == 1", 1),
        ("assert f(1) == 1\nassert f(2) == 2\nx = 3", 2),
        ("def check(c):\n    assert c(1)\n    for i in [1]:\n        assert c(i)\n", 2),
        ("class T(TestCase):\n    def test(self):\n        self.assertEqual(f(1), 1)\n        assert f(2)\n", 2),
        ("with self.assertRaises(ValueError):\n    f(1)\nassert f(2)\nassert f(3)", 2),
    ],
)
def test_each_assertion_stands_alone(code, count):
    parts = taken_apart(code)
    assert len(parts) == count
    if count > 1:
        for part in parts:
            assert part.count("assert ") + part.count("assertEqual") == 1
            compile(part, "part", "exec")
        assert len(set(parts)) == count


def test_what_is_no_assertion_stays():
    first, second = taken_apart("x = f(1)\nassert x\ny = f(2)\nassert y")
    assert "y = f(2)" in first and "assert y" not in first
    assert "x = f(1)" in second and "assert x" not in second
