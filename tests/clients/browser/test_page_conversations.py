"""Conversations on the page, in headless Chromium: tools, versions, settings, keys, and what outlives the page."""

import re

from tests.clients.browser.page import ANSWER, SCENES, done, expect, in_browser, send
from tests.clients.page_api import MODEL, Api, Server

pytestmark = in_browser


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
