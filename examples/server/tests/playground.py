"""Drives the playground page with headless Chromium:
playground.py BASE_URL CHROMIUM SCREENSHOTS_FOLDER"""

import sys
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

base, chromium, folder = sys.argv[1].rstrip("/"), sys.argv[2], Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
ONE = "def read_lines(path):\n"


def open_page(browser, problems, requests, **options):
    page = browser.new_page(**options)
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request))
    page.goto(base + "/")
    return page


def bodies(requests):
    return [r.post_data_json for r in requests if r.url == f"{base}/v1/completions"]


def longer_than(box, characters):
    # The page's policy forbids what the browser's own way of waiting would evaluate in it.
    end = time.time() + 30
    while len(box.text_content()) <= characters:
        assert time.time() < end, box.text_content()
        time.sleep(0.01)


def drive(page, requests):
    start, stop = page.get_by_role("button", name="Complete"), page.get_by_role("button", name="Stop")
    prompt, made, state = page.get_by_label("Prompt", exact=True), page.locator("#made"), page.get_by_role("status")
    expect(state).to_have_text("Ready")
    expect(stop).to_be_disabled()

    # A run to its end, with other controls than those that the page begins with.
    prompt.fill("")
    prompt.press_sequentially(ONE)
    page.get_by_label("Language").select_option(label="Python")
    page.get_by_label("Temperature").fill("0.8")
    page.get_by_label("Max tokens").fill("60")
    page.get_by_label("Top p").fill("0.9")
    page.get_by_label("Top k").fill("40")
    page.get_by_label("Seed").fill("7")
    start.click()
    expect(state).to_contain_text("tokens/s", timeout=30_000)
    expect(state).to_contain_text("first after")
    expect(start).to_be_enabled()
    first = made.text_content()
    assert len(first) > 20, first
    body = bodies(requests)[-1]
    expected = dict(language="python", temperature=0.8, max_tokens=60, top_p=0.9, top_k=40, seed=7)
    assert expected.items() <= body.items(), body
    assert body["prompt"] == ONE and body["stop"] == []
    page.screenshot(path=folder / "light.png")

    # The same seed, with the keyboard alone; then a stop text.
    prompt.focus()
    page.keyboard.press("Control+Enter")
    expect(state).to_contain_text("at ", timeout=30_000)
    assert made.text_content() == first
    stop_text = first.strip()[4:8]
    page.get_by_label("Stop at").fill(stop_text.replace("\n", "\\n"))
    start.click()
    expect(state).to_contain_text("at a stop", timeout=30_000)
    assert made.text_content() == first[: first.index(stop_text)]
    page.get_by_label("Stop at").fill("")

    # A long run: text grows while it runs, and Stop ends it.
    page.get_by_label("Max tokens").fill("2000")
    page.get_by_label("Temperature").fill("1.3")
    start.click()
    lengths = []
    for _ in range(3):
        longer_than(made, max(lengths, default=0))
        lengths.append(len(made.text_content()))
    assert lengths == sorted(set(lengths)), lengths
    expect(start).to_be_disabled()
    stop.click()
    expect(state).to_contain_text("stopped")
    expect(start).to_be_enabled()
    end = time.time() + 3
    while (health := page.request.get(base + "/health").json())["active"]:
        assert time.time() < end, health
    length = len(made.text_content())
    time.sleep(0.2)
    assert len(made.text_content()) == length, "text after the stop"

    # Escape stops as well; Continue makes the result the next prompt.
    start.click()
    longer_than(made, 40)
    page.keyboard.press("Escape")
    expect(state).to_contain_text("stopped")
    whole = page.locator("#given").text_content() + made.text_content()
    page.get_by_role("button", name="Continue").click()
    assert prompt.input_value() == whole

    # A wrong value is seen by the browser.
    runs = len(bodies(requests))
    page.get_by_label("Temperature").fill("9")
    start.click()
    assert len(bodies(requests)) == runs
    page.get_by_label("Temperature").fill("0.8")


def errors(browser, requests):
    """What goes wrong is shown. The browser logs such answers by itself."""
    problems = []
    page = open_page(browser, problems, requests)
    page.get_by_label("Prompt", exact=True).fill("x " * 4000)
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("shorten the prompt")
    page.screenshot(path=folder / "error.png")
    page.route("**/v1/completions", lambda route: route.abort())
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    assert all("Failed to load resource" in problem for problem in problems), problems
    page.close()


def narrow(page):
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the window"


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    problems, requests = [], []
    page = open_page(browser, problems, requests, viewport={"width": 1200, "height": 800})
    drive(page, requests)
    page.close()
    for name, options in {
        "dark": dict(color_scheme="dark", viewport={"width": 1200, "height": 800}),
        "narrow": dict(viewport={"width": 380, "height": 800}),
        "narrow-dark": dict(color_scheme="dark", viewport={"width": 380, "height": 800}),
    }.items():
        page = open_page(browser, problems, requests, **options)
        page.get_by_label("Seed").fill("3")
        page.get_by_role("button", name="Complete").click()
        expect(page.get_by_role("status")).to_contain_text("at ", timeout=30_000)
        narrow(page)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        page.close()
    assert not problems, problems
    errors(browser, requests)
    # Everything with a name that a reader of the page can use.
    page = open_page(browser, problems, requests)
    for control in page.locator("input, select, textarea, button").all():
        name = control.evaluate("e => (e.labels?.[0]?.textContent ?? e.textContent).trim()")
        assert name, control
    foreign = [r.url for r in requests if not r.url.startswith((base + "/", "data:"))]
    assert not foreign, foreign
    assert not problems, problems
    print(f"chromium {browser.version}: 1 passed, 0 failed")
    browser.close()
