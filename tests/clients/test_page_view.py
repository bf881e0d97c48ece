"""What the chat page shows of an answer."""

import json
import re

import pytest

from ponder.clients.page.labels import TABLE, label, language_of
from ponder.clients.page.view import Pace, page
from ponder.clients.talk.conversation import Answer, ToolCall, Usage, User
from tests.clients.page_talk import HOSTILE, assert_harmless, talked


def shown(answer: Answer, language="en", now=0.0) -> str:
    return json.dumps(page(talked(User("q"), answer), language, 4096, now), ensure_ascii=False)


def test_titles_of_thinking():
    pending = Answer(phase="thinking", thinking="a", thought_from=10.0)
    assert "Thinking... 12 s" in shown(pending, now=22.5)
    done = Answer(phase="done", thinking="a", thinking_s=34.4, usage=Usage(1, 900, 812), finish_reason="stop")
    assert "Thought for 34 s, 812 tokens" in shown(done)
    assert "思考了 34 秒，812 词元" in shown(done, "zh")
    for seconds, title in ((0.01, "less than 0.1 s"), (0.44, "0.4 s"), (754.0, "12 min 34 s")):
        assert f"Thought for {title}" in shown(Answer(phase="done", thinking="a", thinking_s=seconds))


def test_how_fast_an_answer_came():
    answer = Answer(phase="done", thinking="a", content="b", usage=Usage(1, 1000, 812), finish_reason="stop")
    conversation = talked(User("q"), answer)
    text = json.dumps(page(conversation, "en", 4096, paces={1: Pace(0.44, 20.0)}))
    assert "Answer of 188 tokens; 50 tokens/s; first token after 0.4 s" in text
    assert "tokens/s" not in json.dumps(page(conversation, "en", 4096))


@pytest.mark.parametrize(
    "fields, notice",
    [
        ({"thinking_end": "budget"}, "Thinking budget reached"),
        ({"thinking_end": "loop"}, "repeated itself"),
        ({"finish_reason": "length", "content": "x"}, "Cut off at the token limit"),
        ({"finish_reason": "length", "thinking": "x"}, "while thinking"),
        ({"stop_reason": "repetition_detected"}, "The answer repeated itself"),
        ({"usage": Usage(1, 1, 1, 4.0)}, "YaRN x4"),
        ({"stopped": "thinking", "thinking": "x"}, "Stopped while thinking"),
        ({"error": "no luck"}, "Error: no luck"),
        ({"finish_reason": "stop"}, "The model said nothing"),
    ],
)
def test_notices(fields, notice):
    assert notice in shown(Answer(phase="done", **fields))
    assert notice not in shown(Answer(phase="done", finish_reason="stop", content="fine"))


def test_what_was_cut_off_can_go_on():
    assert '"name": "conclude"' in shown(Answer(phase="done", stopped="thinking", thinking="x"))
    assert '"name": "continue"' in shown(Answer(phase="done", finish_reason="length", content="x"))
    assert '"name": "continue"' not in shown(Answer(phase="done", finish_reason="stop", content="x"))


def test_nothing_of_a_hostile_model_becomes_html():
    text = "\n\n".join(HOSTILE)
    answer = Answer(phase="done", thinking=text, content=text, calls=(ToolCall("x", text, text),), error=text)

    def htmls(part):
        yield from [part["html"]] if "html" in part else []
        for child in part.get("parts", []):
            yield from htmls(child)

    found = [html for part in page(talked(User(text), answer), "en", None)["parts"] for html in htmls(part)]
    assert len(found) > 10
    for html in found:
        assert_harmless(html)


def test_both_languages_say_everything():
    for key, (english, chinese) in TABLE.items():
        assert english and chinese
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key
    assert label("zh", "send") == "发送"
    assert {language_of(asked) for asked in ("zh-CN", "ZH")} == {"zh"}
    assert {language_of(asked) for asked in ("en-GB", "de", None, 7)} == {"en"}
