"""One value in many spellings, and other values in the same ones."""

import pytest

from ponder.verifiers.math import compare

RIGHT = {
    "logic": [
        (r"a\lor b\land c", r"c\land b \lor a"),
        (r"a\Leftrightarrow b", r"b \iff a"),
        ("(0,4)", r"x>0 \wedge x<4"),
    ],
    "one value in two spellings": [
        ("4/5", r"\frac45 \text{ or } 0.8"),
        ("4/5", r"\frac{4}{5} \text{ (or } 0.8)"),
        ("4/5", r"\frac45 = 0.8"),
        (r"\frac{4}{5} (or 0.8)", "0.8"),
        ("6", r"6 \text{ (since } 5<6)"),
    ],
    "options with their values": [
        ("31", r"\textbf{(D) } 31"),
        ("D", r"\text{D) } 31"),
        ("D", r"\textbf{(D) } 31"),
        ("②⑤", "⑤②"),
        ("②⑤", "②、⑤"),
    ],
    "names that say nothing": [
        ("x^5+C", "x^5+c"),
        ("C_1+C_2t", "c_1+c_2t"),
        (r"\sum_{k=2}^{m} k^3", r"\sum_{i=2}^{m} i^3"),
        (r"\langle 8,-3\rangle", r"8\hat{\imath}-3\hat{\jmath}"),
    ],
    "wide spaces and rows": [
        ("a=4, b=9", r"a=4 \quad b=9"),
        ("a=4, b=9", r"a=4\\b=9"),
        ("x=4 或 x=9", r"x=4\text{ or }x=9"),
        ("x=4, y=9", r"x=4 \text{ 且 } y=9"),
    ],
    "values left out": [
        (r"(-\infty,4)\cup(4,9)\cup(9,\infty)", r"x\ne 4, 9"),
        (r"(-\infty,4)\cup(4,9)\cup(9,\infty)", r"x\ne 4 \text{ or } 9"),
        (r"x\ne 4", r"\mathbb{R}-\{4\}"),
    ],
    "negative quantities": [("-8", "-8°C"), (r"-8\%", "-0.08"), ("-8", r"-8\text{ m}")],
    "two units": [
        ("4 hours 10 minutes", r"4\text{ h }10\text{ min}"),
        ("4 hours 10 minutes", r"250\text{ minutes}"),
        (r"5\text{ feet and }2\text{ inches}", "62 in"),
        (r"8\%", r"8\text{ per cent}"),
        ("7:45", r"\text{7:45 a.m.}"),
    ],
    "characters and commands": [
        ("5", "∛125"),
        ("19", r"\uline{19}"),
        (r"x\equiv 4\pmod{12}", r"x\equiv 4\bmod 12"),
        ("B7_{16}", r"\text{B}7_{16}"),
        ("4, 9", r"4\text{ & }9"),
        ("₹40", r"\text{Rs. }40"),
        (r"\binom{7}{3}", "C(7,3)"),
        (r"\text{DNE}", r"\text{does not exist}"),
    ],
    "thousands": [
        (r"\frac{30000}{\pi}", r"\frac{30,000}{\pi}"),
        ("e^{2000}", "e^{2,000}"),
        ("(1500, 3600)", "(1,500, 3,600)"),
        (r"\{1500, 3600\}", r"\{1,500, 3,600\}"),
        ("6000", r"\frac{1}{2}(12,000)"),
        (r"30\sqrt{5}", r"\sqrt{4,500}"),
    ],
    "bases": [
        ("3417_8", r"3417 \text{ (base 8)}"),
        ("3417_8", r"3417\text{ in base }8"),
        ("3417_8", r"3417_\text{eight}"),
        ("3417_8", "(3417)_8"),
        ("3417_8", "3417_{(8)}"),
        ("3417_8", "3417"),
        ("3417 (base 8)", "3417_8"),
    ],
    "recurring decimals": [
        (r"\frac{2}{3}", r"0.\dot6"),
        (r"\frac{2}{3}", r"0.\bar{6}"),
        (r"\frac{2}{3}", "0.(6)"),
        (r"\frac{2}{3}", "0.666..."),
        (r"\frac{5}{6}", r"0.8\dot{3}"),
        (r"\frac{2}{7}", r"0.\dot{2}8571\dot{4}"),
        (r"0.\overline{6}", r"0.\dot{6}"),
    ],
    "approximations": [
        ("2.72", r"\approx 2.72"),
        ("2.72", r"\simeq 2.72"),
        ("2.72", r"\text{approximately } 2.72"),
        (r"3\sqrt{2}", r"3\sqrt{2} \text{ (about 4.24)}"),
    ],
    "typesetting": [
        ("15", r"\textcolor{red}{15}"),
        ("15", r"{\color{blue}15}"),
        ("15", r"\emph{15}"),
        ("15", r"\texttt{15}"),
        ("1/3", r"\huge \frac13"),
        ("15", r"x = 15 \ "),
        ("15", "**15**"),
        ("15", r"15 \\"),
        (r"\frac{\sqrt5}{2}", r"\sqrt{5} \over 2"),
        ("7,8", r"7 \& 8"),
    ],
    "money": [
        ("3.5", "€3.50"),
        ("350", "¥350"),
        ("350", "₹350"),
        ("350", "USD 350"),
        ("350", r"\text{\$}350"),
        (r"\$350", "350 dollars"),
    ],
    "labels": [
        ("15", r"\text{Total cost: } \$15"),
        ("15", r"\text{max} = 15"),
        ("15", r"\text{The area is } 15 \text{ cm}^2"),
        ("15", "Perimeter: 15"),
        ("6, 2", r"\text{Length: }6\text{ cm, Width: }2\text{ cm}"),
        ("15", r"15 \text{ (minimum)}"),
        ("15", r"x=15 \text{ (double root)}"),
        ("15", r"x = 15\text{, as required}"),
        ("yes", r"\text{Yes, since it is even}"),
    ],
    "points and vectors": [
        ("(2,5)", "P(2,5)"),
        ("(2,5),(0,1)", "A(2,5), B(0,1)"),
        ("(2,5)", r"\text{the point } (2,5)"),
        ("(3,7)", r"3\mathbf{i}+7\mathbf{j}"),
        (r"\langle 1,0,-4\rangle", r"\hat{i}-4\hat{k}"),
        (r"\begin{pmatrix}3\\7\end{pmatrix}", r"[3,7]^\top"),
    ],
    "congruences": [
        (r"x\equiv 3,4 \pmod 7", r"x\equiv \pm 3 \pmod 7"),
        (r"x\equiv 3,4 \pmod 7", r"x \equiv 3 \text{ or } 4 \pmod 7"),
        (r"x\equiv 3 \pmod 7", "x ≡ 3 (mod 7)"),
        (r"x\equiv 3 \pmod 7", r"x = 7k+3, k\in\mathbb{Z}"),
        (r"x\equiv 3 \pmod 7", r"x\equiv -4 \text{ (mod 7)}"),
        (r"n\equiv 1 \pmod 2", r"n\equiv 1,3 \pmod 4"),
        (r"x=\frac{\pi}{6}+n\pi, n\in\mathbb{Z}", r"x=\frac{7\pi}{6}+k\pi, k\in\mathbb Z"),
    ],
    "sets in words": [
        (r"(-\infty,-3)\cup(-3,\infty)", r"\text{all real numbers except } -3"),
        (r"(-\infty,2)\cup(2,5)\cup(5,\infty)", r"\text{all real numbers except } 2 \text{ and } 5"),
        (r"(5,\infty)", r"\text{all real numbers greater than } 5"),
        (r"\emptyset", r"\text{no real solutions}"),
        (r"\emptyset", "无解"),
        (r"(-\infty,1)\cup(4,\infty)", r"]-\infty,1[ \cup ]4,\infty["),
        ("(1,4]", "]1,4]"),
        (r"x>0", r"\mathbb{R}^+"),
    ],
    "cases": [
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"\begin{cases}2&\text{if }x>1\\5&\text{if }x\le 1\end{cases}"),
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"\begin{cases}2&\text{if $x>1$}\\5&\text{if $x\le 1$}\end{cases}"),
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"f(x)=\begin{dcases}2, & x>1\\5, & \text{otherwise}\end{dcases}"),
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"\left\{\begin{array}{ll}2 & x>1\\5 & x\le 1\end{array}\right."),
        (
            r"\begin{cases}k & k \text{ even}\\k+1 & k \text{ odd}\end{cases}",
            r"\begin{cases}k & \text{if } k \text{ is even}\\k+1 & \text{if } k \text{ is odd}\end{cases}",
        ),
    ],
    "units": [
        ("8", r"8\ \Omega"),
        ("8", r"8\ \mu\text{m}"),
        ("8", r"8\ \mathrm{J}"),
        ("8", r"8\,\text{N}\cdot\text{m}"),
        ("8", "8平方米"),
        ("8 cm", "8厘米"),
    ],
    "others": [
        ("3:8", r"3\text{ to }8"),
        ("105", "7!!"),
        (r"\frac{\sqrt3}{2}+\frac12 i", r"\text{cis}(30^\circ)"),
        ("15", "C_6^2"),
        ("15", "{}_6C_2"),
        ("12", "twelve"),
        ("3/4", r"\frac34 \text{ or } 0.75"),
        (", ".join(str(n) for n in range(700)), ", ".join(str(n) for n in range(700))),
    ],
}

WRONG = {
    "logic": [
        (r"a\land b", r"a\lor b"),
        (r"a\lor b\land c", r"(a\lor b)\land c"),
        (r"a\to b", r"b\to a"),
        (r"A\subset B", r"B\subset A"),
    ],
    "two values are alternatives": [
        ("4/5", r"\frac45 \text{ (or } 0.7)"),
        ("0.5", r"50\% \text{ or } 50"),
        (r"\frac{4}{5} (or 0.8)", "0.7"),
        ("3.14", r"3.14 \text{ or } 3.15"),
    ],
    "options with their values": [("31", r"\textbf{(D) } 32"), ("C", r"\text{D) } 31"), ("②⑤", "②④"), ("②⑤", "②④⑤")],
    "names that say something": [
        ("x^5+C", "x^4+c"),
        ("BCA", "ABC"),
    ],
    "two units": [
        ("4 hours 10 minutes", r"4\text{ h }1\text{ min}"),
        ("4 hours 10 minutes", "4 hours"),
        ("4 hours 10 minutes", r"4\text{ min }10\text{ s}"),
    ],
    "left out": [(r"(-\infty,4)\cup(4,9)\cup(9,\infty)", r"x\ne 4"), ("a=4, b=9", r"a=9 \quad b=4")],
    "thousands": [
        ("(1500, 3600)", "(1,500, 3,601)"),
        ("1201", "(1,200)"),
        (r"\frac{3000}{\pi}", r"\frac{30,000}{\pi}"),
    ],
    "bases": [("3417_9", "3417_8"), ("3417", "3417_8"), ("3417_8", "1807"), ("3417_5", "3417_{10}")],
    "recurring decimals": [("2/3", "0.66"), ("0.6", r"0.\dot{6}"), ("2/7", r"0.\dot{2}\dot{8}"), (r"\pi", "3.14...")],
    "approximations": [("2.72", r"\approx 2.71"), (r"\pi", r"\approx 3.1"), ("42", r"\text{about } 42")],
    "typesetting": [("15", r"\textcolor{15}{16}"), ("15", r"\cancel{15}"), ("15", r"\phantom{15}"), ("15", "**15")],
    "money": [(r"\$350", "€350"), ("3.5", "€3.05"), (r"\$350", "350 cents")],
    "labels": [
        (r"\text{Length: }6, \text{Width: }2", r"\text{Length: }2, \text{Width: }6"),
        ("15", r"\text{not } 15"),
        ("15", r"\text{at least } 15"),
        ("15", r"\text{Area is not } 15"),
        ("15", r"\text{max} > 15"),
        ("no", r"\text{Yes, it is not}"),
    ],
    "points and vectors": [
        ("(2,5)", "P(5,2)"),
        ("A(2,5), B(0,1)", "A(0,1), B(2,5)"),
        ("(2,5)", "A[2,5]"),
        ("(7,3)", r"3\mathbf{i}+7\mathbf{j}"),
        ("(1,-4)", r"\hat{i}-4\hat{k}"),
    ],
    "congruences": [
        (r"x\equiv 3 \pmod 7", r"x\equiv 3 \pmod 5"),
        (r"x\equiv 3,4 \pmod 7", r"x\equiv 3 \pmod 7"),
        (r"x\equiv 3 \pmod 7", r"x\equiv 3"),
        (r"x\equiv 3 \pmod 7", r"y\equiv 3 \pmod 7"),
        (r"x\equiv 3 \pmod 7", "x = 14k+3, k\\in\\mathbb{Z}"),
        (r"x=\frac{\pi}{6}+n\pi, n\in\mathbb{Z}", r"x=\frac{5\pi}{6}+k\pi, k\in\mathbb Z"),
        (r"x=\frac{\pi}{6}+n\pi, n\in\mathbb{Z}", r"x=\frac{\pi}{6}+2k\pi, k\in\mathbb Z"),
    ],
    "sets in words": [
        (r"x\ne -3", r"\text{all real numbers except } 3"),
        (r"x\ne -3", r"\text{all real numbers}"),
        ("[5,\\infty)", r"\text{all real numbers greater than } 5"),
        ("0", r"\text{no solution}"),
        ("[1,4]", "]1,4["),
    ],
    "cases": [
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"\begin{cases}5&\text{if }x>1\\2&\text{if }x\le 1\end{cases}"),
        (r"\begin{cases}2&x>1\\5&x\le1\end{cases}", r"\begin{cases}2&x>1\\6&\text{otherwise}\end{cases}"),
        (
            r"\begin{cases}k & k \text{ even}\\k+1 & k \text{ odd}\end{cases}",
            r"\begin{cases}k & \text{if } k \text{ is odd}\\k+1 & \text{if } k \text{ is even}\end{cases}",
        ),
    ],
    "units": [("8 cm", "8米"), ("8 cm^2", "8厘米"), ("8", "8万")],
    "others": [
        ("3:8", r"8\text{ to }3"),
        ("720", "6!!"),
        (", ".join(str(n) for n in range(700)), ", ".join(str(n) for n in range(1, 701))),
        ("3/4", r"\frac34 \text{ or } 0.7"),
    ],
}


def pairs(kinds):
    return [pytest.param(*pair, id=f"{kind}-{k}") for kind, found in kinds.items() for k, pair in enumerate(found)]


@pytest.mark.parametrize(("reference", "answer"), pairs(RIGHT))
def test_the_same_value(reference, answer):
    assert compare(answer, reference).status == "correct"


@pytest.mark.parametrize(("reference", "answer"), pairs(WRONG))
def test_another_value(reference, answer):
    assert compare(answer, reference).status in ("wrong", "unparseable")
