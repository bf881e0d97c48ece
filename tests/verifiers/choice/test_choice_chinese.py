"""How Chinese, Japanese and Korean texts state a choice. The right letter is D."""

import pytest

from ponder.tasks import Task
from ponder.verifiers.choice.verifier import decide
from ponder.verifiers.response import split_response

CHINESE = [
    "选D",
    "选 D。",
    "选（D）",
    "選D",
    "故选 D",
    "故选：D．",
    "故選Ｄ",
    "因此选D。",
    "应选D",
    "本题选D。",
    "我选择D",
    "我选D选项",
    "答案：D",
    "答案:（D）",
    "答案为D。",
    "答案应为 D",
    "答案选D",
    "正确答案是D。",
    "正确答案：D（8千克）",
    "正确的是D",
    "正确选项为D",
    "【答案】D",
    "【答案】 D 【解析】A项错误，D项正确。",
    "（D）",
    "D。",
    "综上，D正确。",
    "综上所述，选D。",
    "只有D是正确的",
    "D选项正确",
    "选项D是正确答案。",
    "不选A，而选D。",
    "所以答案是 **D**。",
    "选项D符合题意。",
    "D项符合题意",
    "只有D对",
    "因此是D。",
    "答えはDです",
    "正解はD",
    "정답: D",
]


@pytest.mark.parametrize("text", CHINESE)
def test_right(text):
    task = Task(({"role": "user", "content": "?"},), "test", "choice", "D")
    assert decide(task, split_response(text)).status == "correct"
