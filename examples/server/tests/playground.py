"""Drives the playground page with headless Chromium:
playground.py BASE_URL CHROMIUM SCREENSHOTS_FOLDER"""

import re
import sys
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=30_000)
base, chromium, folder = sys.argv[1].rstrip("/"), sys.argv[2], Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
ONE = "def read_lines(path):\n"
CODE = "def add(a, b):\n    return a + b\n"
HEAD = "int add(int a, int b) {\n"
TEMPLATE = "# language: Python\n<INPUT>\n# Tests of <INPUT:0,1>\n"
# Task, its name in the list, the button, the heading, what the answer begins with, and the fields of
# its request by the label of their controls. An option is chosen by what it is called.
TASKS = [
    ("translate", "Translate", "Translate", "Translation to C++", HEAD, {
        "language": ("Language", "Python", "python"),
        "target_language": ("Target language", "C++", "c++"),
        "target_declaration": ("Target declaration", None, HEAD),
    }),
    ("explain", "Explain", "Explain", "Explanation", "#", {"language": ("Language", "Python", "python")}),
    ("docstring", "Document", "Document", "Documentation", "///", {"language": ("Language", "Rust", "rust")}),
    ("custom", "Custom template", "Run", "Answer", "", {
        "language": ("Language", "Python", "python"),
        "template": ("Template", None, TEMPLATE),
    }),
]
# What the status says of a run that came to its end.
ENDED = re.compile("stopped by|reached the")
SPECIAL = ["Target language", "Target declaration", "Template"]


def open_page(browser, problems, requests, **options):
    page = browser.new_page(**options)
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request))
    page.goto(base + "/")
    return page


def bodies(requests):
    return [r.post_data_json for r in requests if r.url == f"{base}/v1/completions"]


def control(page, label):
    # Labels have hints behind them; a hint may say what another label says.
    return page.locator(".field").filter(has=page.locator("label", has_text=re.compile(f"^{label}"))).locator(
        "input, select, textarea"
    )


def choose_task(page, name, title, fields):
    control(page, "Task").select_option(label=title)
    for label, option, value in fields.values():
        if option:
            control(page, label).select_option(label=option)
        else:
            control(page, label).fill(value)
    shown = [label for label in SPECIAL if control(page, label).is_visible()]
    assert shown == [label for label, _, _ in fields.values() if label != "Language"], (name, shown)


def idle(page):
    end = time.time() + 3
    while (health := page.request.get(base + "/health").json())["active"]:
        assert time.time() < end, health


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
    placeholder(page)
    page.screenshot(path=folder / "ready.png")

    # A run to its end, with other controls than those that the page begins with.
    prompt.fill("")
    prompt.press_sequentially(ONE)
    page.get_by_label("Language", exact=True).select_option(label="Python")
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
    assert body["prompt"] == ONE and body["stop"] == [] and body["task"] == "complete"
    assert not {"target_language", "target_declaration", "template"} & body.keys(), body
    expect(page.get_by_role("heading", name="Completion")).to_be_visible()
    assert page.locator("#given").text_content() == ONE
    page.screenshot(path=folder / "light.png")

    # The same seed, with the keyboard alone; then a stop text.
    prompt.focus()
    page.keyboard.press("Control+Enter")
    expect(state).to_contain_text(ENDED, timeout=30_000)
    assert made.text_content() == first
    stop_text = first.strip()[4:8]
    page.get_by_label("Stop strings").fill(stop_text.replace("\n", "\\n"))
    start.click()
    expect(state).to_contain_text("stop string", timeout=30_000)
    assert made.text_content() == first[: first.index(stop_text)]
    page.get_by_label("Stop strings").fill("")

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
    expect(state).to_contain_text("cancelled")
    expect(start).to_be_enabled()
    idle(page)
    length = len(made.text_content())
    time.sleep(0.2)
    assert len(made.text_content()) == length, "text after the stop"

    # Escape stops as well; Continue makes the result the next prompt.
    start.click()
    longer_than(made, 40)
    page.keyboard.press("Escape")
    expect(state).to_contain_text("cancelled")
    whole = page.locator("#given").text_content() + made.text_content()
    page.get_by_role("button", name="Continue").click()
    assert prompt.input_value() == whole

    # A wrong value is seen by the browser.
    runs = len(bodies(requests))
    page.get_by_label("Temperature").fill("9")
    start.click()
    assert len(bodies(requests)) == runs
    page.get_by_label("Temperature").fill("0.8")


def drive_tasks(page, requests):
    stop, state = page.get_by_role("button", name="Stop"), page.get_by_role("status")
    made, given = page.locator("#made"), page.locator("#given")
    prompt, use = page.locator("#prompt"), page.get_by_role("button", name="Continue")
    for name, title, button, heading, lead, fields in TASKS:
        choose_task(page, name, title, fields)
        page.get_by_label("Code", exact=True).fill(CODE)
        start = page.get_by_role("button", name=button, exact=True)
        control(page, "Max tokens").fill("40")
        control(page, "Temperature").fill("0.8")
        control(page, "Seed").fill("5")
        start.click()
        expect(state).to_contain_text(ENDED, timeout=30_000)
        body = bodies(requests)[-1]
        expected = {"task": name, "prompt": CODE} | {field: value for field, (_, _, value) in fields.items()}
        others = {"language", "target_language", "target_declaration", "template"} - expected.keys()
        assert expected.items() <= body.items() and not others & body.keys(), body

        # The answer alone, whole, and not to be mistaken for more of the code.
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        first = made.text_content()
        assert first.startswith(lead) and len(first) > len(lead) + 20, first
        assert given.text_content() == "" and prompt.input_value() == CODE
        expect(use).to_be_hidden()
        answer = page.request.post(base + "/v1/completions", data=body | {"stream": False, "stream_options": None})
        assert answer.json()["choices"][0]["text"] == first
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == first
        page.screenshot(path=folder / f"{name}.png")

        # It grows while it runs, and ends with the button and with the key.
        control(page, "Max tokens").fill("2000")
        for end_it in (stop.click, lambda: page.keyboard.press("Escape")):
            prompt.focus()
            page.keyboard.press("Control+Enter")
            longer_than(made, len(lead))
            longer_than(made, len(made.text_content()))
            expect(start).to_be_disabled()
            end_it()
            expect(state).to_contain_text("cancelled")
            expect(start).to_be_enabled()
            idle(page)

    # What another task has chosen stays with the result that is there.
    page.get_by_label("Task", exact=True).select_option(label="Complete")
    expect(page.get_by_role("heading", name="Answer")).to_be_visible()
    expect(use).to_be_hidden()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(CODE)

    # With the keyboard alone: the task, and past its language to the declaration.
    page.get_by_label("Task", exact=True).focus()
    page.keyboard.type("Tran")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type("// ")
    assert control(page, "Target declaration").input_value().endswith("// ")

    # A task needs a language, and a template a text.
    runs = len(bodies(requests))
    page.get_by_label("Task", exact=True).select_option(label="Complete")
    page.get_by_label("Language", exact=True).select_option(label="None")
    page.get_by_label("Task", exact=True).select_option(label="Explain")
    page.get_by_role("button", name="Explain").click()
    page.get_by_label("Task", exact=True).select_option(label="Custom template")
    page.get_by_label("Language", exact=True).select_option(label="Go")
    control(page, "Template").fill("")
    page.get_by_role("button", name="Run").click()
    assert len(bodies(requests)) == runs
    # Empty fields of other tasks do not matter.
    page.get_by_label("Task", exact=True).select_option(label="Explain")
    control(page, "Max tokens").fill("5")
    page.get_by_role("button", name="Explain").click()
    expect(state).to_contain_text(ENDED, timeout=30_000)
    assert len(bodies(requests)) == runs + 1


def closing(browser, problems, requests):
    """Closing the page cancels the request, in every task."""
    for name, title, button, _, lead, fields in TASKS:
        page = open_page(browser, problems, requests)
        choose_task(page, name, title, fields)
        control(page, "Max tokens").fill("2000")
        control(page, "Seed").fill("5")
        page.get_by_role("button", name=button, exact=True).click()
        longer_than(page.locator("#made"), len(lead))
        assert page.request.get(base + "/health").json()["active"] == 1
        page.close()
        other = browser.new_page()
        idle(other)
        other.close()


def placeholder(page, task="completion"):
    """Without a result, there is the placeholder and nothing beside it."""
    empty, result = page.locator("#empty"), page.locator("#result")
    expect(empty).to_be_visible()
    expect(empty).to_have_text(f"The {task} appears here.")
    expect(result).to_be_hidden()


def errors(browser, requests):
    """What goes wrong is shown. The browser logs such answers by itself."""
    problems = []
    page = open_page(browser, problems, requests, viewport={"width": 1200, "height": 800})
    page.get_by_label("Prompt", exact=True).fill("x " * 8000)
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("shorten the prompt")
    # Long texts scroll in their boxes.
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_role("status")).to_be_in_viewport()
    placeholder(page)
    page.screenshot(path=folder / "error.png")
    page.get_by_label("Task", exact=True).select_option(label="Custom template")
    page.get_by_label("Code", exact=True).fill("x")
    control(page, "Template").fill("no place")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("needs an <INPUT>")
    placeholder(page, "answer")
    page.screenshot(path=folder / "template-error.png")
    page.route("**/v1/completions", lambda route: route.abort())
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    placeholder(page, "answer")
    # A completion of nothing, and one that is cancelled before its first token.
    page.unroute("**/v1/completions")
    page.get_by_label("Task", exact=True).select_option(label="Complete")
    page.get_by_label("Prompt", exact=True).fill(ONE)
    page.get_by_label("Stop strings").fill("\\n\n \nx\ne")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("status")).to_contain_text(ENDED, timeout=30_000)
    if page.locator("#made").text_content() == "":
        placeholder(page)
    page.route("**/v1/completions", lambda route: None)
    page.get_by_role("button", name="Complete").click()
    expect(page.locator("#given")).to_have_text(ONE)
    expect(page.locator("#empty")).to_be_hidden()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("cancelled")
    placeholder(page)
    page.screenshot(path=folder / "cancelled.png")
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
    page = open_page(
        browser, problems, requests, viewport={"width": 1200, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    drive_tasks(page, requests)
    page.close()
    closing(browser, problems, requests)
    for name, options in {
        "dark": dict(color_scheme="dark", viewport={"width": 1200, "height": 800}),
        "narrow": dict(viewport={"width": 380, "height": 800}),
        "narrow-dark": dict(color_scheme="dark", viewport={"width": 380, "height": 800}),
    }.items():
        page = open_page(browser, problems, requests, **options)
        page.get_by_label("Seed").fill("3")
        page.get_by_role("button", name="Complete").click()
        expect(page.get_by_role("status")).to_contain_text(ENDED, timeout=30_000)
        narrow(page)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        for task, title, button, _, _, fields in TASKS:
            choose_task(page, task, title, fields)
            page.get_by_label("Code", exact=True).fill(CODE)
            page.get_by_role("button", name=button, exact=True).click()
            expect(page.get_by_role("heading", level=2)).to_contain_text(button[:5] if task != "custom" else "Answer")
            expect(page.get_by_role("status")).to_contain_text(ENDED, timeout=30_000)
            narrow(page)
            page.screenshot(path=folder / f"{name}-{task}.png", full_page=True)
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
