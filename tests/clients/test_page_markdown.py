"""Markdown of a model becomes harmless HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.clients.page.markdown import MOST_CHUNK, MOST_CHUNKS, MOST_LINE, chunks, render, rendered, visible
from tests.clients.page_talk import HOSTILE, assert_harmless


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_is_text(text):
    for chunk in chunks(text):
        assert_harmless(render(chunk, "Copy"))


@given(st.text(st.sampled_from("<>\"'&`~[]()!\\$*_|-#\n ahref:javscipt=x1."), max_size=80))
def test_any_markdown_is_harmless_and_cutting_loses_nothing(text):
    pieces = list(chunks(text))
    assert "".join(pieces).split() == text.split()
    for piece in pieces:
        assert_harmless(render(piece, "Copy"))


def test_formulas_keep_their_source():
    html = render("So \\(a<b\\) for $5 and $6, $$x^2$$", "Copy")
    assert '<span class="math">a&lt;b</span>' in html
    assert '<span class="math" data-display="1">x^2</span>' in html
    assert "$5 and $6" in html
    assert render("\\[\na\n- b *c* d*\n\\]", "Copy") == '<div class="math" data-display="1">a\n- b *c* d*</div>'


def test_half_a_formula_and_half_a_code_block_are_shown_as_they_grow():
    assert "frac" in render("Then \\[\\frac{1", "Copy")
    assert "<pre" in render("```python\nx = 1", "Copy", colours=False)


def test_chunks_keep_code_lists_and_formulas_together():
    parts = ["a\n", "```\nx\n\ny\n```\n", "1. one\n\n   more\n", "\\[\n\na\n\n\\]\n", "end"]
    assert list(chunks("\n".join(parts))) == parts


def test_what_is_too_long_is_not_parsed():
    assert render("[<b>" * 50_000, "Copy").startswith('<pre class="plain">[&lt;b&gt;')


def test_a_boxed_answer_needs_no_delimiters():
    html = render("So \\boxed{\\frac{1}{2}}, not `\\boxed{3}` nor \\boxed{4", "Copy")
    assert '<span class="math">\\boxed{\\frac{1}{2}}</span>,' in html
    assert html.count("math") == 1 and "boxed{4" in html


def test_what_grows_changes_at_its_end_alone():
    """Else each token would send all of it again."""
    prose = "word " * 2_000
    for text in (
        prose,
        f"{prose}\n\n" * 3,
        "a\n\n" * (MOST_CHUNKS + 500),
        "```\n" + "x = 1\n" * 10_000,
        "x<b>" * 20_000,
    ):
        pieces = list(rendered(text, "Copy", growing=True))
        more = list(rendered(text + "more", "Copy", growing=True))
        changed = [place for place, (one, other) in enumerate(zip(pieces, more, strict=False)) if one != other]
        assert all(place >= len(pieces) - 1 for place in changed)
        assert len(pieces) <= MOST_CHUNKS + 1 + len(text) // MOST_CHUNK
        assert max(map(len, pieces)) < 6 * MOST_CHUNK


def test_long_lines_of_prose_are_cut_and_code_is_not():
    line = "word " * 2_000
    pieces = list(chunks(line))
    assert "".join(pieces) == line and max(map(len, pieces)) <= 2 * MOST_LINE
    code = f"```\n{line}\n```"
    assert list(chunks(code)) == [code]


def test_controls_are_shown_as_what_they_are():
    assert visible("a\u202eb\x1b[31m\tc\n") == "a<U+202E>b<U+001B>[31m\tc\n"
    assert "&lt;U+202E&gt;" in render("```\nx = \u202e1\n```", "Copy")
