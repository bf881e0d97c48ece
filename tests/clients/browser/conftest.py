"""The page over scenes, in headless Chromium. What needs a browser is imported where a test asks for it: `page` skips
the modules of its tests where there is none."""

import pytest

from tests.clients.page_api import MODEL, Api, Server


@pytest.fixture(scope="module")
def api():
    """The page over scenes; `url`: where."""
    from tests.clients.browser import page

    api = Api(page.SCENES)
    server = Server(api.app(), page=MODEL)
    api.url = server.url
    yield api
    server.close()


@pytest.fixture(scope="module")
def browser():
    from tests.clients.browser import page

    with page.sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=page.CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Opens a page. At the end nothing may have been fetched from elsewhere, and no script may have failed."""
    from tests.clients.browser import page

    contexts, fetched, failures = [], [], []

    def open_page(url, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: fetched.append((request.url, url)))
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.goto(url)
        page.expect(tab.locator(".gauge-text")).to_contain_text(
            "tokens" if options.get("locale") != "zh-CN" else "词元"
        )
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert all(asked.startswith((own, "data:")) for asked, own in fetched) and not failures


@pytest.fixture
def tab(opened, api):
    return opened(api.url)
