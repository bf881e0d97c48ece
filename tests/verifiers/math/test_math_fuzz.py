"""Whatever text comes, a verdict comes back; and what is equal by construction is judged equal."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.verifiers import Verdict
from ponder.verifiers.math import budget, compare
from ponder.verifiers.math.equality import same
from ponder.verifiers.math.parse import parse
from ponder.verifiers.math.tree import OverBudget, Unreadable
from ponder.verifiers.verifier import Job

REFERENCES = ["7", r"\sqrt{2}", "x^2+1", "(1,2)", "[0,1)", "1,2,3", r"\text{Evelyn}", "x<2", "y=2x+3", "50\\%", "52_8"]
SOUP = r"""
    \frac \sqrt \pi \infty \pm \le \cup \in \{ \} \text{or} \text{cm} \begin{pmatrix} \end{pmatrix} \\ & { } ( ) [ ]
    | , ; : = < > + - * / ^ _ ! % ' 0 1 2 10 .5 x y e i f sin log \ln \binom \lfloor \rfloor \circ \dots or and \mid
    \sum \int \overline $ \boxed{ 9^9^9 \mathbb{R}
"""
TOKENS = SOUP.split()


def verdict_of(answer: str, reference: str) -> str:
    found = compare(answer, reference)
    assert isinstance(found, Verdict | Job)
    return found.status if isinstance(found, Verdict) else "job"


@settings(max_examples=400, deadline=None)
@given(answer=st.text(max_size=80), reference=st.sampled_from(REFERENCES))
def test_any_text_gets_a_verdict(answer, reference):
    assert verdict_of(answer, reference) in ("correct", "wrong", "unparseable", "job")


@settings(max_examples=600, deadline=None)
@given(
    answer=st.lists(st.sampled_from(TOKENS), max_size=25).map(" ".join),
    reference=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12).map(" ".join),
)
def test_token_soup_gets_the_same_verdict_twice(answer, reference):
    assert verdict_of(answer, reference) == verdict_of(answer, reference)


@given(st.text(alphabet=" \t\n$.{}", max_size=20), st.sampled_from(REFERENCES))
def test_an_empty_answer_is_never_correct(answer, reference):
    assert verdict_of(answer, reference) != "correct"


SMALL = st.integers(0, 30)
NUMBERS = st.one_of(
    SMALL.map(str),
    st.tuples(SMALL, st.integers(1, 30)).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}"),
    st.integers(2, 30).map(lambda n: rf"\sqrt{{{n}}}"),
    st.sampled_from([r"\pi", "e", r"\ln 2", "0.25", r"2\frac{1}{3}"]),
)
SYMBOLS = st.sampled_from(["x", "y", "x_1", r"\theta"])
EXPRESSIONS = st.recursive(
    NUMBERS | SYMBOLS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} - {p[1]})"),
        st.tuples(inner, inner).map(lambda p: rf"({p[0]} \cdot {p[1]})"),
        st.tuples(inner, inner).map(lambda p: rf"\frac{{{p[0]}}}{{({p[1]})^2 + 1}}"),
        st.tuples(inner, st.integers(1, 4)).map(lambda p: f"({p[0]})^{{{p[1]}}}"),
        inner.map(lambda e: rf"\sin({e})"),
        inner.map(lambda e: rf"\sqrt{{({e})^2 + 1}}"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS)
def test_every_expression_is_right_for_itself(text):
    assert same(parse(text), parse(f"({text})"))


@settings(max_examples=200, deadline=None)
@given(a=EXPRESSIONS, b=EXPRESSIONS, c=NUMBERS | SYMBOLS)
def test_equal_rewritings_are_equal(a, b, c):
    assert verdict_of(f"{b} + {a}", f"{a} + {b}") == "correct"
    assert verdict_of(f"({a})({c}) + ({b})({c})", f"({c})({a} + {b})") == "correct"
    assert verdict_of(f"-({b} - {a})", f"{a} - {b}") == "correct"
    assert verdict_of(f"{{({a})}}^2 - {{({b})}}^2", f"({a} - {b}) * ({a} + {b})") == "correct"


@settings(max_examples=200, deadline=None)
@given(a=EXPRESSIONS, b=EXPRESSIONS)
def test_equality_is_symmetric(a, b):
    budget.start()
    assert same(parse(a), parse(b)) == same(parse(b), parse(a))


@settings(max_examples=200, deadline=None)
@given(a=EXPRESSIONS, shift=st.integers(1, 10**6))
def test_what_differs_by_a_number_is_not_equal(a, shift):
    assert verdict_of(f"{a} + {shift}", a) == "wrong"
    assert verdict_of(f"{a} + 10^{{-{shift % 30}}}", a) == "wrong"


@given(
    st.lists(st.fractions(max_denominator=99), min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False)
)
def test_lists_and_sets_have_no_order_and_tuples_have(items, random):
    written = [f"\\frac{{{item.numerator}}}{{{item.denominator}}}" for item in items]
    shuffled = random.sample(written, len(written))
    assert verdict_of(", ".join(shuffled), ", ".join(written)) == "correct"
    assert verdict_of(f"\\{{{', '.join(shuffled)}\\}}", ", ".join(written)) == "correct"
    expected = "correct" if shuffled == written else "wrong"
    assert verdict_of(f"({', '.join(shuffled)})", f"({', '.join(written)})") == expected
    assert verdict_of(", ".join(written[1:]), ", ".join(written)) == "wrong"


BRACKETS = st.tuples(st.sampled_from("(["), st.sampled_from(")]"))


@given(BRACKETS, BRACKETS, st.integers(-50, 49), st.integers(1, 50))
def test_intervals_and_inequalities(one, two, low, length):
    high = low + length
    interval = f"{one[0]}{low}, {high}{one[1]}"
    inequality = f"{low} {'<' if two[0] == '(' else '<='} x {'<' if two[1] == ')' else '<='} {high}"
    expected = "correct" if one == two else "wrong"
    assert verdict_of(inequality, interval) == expected
    assert verdict_of(interval, inequality) == expected
    assert verdict_of(f"{two[0]}{low}, {high}{two[1]}", interval) == expected


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 20), st.fractions(Fraction(1, 9), 9))
def test_equations_are_the_same_up_to_a_factor(a, c, b, factor):
    reference = f"{a}x + {b}y = {c}"
    scaled = f"{a * factor}*x + {b * factor}*y - {c * factor} = 0"
    assert verdict_of(scaled, reference) == "correct"
    assert verdict_of(f"{a}x + {b}y = {c + 1}", reference) == "wrong"


@given(st.text(max_size=40))
def test_the_parser_raises_nothing_else(text):
    try:
        tree = parse(text)
    except (Unreadable, OverBudget):
        return
    assert same(tree, tree) in (True, False)
