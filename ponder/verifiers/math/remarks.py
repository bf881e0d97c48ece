"""Words in an answer: a text answer, words that only lead to a value, remarks that follow one."""

from ponder.verifiers.math.commands import RELATIONS
from ponder.verifiers.math.cursor import CLOSERS, Cursor
from ponder.verifiers.math.symbols import refuse_doubt
from ponder.verifiers.math.tree import Node, Unreadable

# Words that begin a remark on an answer, not a part of it.
REMARKS = (
    "for",
    "where",
    "with",
    "when",
    "if",
    "as",
    "such",
    "here",
    "is",
    "are",
    "by",
    "per",
    "of",
    "given",
    "since",
    "because",
    "which",
    "at",
    "attained",
    "achieved",
)
ALL_REALS = ("all real numbers", "all reals", "all real", "real numbers", "the real numbers", "any real number")
LEADS = ("answer", "the answer is", "the answer", "answer is", "final answer", "the final answer is", "thus", "so")
LEADS += ("therefore", "hence", "we get", "we have", "the solution is", "the solutions are", "only")
LEADS += (
    "point",
    "the point",
    "points",
    "the points",
    "interval",
    "the interval",
    "set",
    "the set",
    "all",
    "for all",
    "any",
)
LEADS += (
    "共",
    "一共",
    "总共",
    "共有",
    "一共有",
    "有",
    "为",
    "答",
    "所以",
    "因此",
    "a total of",
    "there are",
    "there is",
    "in total",
    "both",
)


def begins_remark(cursor: Cursor) -> bool:
    """Whether a remark follows that stands behind a comma: "5, as required"."""
    kind, value = cursor.peek()
    return kind == "text" and value.split()[0] in (
        "as",
        "since",
        "because",
        "which",
        "where",
        "with",
        "at",
        "attained",
        "achieved",
    )


def skip_remark(cursor: Cursor) -> None:
    """Past a remark such as "for all x > 0"."""
    kind, value = cursor.peek()
    if kind != "text" or value.split()[0] not in REMARKS:
        raise Unreadable(f"{value!r} stands where nothing was expected")
    refuse_doubt(value)
    cursor.at = len(cursor.tokens) if value.split()[0] == "where" else cursor.until((",", ";", "and", "or", *CLOSERS))


def leading_words(cursor: Cursor) -> Node | None:
    """An operand that begins with words: a text answer, or None where the words only lead in a formula."""
    words = cursor.peek()[1]
    following = cursor.peek(1)
    if following[0] == "op" and following[1] in RELATIONS:  # a name of several letters
        cursor.next()
        return Node("sym", (words,))
    if following == ("op", ":") and words not in LEADS and cursor.peek(2)[0] not in ("end", "text"):
        cursor.tokens[cursor.at + 1] = ("op", "=")  # a label: "Total: 5"
        cursor.next()
        return Node("sym", (words,))
    if words.rstrip(" :") in LEADS and following[0] != "end" and following != ("op", ","):
        cursor.next()
        cursor.take(":")
        return None
    if words in ALL_REALS:
        cursor.next()
        return Node("const", ("R",))
    end = cursor.until((",", ";", "and", "or", *CLOSERS))
    text = " ".join(value for _, value in cursor.tokens[cursor.at : end])
    cursor.at = end
    return Node("text", (text,))
