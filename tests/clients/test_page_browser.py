"""The chat page in headless Chromium, end to end: the wire on one side, fingers and eyes on the other."""

import asyncio
import os
import re
import shutil

import pytest

from ponder.server.answer.gateway import Gateway
from ponder.server.front.app import create_app
from tests.clients.page_api import MODEL, Api, Scene, Server
from tests.clients.page_talk import HOSTILE
from tests.shared.scripted import Scripted

pytest.importorskip("gradio", reason="the chat page needs gradio")
sync_api = pytest.importorskip("playwright.sync_api", reason="tests in a browser need playwright")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install it, or name it in CHROMIUM")
expect = sync_api.expect

ANSWER = """It is **3**, since \\(1 + 2 = 3\\) and

\\[
\\frac{6}{2} = 3
\\]

```python
print(1 + 2 if 1 < 2 else "<b>")
```
"""
SCENES = {
    "sum": Scene("First \\(1 + 2\\).\n\nThen I add.", ANSWER),
    "hold": Scene("I think about it.", "So it is.", hold="thinking"),
    "write": Scene("Hm.", "It begins", hold="content"),
    "tool": Scene("I need it.", calls=(("get_weather", '{"city": "Paris"}'),)),
    "22 C": Scene("I see.", "It is 22 C."),
    "tools": Scene("Both.", calls=(("first", "{}"), ("second", "{}"))),
    "slow": Scene("word " * 3000, hold="thinking"),
    "cut": Scene("Hm.", "It ends", finish="length", thinking_end="budget", rope_factor=2.0),
    "hostile": Scene("\n\n".join(HOSTILE), "\n\n".join(HOSTILE), calls=(("<img src=x onerror=y>", HOSTILE[0]),)),
    "long": Scene("word " * 400, f"{'x' * 400}\n\n| a | b |\n|---|---|\n| {'y' * 300} | z |\n\n```\n{'z' * 300}"),
    "two\nlines": Scene(None, "Both."),
    "no": Scene(refuse="this is too much <b>for me</b>"),
}


@pytest.fixture(scope="module")
def api():
    """The page over scenes; `url`: where."""
    api = Api(SCENES)
    server = Server(api.app(), page=MODEL)
    api.url = server.url
    yield api
    server.close()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a page. At the end nothing may have been fetched from elsewhere, and no script may have failed."""
    contexts, fetched, failures = [], [], []

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: fetched.append((request.url, url)))
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.goto(url)
        expect(tab.locator(".gauge-text")).to_contain_text("tokens" if options.get("locale") != "zh-CN" else "词元")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert all(asked.startswith((own, "data:")) for asked, own in fetched) and not failures


@pytest.fixture
def tab(opened, api):
    return opened(api.url)


def send(tab, text: str) -> None:
    tab.locator("#ponder-text").fill(text)
    tab.locator("#ponder-text").press("Enter")


def done(tab, answers: int = 1) -> None:
    """Waits until so many answers are shown, and none is in the making."""
    expect(tab.locator("article.model")).to_have_count(answers)
    expect(tab.locator(".log")).to_have_attribute("aria-busy", "false")


def test_a_question_is_answered(tab, api):
    send(tab, "sum")
    done(tab)
    expect(tab.locator("#ponder-text")).to_be_focused()
    expect(tab.locator("#ponder-text")).to_have_value("")
    fold = tab.locator(".thinking .fold")
    expect(fold).to_have_text(re.compile(r"^Thought for (less than )?[\d.]+ s, \d+ tokens$"))
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(tab.locator(".thinking .folded")).to_be_hidden()
    fold.press("Enter")
    expect(tab.locator(".thinking .folded")).to_be_visible()
    expect(tab.locator(".thinking .katex")).to_have_count(1)
    expect(tab.locator(".answer .katex-display")).to_have_count(1)
    expect(tab.locator(".answer strong")).to_have_text("3")
    expect(tab.locator(".answer pre")).to_have_text('print(1 + 2 if 1 < 2 else "<b>")\n')
    expect(tab.locator(".unseen")).to_have_text("Answer complete")
    expect(tab.locator(".gauge-text")).not_to_have_text(re.compile(r"^0 / "))
    assert api.asked[-1]["enable_thinking"] is True and "temperature" not in api.asked[-1]


def test_thinking_is_open_while_it_goes_on_and_folds_at_answer_now(tab):
    send(tab, "hold")
    fold = tab.locator(".thinking .fold")
    expect(fold).to_have_text(re.compile(r"^Thinking\.\.\. [1-9]\d* s, 17 tokens$"))
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(tab.locator(".thinking .folded")).to_contain_text("I think about it.")
    expect(tab.locator(".log")).to_have_attribute("aria-busy", "true")
    expect(tab.locator(".thinking")).to_have_attribute("aria-live", "off")
    expect(tab.locator(".unseen")).to_have_text("Thinking")
    expect(tab.locator(".send")).to_be_hidden()
    tab.locator(".answer-now").click()
    done(tab)
    expect(tab.locator(".answer")).to_have_text("So it is.")
    expect(tab.locator(".notice")).to_have_text("Thinking ended at your request")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(tab.locator(".answer-now")).to_be_hidden()


def test_what_the_reader_folds_stays_folded(tab):
    send(tab, "hold")
    fold = tab.locator(".thinking .fold")
    expect(fold).to_have_text(re.compile("17 tokens"))
    fold.click()
    expect(fold).to_have_text(re.compile(r"[2-9]\d* s"))
    expect(fold).to_have_attribute("aria-expanded", "false")
    tab.keyboard.press("Escape")
    done(tab)


def test_escape_stops_and_the_thought_can_be_concluded_or_continued(tab, api):
    before = api.hung_up
    send(tab, "hold")
    expect(tab.locator(".thinking .folded")).to_contain_text("I think about it.")
    tab.keyboard.press("Escape")
    done(tab)
    expect(tab.locator(".notice")).to_have_text("Stopped while thinking")
    api.wait_hung_up(before + 1)
    expect(tab.get_by_role("button", name="Continue")).to_be_visible()
    tab.locator("article.model").get_by_role("button", name="Answer now").click()
    expect(tab.locator(".answer")).to_have_text("and so on")
    done(tab)
    tab.locator(".thinking .fold").click()
    expect(tab.locator(".thinking .folded")).to_have_text("I think about it.")


def test_stop_keeps_half_an_answer(tab):
    send(tab, "write")
    expect(tab.locator(".answer")).to_have_text("It begins")
    expect(tab.locator(".answer-now")).to_be_hidden()
    tab.locator(".stop").click()
    done(tab)
    expect(tab.locator(".answer")).to_have_text("It begins")
    expect(tab.locator(".notice")).to_have_text("Stopped while answering")
    expect(tab.locator("#ponder-text")).to_be_focused()


def test_a_closed_page_ends_its_answer(opened, api):
    tab, before = opened(api.url), api.hung_up
    send(tab, "hold")
    expect(tab.locator(".thinking .folded")).to_contain_text("I think about it.")
    tab.close()
    api.wait_hung_up(before + 1)


def test_tools_have_cards_and_take_results(tab, api):
    tab.locator(".open-settings").click()
    tab.locator("[name=tools]").fill('{"name": "get_weather", "parameters": {}}')
    send(tab, "tool")
    done(tab)
    card = tab.locator(".call")
    expect(card.locator(".fold")).to_have_text("Tool get_weather: waits for its result")
    expect(card.locator("pre")).to_have_text('{\n  "city": "Paris"\n}')
    expect(tab.locator(".unseen")).to_have_text("The model wants to call a tool")
    assert api.asked[-1]["tools"] == [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]
    card.get_by_label("What did the tool return?").fill("22 C")
    card.get_by_role("button", name="Send result").click()
    done(tab, 2)
    expect(card.locator(".fold")).to_have_text("Tool get_weather: done")
    expect(tab.locator(".answer")).to_have_text("It is 22 C.")
    assert api.asked[-1]["messages"][-1] == {"role": "tool", "tool_call_id": "call_0", "content": "22 C"}


def test_retry_and_edit_make_versions(tab, api):
    send(tab, "no")
    done(tab)
    expect(tab.locator(".error")).to_have_text("Error: this is too much <b>for me</b>")
    tab.get_by_role("button", name="Retry").click()
    expect(tab.locator("article.model .count")).to_have_text("2/2")
    tab.get_by_role("button", name="Earlier version").click()
    expect(tab.locator("article.model .count")).to_have_text("1/2")
    tab.get_by_role("button", name="Edit").click()
    expect(tab.get_by_label("Edit")).to_have_value("no")
    tab.keyboard.press("Escape")
    expect(tab.locator(".edit-form")).to_have_count(0)
    tab.get_by_role("button", name="Edit").click()
    tab.get_by_label("Edit").fill("sum")
    tab.get_by_role("button", name="Save and send").click()
    expect(tab.locator(".answer strong")).to_have_text("3")
    done(tab)
    expect(tab.locator("article.user .said")).to_have_text("sum")
    expect(tab.locator("article.user .count")).to_have_text("2/2")
    assert api.asked[-1]["messages"] == [{"role": "user", "content": "sum"}]
    tab.get_by_role("button", name="New chat").click()
    expect(tab.locator("article")).to_have_count(0)
    expect(tab.locator(".empty")).to_be_visible()


def test_hostile_output_does_nothing(tab):
    send(tab, "hostile")
    done(tab)
    tab.locator(".thinking .fold").click()
    expect(tab.locator(".folded").first).to_contain_text("<script>window.hacked = 1</script>")
    assert tab.evaluate("window.hacked") is None
    parts = tab.locator("article.model")
    assert parts.locator("script, img, style, iframe, object, form:not(.fill), [onerror], [onclick]").count() == 0
    links = parts.locator("a").evaluate_all("all => all.map(link => [link.protocol, link.rel])")
    assert links and all(protocol in ("http:", "https:") and "noopener" in rel for protocol, rel in links)
    assert parts.evaluate("one => [...one.querySelectorAll('*')].every(e => getComputedStyle(e).position !== 'fixed')")


def test_keys_and_input_methods(tab, api):
    before = len(api.asked)
    box = tab.locator("#ponder-text")
    box.fill("two")
    box.press("Shift+Enter")
    box.press_sequentially("lines")
    # Enter that ends a composition belongs to the input method.
    for how in ("{isComposing: true}", "{keyCode: 229}"):
        box.evaluate(f"box => box.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', ...{how}}}))")
    expect(box).to_have_value("two\nlines")
    box.press("Enter")
    done(tab)
    expect(tab.locator(".answer")).to_have_text("Both.")
    assert [body["messages"][-1]["content"] for body in api.asked[before:]] == ["two\nlines"]
    tab.locator(".skip").focus()
    tab.keyboard.press("Enter")
    expect(box).to_be_focused()


def test_settings_reach_the_server(tab, api):
    think = tab.locator(".think")
    tab.get_by_label("Most tokens of thinking").fill("64")
    tab.locator(".open-settings").click()
    expect(tab.locator("[name=system]")).to_be_focused()
    filled = {"system": "be brief", "temperature": "0.6", "top_k": "20", "max_tokens": "99", "seed": "7"}
    for name, value in filled.items():
        tab.locator(f"[name={name}]").fill(value)
    send(tab, "sum")
    done(tab)
    asked = api.asked[-1]
    assert asked["messages"][0] == {"role": "system", "content": "be brief"}
    sampling = {"temperature": 0.6, "top_k": 20, "max_tokens": 99, "seed": 7, "thinking_budget": 64}
    assert {name: asked[name] for name in sampling} == sampling
    assert "top_p" not in asked and "min_p" not in asked
    expect(think).to_have_attribute("aria-pressed", "true")
    think.click()
    expect(think).to_have_attribute("aria-pressed", "false")
    tab.locator("[name=tools]").fill("{")
    send(tab, "sum")
    expect(tab.locator(".problem")).to_contain_text("no JSON list")
    tab.locator("[name=tools]").fill("")
    send(tab, "sum")
    done(tab, 2)
    assert api.asked[-1]["enable_thinking"] is False and "thinking_budget" not in api.asked[-1]
    expect(tab.locator("article.model").nth(1).locator(".thinking")).to_have_count(0)


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


def test_copying_gives_the_source(opened, api):
    tab = opened(api.url, permissions=["clipboard-read", "clipboard-write"])
    send(tab, "sum")
    done(tab)
    tab.get_by_role("button", name="Copy answer").click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    assert tab.evaluate("navigator.clipboard.readText()") == ANSWER
    tab.locator(".copy-code").click()
    expect(tab.locator(".copy-code")).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()").startswith("print(1 + 2")


def test_the_real_server_thinks_until_told_to_answer(renderer, opened):
    """A model that would think up to its context, behind the real gateway."""

    def reply(so_far: str) -> str:
        return "It is 3." if so_far.endswith("</think>\n\n") else "one two three " * 2000

    engine = Scripted(renderer, reply)
    engine.pause = lambda: asyncio.sleep(0.005)
    server = Server(create_app(Gateway(engine, renderer, MODEL)), page=MODEL)
    try:
        tab = opened(server.url)
        send(tab, "1 + 2")
        expect(tab.locator(".thinking .folded")).to_contain_text("one two three one two three")
        tab.locator(".answer-now").click()
        done(tab)
        expect(tab.locator(".answer")).to_have_text("It is 3.")
        expect(tab.locator(".notice")).to_contain_text(["Thinking ended at your request"])
        expect(tab.locator(".gauge-text")).not_to_have_text(re.compile(r"^0 / "))
        expect(tab.locator(".thinking .fold")).to_have_text(
            re.compile(r"^Thought for (less than )?[\d.]+ s, \d+ tokens$")
        )
    finally:
        server.close()


def test_the_reader_who_scrolls_up_is_left_alone(opened, api):
    tab = opened(api.url, viewport={"width": 800, "height": 400})
    send(tab, "sum")
    done(tab)
    send(tab, "slow")
    thought = tab.locator(".thinking .folded").last
    expect(thought).to_contain_text("word word word")
    tab.wait_for_function("() => [...document.querySelectorAll('.thinking .folded')].at(-1).scrollTop > 200")
    for box in (thought, tab.locator(".log")):
        box.evaluate("box => { box.scrollTop -= 40; }")  # less than a line or two is enough to say so
    tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    tops = [box.evaluate("box => box.scrollTop") for box in (thought, tab.locator(".log"))]
    fold = tab.locator(".thinking .fold").last
    expect(fold).to_have_text(re.compile(r"15,000 tokens"), timeout=60_000)
    assert [box.evaluate("box => box.scrollTop") for box in (thought, tab.locator(".log"))] == tops
    tab.get_by_role("button", name="Go to the end").click()
    expect(tab.locator(".latest")).to_be_hidden()
    tab.locator(".answer-now").click()
    done(tab, 2)
    # Who is reading keeps the thought that is read.
    expect(fold).to_have_attribute("aria-expanded", "true")


def test_results_are_filled_in_one_after_the_other(tab, api):
    send(tab, "tools")
    done(tab)
    cards = tab.locator(".call")
    cards.first.get_by_label("What did the tool return?").fill("1")
    tab.keyboard.press("Enter")
    expect(cards.first.locator(".fold")).to_have_text("Tool first: done")
    second = cards.nth(1).get_by_label("What did the tool return?")
    expect(second).to_be_focused()
    second.fill("22 C")
    tab.keyboard.press("Enter")
    done(tab, 2)
    expect(tab.locator("#ponder-text")).to_be_focused()
    assert [message["content"] for message in api.asked[-1]["messages"][-2:]] == ["1", "22 C"]


def test_a_question_in_the_first_moment_is_answered(tab):
    """Where greeting and question meet, gradio may end the stream that the answer comes by."""
    for answers in range(1, 6):
        tab.reload()
        send(tab, "sum")
        done(tab, answers)
        expect(tab.locator(".gauge-text")).not_to_contain_text("?")


def test_a_conversation_outlives_the_page_and_the_server(opened):
    api = Api(SCENES)
    server = Server(api.app(), page=MODEL)
    port = server.listener.getsockname()[1]
    tab = opened(server.url)
    tab.locator(".open-settings").click()
    tab.locator("[name=system]").fill("be brief")
    tab.locator("[name=api_key]").fill("sk-secret")
    tab.locator("[name=api_key]").press("Enter")
    send(tab, "tool")
    done(tab)
    tab.reload()
    done(tab)
    expect(tab.locator(".call .fold")).to_have_text("Tool get_weather: waits for its result")
    assert "sk-secret" not in tab.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    send(tab, "hold")
    expect(tab.locator(".thinking .folded").last).to_contain_text("I think about it.")
    server.close()
    server = Server(api.app(), page=MODEL, port=port)
    try:
        # The page comes back by itself.
        expect(tab.locator(".notice.error")).to_have_text(
            "Error: The connection was lost before the end", timeout=30_000
        )
        done(tab, 2)
        send(tab, "sum")
        done(tab, 3)
        asked = api.asked[-1]["messages"]
        assert asked[0] == {"role": "system", "content": "be brief"}
        assert [message["content"] for message in asked if message["role"] == "user"] == ["tool", "hold", "sum"]
        tab.get_by_role("button", name="New chat").click()
        expect(tab.locator("article")).to_have_count(0)
        tab.reload()
        expect(tab.locator(".empty")).to_be_visible()
    finally:
        server.close()


def test_a_server_with_keys_asks_for_one(opened):
    api = Api(SCENES, api_key="sk-right")
    server = Server(api.app(), page=MODEL)
    try:
        tab = opened(server.url, viewport={"width": 320, "height": 640})
        expect(tab.locator(".problem")).to_have_text(re.compile("asks for an API key"))
        key = tab.get_by_label("API key")
        expect(key).to_be_focused()
        tab.keyboard.type("sk-wrong")
        tab.keyboard.press("Enter")
        expect(tab.locator(".problem")).to_have_text(re.compile("does not accept this API key"))
        key.fill("sk-right")
        tab.keyboard.press("Enter")
        expect(tab.locator(".problem")).to_be_hidden()
        tab.keyboard.press("Escape")
        expect(tab.locator(".settings")).to_be_hidden()
        send(tab, "sum")
        done(tab)
        expect(tab.locator(".answer strong")).to_have_text("3")
    finally:
        server.close()


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


def test_scripts_cannot_reach_other_places(browser, api):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(api.url)
    refused = tab.evaluate(
        """() => new Promise((done) => {
          document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
          fetch("http://localhost:9/?stolen").catch(() => {});
        })"""
    )
    assert refused == "connect-src"
    context.close()
