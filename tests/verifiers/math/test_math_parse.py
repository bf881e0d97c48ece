import pytest

from ponder.verifiers.math.parse import parse
from ponder.verifiers.math.plus_minus import variants
from ponder.verifiers.math.tree import Node, OverBudget, Unreadable


def show(node) -> str:
    """A tree as a short text: operators in front, numbers and names bare."""
    if not isinstance(node, Node):
        return str(node) if not isinstance(node, tuple) else " ".join(show(part) for part in node)
    if node.op in ("num", "sym", "const", "text"):
        return str(node.args[0])
    return f"{node.op}({', '.join(show(part) for part in node.args)})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1250", "1250"),
        ("10,080", "10080"),
        ("(10,080)", "seq((, ), 10, 80)"),
        ("2.5e-3", "1/400"),
        (r"0.1\overline{6}", "1/6"),
        (r"\frac12", "div(1, 2)"),
        (r"\frac 59", "div(5, 9)"),
        (r"\frac1{x}", "div(1, x)"),
        (r"2\frac58", "21/8"),
        (r"2\frac{x}{8}", "mul(2, div(x, 8))"),
        ("137 1/2", "275/2"),
        ("-2^2", "mul(-1, pow(2, 2))"),
        ("9^9^9", "pow(9, pow(9, 9))"),
        ("2^6 3^5", "mul(pow(2, 6), pow(3, 5))"),
        ("3*x", "mul(3, x)"),
        ("2xy", "mul(2, x, y)"),
        ("x_1+x_{1}", "add(x_1, x_1)"),
        ("sqrt(2)/2", "div(pow(2, 1/2), 2)"),
        (r"\sqrt[3]{4}", "call(root, 4, 3)"),
        (r"\sqrt2x", "mul(pow(2, 1/2), x)"),
        (r"\sin^2 2x", "pow(call(sin, mul(2, x)), 2)"),
        (r"\sin x\cos x", "mul(call(sin, x), call(cos, x))"),
        (r"\tan^{-1}(2)", "call(arctan, 2)"),
        (r"\log_{10} 2", "call(log, 2, 10)"),
        (r"e^{-x}", "pow(e, mul(-1, x))"),
        ("|x-1|", "call(abs, add(x, -1))"),
        (r"\lfloor n/2\rfloor", "call(floor, div(n, 2))"),
        ("n!", "call(fact, n)"),
        (r"\binom{n}{2}", "call(binom, n, 2)"),
        (r"{n \choose 2}", "call(binom, n, 2)"),
        ("f(2)", "apply(f, 2)"),
        ("x(x+1)", "mul(x, add(x, 1))"),
        ("p(x)=2x", "rel(=, apply(p, x), mul(2, x))"),
        (r"1\pm\sqrt2", "add(1, pm(pow(2, 1/2), +-))"),
        ("52_8", "based(52, 8)"),
        (r"28\%", "percent(28)"),
        (r"45^{\circ}", "degree(45)"),
        (r"864 \mbox{ inches}^2", "unit(864, inches2)"),
        (r"\$18.90", "unit(189/10, dollars)"),
        (r"12^{\mathrm{th}}", "12"),
        ("7:32", "ratio(7, 32)"),
        ("1, 2 and 3", "list(1, 2, 3)"),
        ("x=1 or x=2", "alt(rel(=, x, 1), rel(=, x, 2))"),
        (r"\{1,2\}", "set(1, 2)"),
        ("{1,2}", "set(1, 2)"),
        ("[0,1)", "seq([, ), 0, 1)"),
        (r"\{x \mid x<2\}", "builder(x, rel(<, x, 2))"),
        (r"\{x \in \mathbb{R} : x<2\}", "builder(rel(in, x, R), rel(<, x, 2))"),
        (r"(0,1)\cup(2,3)", "union(seq((, ), 0, 1), seq((, ), 2, 3))"),
        (r"\{x|x<2\} - \{0\}", "minus(builder(x, rel(<, x, 2)), set(0))"),
        ("1 < x <= 2", "rel(< <=, 1, x, 2)"),
        (r"x=\frac13\approx 0.33", "rel(=, x, div(1, 3))"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "matrix(1 2, 3 4)"),
        (r"\begin{cases}x=1\\y=2\end{cases}", "list(rel(=, x, 1), rel(=, y, 2))"),
        (r"\text{Evelyn}", "evelyn"),
        ("f(x)=1 \\text{ for all } x>0", "rel(=, apply(f, x), 1)"),
        (r"\text{the answer is } 5", "5"),
        (r"k\pi, k\in\mathbb{Z}", "mul(integer 0, pi)"),
        (r"\sum_{k=1}^{n} k", "big(sum, counted 0, rel(=, counted 0, 1), n)"),
        ("1,2,\\ldots,n", "list(1, 2, dots(), n)"),
    ],
)
def test_trees(text, tree):
    assert show(parse(text)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "1 2",
        "x+",
        "(1",
        "1)",
        "\\frac{1}",
        "\\foo",
        "^",
        "\x00",
        "8\u202e",
        "👍",
        "\\begin{pmatrix}1",
        "\\{\\}|",
    ],
)
def test_unreadable(text):
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 40 + "1" + ")" * 40,
        "2^" * 60 + "2",
        "1!" + "!" * 60,
        "1/" * 60 + "1",
        "1+" * 2000 + "1",
        "1" * 1999,
        "1e99999",
    ],
)
def test_over_budget(text):
    with pytest.raises(OverBudget):
        parse(text)


def test_signs_of_plus_minus_are_independent_unless_linked():
    assert len(variants(parse(r"(\pm 1, 0, \pm 2)"))) == 4
    assert [show(tree) for tree in variants(parse(r"(\pm 1, \mp 2)"))] == [
        "seq((, ), 1, mul(-1, 2))",
        "seq((, ), mul(-1, 1), 2)",
    ]


def test_what_a_sum_counts_by_has_no_name():
    assert parse(r"\sum_{k=2}^{m} k^3") == parse(r"\sum_{i=2}^{m} i^3")
    assert parse(r"\sum_{k=2}^{m} k^3") != parse(r"\sum_{k=3}^{m} k^3")
    inner, outer = r"\sum_{k=1}^{3}\sum_{j=1}^{2}", r"\sum_{a=1}^{3}\sum_{b=1}^{2}"
    assert parse(inner + "(k-j)") == parse(outer + "(a-b)") != parse(inner + "(j-k)")
