"""An answer on the page, in headless Chromium: how it comes, how it is stopped, and what is told about it."""

import asyncio
import re

from ponder.server.answer.gateway import Gateway
from ponder.server.front.app import create_app
from tests.clients.browser.page import done, expect, in_browser, send
from tests.clients.page_api import MODEL, Server
from tests.shared.scripted import Scripted

pytestmark = in_browser


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


def test_a_question_in_the_first_moment_is_answered(tab):
    """Where greeting and question meet, gradio may end the stream that the answer comes by."""
    for answers in range(1, 6):
        tab.reload()
        send(tab, "sum")
        done(tab, answers)
        expect(tab.locator(".gauge-text")).not_to_contain_text("?")


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
