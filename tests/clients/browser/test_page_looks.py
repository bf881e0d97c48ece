"""How the page looks, in headless Chromium: languages, narrow screens, contrast, and that nothing jumps."""

import re

import pytest

from tests.clients.browser.page import done, expect, in_browser, send

pytestmark = in_browser


def test_notices_and_chinese(opened, api):
    tab = opened(api.url, locale="zh-CN")
    expect(tab.locator(".send")).to_have_text("发送")
    assert tab.evaluate("document.documentElement.lang") == "zh-CN"
    send(tab, "cut")
    done(tab)
    expect(tab.locator(".notice")).to_have_text(
        ["长上下文模式（YaRN x2）", "已达到思考预算", "已达到长度上限，回答被截断"]
    )
    expect(tab.locator(".thinking .fold")).to_have_text(re.compile(r"^思考了 (不到 )?[\d.]+ 秒，3 词元$"))
    tab.get_by_role("button", name="English").click()
    expect(tab.locator(".notice").last).to_have_text("Cut off at the token limit")
    expect(tab.locator(".send")).to_have_text("Send")
    tab.reload()
    expect(tab.locator(".send")).to_have_text("Send")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_is_enough(opened, api, scheme):
    tab = opened(api.url, viewport={"width": 320, "height": 568}, color_scheme=scheme)
    send(tab, "long")
    done(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    assert tab.locator(".log").evaluate("log => log.scrollWidth <= log.clientWidth")
    for button in tab.locator("#ponder button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 24 and box["x"] >= 0 and box["x"] + box["width"] <= 320
    tab.locator(".open-settings").click()
    expect(tab.locator("[name=temperature]")).to_be_in_viewport()


@pytest.mark.parametrize("width", [320, 800])
def test_nothing_jumps_when_an_answer_begins_and_ends(opened, api, width):
    tab = opened(api.url, viewport={"width": width, "height": 568})

    def place() -> tuple:
        return tab.locator(".composer").evaluate("one => [one.offsetTop, one.offsetHeight]")

    before = place()
    send(tab, "hold")
    expect(tab.locator(".answer-now")).to_be_visible()
    assert place() == before
    tab.keyboard.press("Escape")
    done(tab)
    assert place() == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_fields_can_be_told_from_what_is_behind_them(opened, api, scheme):
    """WCAG AA: 4.5 for text, 3 for the edges of fields."""
    tab = opened(api.url, color_scheme=scheme, reduced_motion="reduce")
    for place, scene in enumerate(("sum", "cut", "tool", "no"), start=1):
        send(tab, scene)
        done(tab, place)
    tab.locator(".thinking .fold").first.click()
    tab.locator(".open-settings").click()
    send(tab, "hold")
    expect(tab.locator(".answer-now")).to_be_visible()
    texts, edges = tab.evaluate(CONTRASTS)
    assert len(texts) > 40 and len(edges) > 8
    assert not [(text, ratio) for text, ratio in texts if ratio < 4.5]
    assert not [(name, ratio) for name, ratio in edges if ratio < 3]
    pulse = "getComputedStyle(document.querySelector('.pending .fold'), '::after').animationName"
    assert tab.evaluate(pulse) == "none"


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const color = rgba(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const light = (color) => [0, 1, 2].reduce((sum, part) => {
    const share = color[part] / 255;
    return sum + [0.2126, 0.7152, 0.0722][part] * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ratio = (one, other) => {
    const [more, less] = [light(one), light(other)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  };
  const texts = [], edges = [];
  for (const one of document.querySelectorAll("#ponder *")) {
    if (!one.checkVisibility() || one.disabled) continue;
    const style = getComputedStyle(one);
    const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (text) texts.push([text.slice(0, 40), ratio(rgba(style.color), behind(one))]);
    if (one.matches("input, textarea")) {
      edges.push([one.name || one.id, ratio(rgba(style.borderTopColor), behind(one.parentElement))]);
      if (one.placeholder) texts.push([one.placeholder, ratio(rgba(getComputedStyle(one, "::placeholder").color), behind(one))]);
    }
  }
  return [texts, edges];
}"""
