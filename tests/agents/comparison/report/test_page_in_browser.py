"""The page in a real Chromium: filters, keyboard, phone width, themes, hostile text, no request."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import synthetic_comparison as synthetic
from playwright.sync_api import Browser, Page, expect, sync_playwright

from selfcorrect_agents.comparison.report.page import write_page

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\u202e\ud800"
)
PATIENCE = 60_000
"""Milliseconds that a busy machine may take."""
FLAGS = ["--no-sandbox", "--disable-background-networking"]


def find_browser(own: str) -> str | None:
    """Return a Chromium's program: one on the path, else the one that playwright downloaded."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return own if Path(own).exists() else None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = find_browser(playwright.chromium.executable_path)
        if program is None:
            pytest.skip(
                "needs a Chromium: apt-get install chromium, or playwright install chromium"
            )
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with one worked and one hostile episode, then four of each kind."""
    hostile = synthetic.shown(
        HOSTILE,
        7,
        "greedy",
        (HOSTILE, HOSTILE, "18"),
        [HOSTILE, "x" * 50_000],
        [HOSTILE, None],
        [None, False],
    )
    as_json = synthetic.comparison()
    as_json["methods"] = [as_json["methods"][i] for i in (0, 1, 5)]  # a small page opens sooner
    as_json["pairs"] = as_json["pairs"][:1]
    as_json["methods"][1]["name"] = HOSTILE
    path = tmp_path_factory.mktemp("page") / "report.html"
    shown = [synthetic.worked_episode(), hostile, *synthetic.episodes()]
    write_page(path, synthetic.read(as_json), shown)
    return path.as_uri()


@pytest.fixture(scope="module", params=[1, 3])
def other_attempts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, str]:
    """Another number of attempts, and the address of a page with an episode of so many."""
    attempts = request.param
    as_json = synthetic.comparison(attempts=attempts)
    replies = ["it is 1", "it is 2", "it is 3"][:attempts]
    episode = synthetic.shown(
        "SCoRe",
        0,
        "greedy",
        ("sum", "1 + 2", "3"),
        replies,
        ["1", "2", "3"][:attempts],
        [False, False, True][:attempts],
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, synthetic.read(as_json), [episode])
    return attempts, path.as_uri()


class Opened:
    """An open page, with everything that it complained of or asked the network for."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.page: Page = browser.new_page(**options)
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.goto(address)

    def shown(self) -> int:
        """Return how many episodes the page says that it shows."""
        return int(self.page.inner_text("#status").split(" of ")[0].replace(",", ""))

    def colour(self, name: str = "background-color") -> tuple[float, ...]:
        value = self.page.evaluate("n => getComputedStyle(document.body).getPropertyValue(n)", name)
        return tuple(float(part) for part in value.strip("rgba()").split(",")[:3])


def stacked(page: Page) -> bool:
    """Whether the two attempts are one below the other, not side by side."""
    return page.locator(".attempt").evaluate_all(
        "([a, b]) => b.getBoundingClientRect().y > a.getBoundingClientRect().y"
    )


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Opened]:
    opened = Opened(browser, address, viewport={"width": 1280, "height": 900})
    yield opened
    opened.page.close()
    assert opened.complaints == []
    assert [url.split("#")[0] for url in opened.requests[1:]] == [address] * len(
        opened.requests[1:]
    )


def test_filters_narrow_and_say_so(opened: Opened) -> None:
    page, everything = opened.page, opened.shown()
    assert everything == 2 + 7 * 2 * 4 * 4
    page.check("input[value='i->c']")
    assert opened.shown() == 1 + 7 * 2 * 4
    page.select_option("#method", "SCoRe")
    assert opened.shown() == 1 + 2 * 4
    page.select_option("#decoding", "greedy")
    assert opened.shown() == 1 + 4
    listed = page.locator("#list [role=option]")
    assert len(set(listed.evaluate_all("all => all.map(e => e.id)"))) == 1 + 4
    for text in listed.all_inner_texts():
        assert text.startswith("✗ → ✓")
        assert "SCoRe · greedy · seed" in text
    page.fill("#q", "JANET muffins")
    assert opened.shown() == 1
    assert page.inner_text("#episode .id") == "gsm8k-17"
    page.fill("#q", "no such text")
    assert opened.shown() == 0
    assert "No episode passes" in page.inner_text("#episode")
    page.click("button[type=reset]")
    expect(page.locator("#status")).to_have_text(re.compile("^226 of"), timeout=PATIENCE)
    assert not page.is_checked("input[value='i->c']")


def test_counts_of_transitions_follow_the_other_filters(opened: Opened) -> None:
    page = opened.page
    page.select_option("#method", "base")
    page.check("input[value='c->i']")
    assert opened.shown() == 8
    assert page.inner_text("label.chip:has([value='i->c']) .count") == "8"


@pytest.mark.slow
def test_the_address_keeps_the_state(opened: Opened, browser: Browser) -> None:
    page = opened.page
    page.check("input[value='c->i']")
    page.select_option("#method", "STaR")
    page.press("#list", "ArrowDown")
    chosen = page.inner_text("#episode .id")
    again = Opened(browser, page.url)
    assert again.shown() == opened.shown() == 8
    assert again.page.is_checked("input[value='c->i']")
    assert again.page.input_value("#method") == "STaR"
    assert again.page.inner_text("#episode .id") == chosen
    again.page.close()


@pytest.mark.slow
def test_an_address_with_unknown_values_is_survived(browser: Browser, address: str) -> None:
    state = "#method=nobody&seed=99&transition=x&episode=123456"
    opened = Opened(browser, address + state)
    assert opened.shown() == 226
    opened.page.close()
    assert opened.complaints == []


def test_a_share_of_the_flows_leads_to_its_episodes(opened: Opened) -> None:
    link = ".flow:has-text('SCoRe') a:has-text('wrong → right')"
    opened.page.locator(link).first.click()
    expect(opened.page.locator("#method")).to_have_value("SCoRe", timeout=PATIENCE)
    assert opened.shown() == 4
    assert opened.page.input_value("#decoding") == "sampled"


def test_the_list_by_keyboard(opened: Opened) -> None:
    page = opened.page
    page.focus("#list")
    chosen = page.locator("#list [aria-selected=true]")
    for key, position in (
        *(("ArrowDown", 2), ("ArrowDown", 3), ("ArrowUp", 2), ("PageDown", 12)),
        *(("Home", 1), ("ArrowUp", 1), ("End", 226), ("ArrowDown", 226)),
    ):
        page.keyboard.press(key)
        assert chosen.count() == 1
        assert chosen.get_attribute("aria-posinset") == str(position)
        assert page.get_attribute("#list", "aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "episode"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "list"


def test_turning_pages_keeps_the_focus(opened: Opened) -> None:
    page = opened.page
    page.focus("text=Next →")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Next →"
    assert page.locator("#list [aria-selected=true]").get_attribute("aria-posinset") == "2"


def test_the_tab_key_starts_at_the_skip_link_and_shows_where_it_is(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_charts_read_out_values_by_keyboard_and_pointer(opened: Opened) -> None:
    page = opened.page
    panel = page.locator("#curves .panel").last
    readout = panel.locator(".readout")
    at_first = readout.inner_text()
    panel.focus()
    page.keyboard.press("Home")
    assert readout.inner_text().startswith("256 episodes: t1 ")
    page.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("512 episodes")
    page.focus("#q")
    assert readout.inner_text() == at_first
    panel.locator("svg.plot").hover(position={"x": 3, "y": 20})
    assert " episodes: " in readout.inner_text()


def test_changes_are_marked_by_more_than_colour(opened: Opened) -> None:
    page = opened.page
    assert page.locator(".attempt del").all_inner_texts() == ["+", "11", "11"]
    assert page.locator(".attempt ins").all_inner_texts() == ["*", "18", "18"]
    style = "e => getComputedStyle(e).textDecorationLine"
    assert page.locator(".attempt del").first.evaluate(style) == "line-through"
    assert page.locator(".attempt ins").first.evaluate(style) == "underline"
    assert not stacked(page)
    assert page.locator(".verdict").all_inner_texts() == [
        "✗ wrong (score 0)",
        "✓ correct (score 1)",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("", "a"),
        ("kitten", "sitting"),
        ("a b c " * 40, "a c d " * 40),
        ("é\U0001f600", "e"),
    ],
)
def test_changes_give_both_texts_back(opened: Opened, before: str, after: str) -> None:
    pieces = opened.page.evaluate("([a, b]) => changes(a, b)", [before, after])
    assert "".join(p["text"] for p in pieces if p["kind"] != "new") == before
    assert "".join(p["text"] for p in pieces if p["kind"] != "gone") == after


def test_changes_between_long_texts_that_share_nothing_are_bounded(opened: Opened) -> None:
    texts = ["a " * 5000, "b " * 5000]
    kinds = opened.page.evaluate("([a, b]) => changes(a, b).map(p => p.kind)", texts)
    assert kinds == ["gone", "new", "same"]  # no table of 10,000 × 10,000 cells was made


def test_hostile_text_is_inert(opened: Opened) -> None:
    page = opened.page
    page.press("#list", "ArrowDown")
    assert "</script><script>window.hacked" in page.inner_text("#episode pre >> nth=0")
    assert "characters left out" in page.inner_text(".attempt >> nth=1")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    page.select_option("#method", index=2)
    assert opened.shown() == 1


def test_no_script_but_the_pages_own_may_run(browser: Browser, address: str) -> None:
    opened = Opened(browser, address)
    code = (
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
    )
    opened.page.evaluate(code + " document.body.append(s); }")
    assert opened.page.evaluate("window.hacked") is None
    opened.page.close()
    assert "Content Security Policy" in opened.complaints[0]


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_screen_never_scrolls_sideways(browser: Browser, address: str, width: int) -> None:
    opened = Opened(browser, address, viewport={"width": width, "height": 740})
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for _ in range(3):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.press("#list", "ArrowDown")
    if width == 360:
        assert stacked(page)
        assert page.locator(".scroll").first.evaluate("e => e.scrollWidth > e.clientWidth")
    page.close()
    assert opened.complaints == []


def test_a_table_that_scrolls_says_so(browser: Browser, address: str) -> None:
    opened = Opened(browser, address, viewport={"width": 360, "height": 740})
    hint = opened.page.locator("#metrics .tabled .hint").first
    expect(hint).to_be_visible(timeout=PATIENCE)
    opened.page.close()
    assert opened.complaints == []


def test_other_numbers_of_attempts(browser: Browser, other_attempts: tuple[int, str]) -> None:
    attempts, address = other_attempts
    opened = Opened(browser, address)
    page = opened.page
    heads = page.locator("#metrics table").first.locator("thead th").all_inner_texts()
    turns = [f"Acc@t{turn}" for turn in range(1, attempts + 1)]
    assert heads[1 : attempts + 1] == turns
    assert len(heads) == 1 + attempts + {1: 0, 3: 5}[attempts]
    panel = page.locator("#curves .panel").last
    panel.focus()
    page.keyboard.press("Home")
    shown = panel.locator(".readout").inner_text()
    assert [f"t{turn} " in shown for turn in range(1, 5)] == [t <= attempts for t in range(1, 5)]
    (listed,) = page.locator("#list [role=option]").all_inner_texts()
    assert listed.startswith({1: "✗\n", 3: "✗ → ✗ → ✓"}[attempts])
    titles = [f"Attempt {turn}" for turn in range(1, attempts + 1)]
    assert page.locator(".attempt h4").all_inner_texts() == titles
    labels = [" ".join(t.split()) for t in page.locator("#transition label").all_inner_texts()]
    assert labels == [{1: "wrong 1", 3: "wrong → right 1"}[attempts]]
    page.close()
    assert opened.complaints == []


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in
              (part / 255 for part in colour)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(browser: Browser, address: str, scheme: Any) -> None:
    opened = Opened(browser, address, color_scheme=scheme)
    paper = opened.colour()
    assert (luminance(paper) > 0.5) is (scheme == "light")
    assert contrast(opened.colour("color"), paper) >= 7
    for selector in (".note", ".swatch.gain", ".swatch.loss", "summary", ".sign", ".verdict"):
        value = opened.page.locator(selector).first.evaluate("e => getComputedStyle(e).color")
        colour = tuple(float(part) for part in value.strip("rgb()").split(","))
        assert contrast(colour, paper) >= 4.5, selector
    opened.page.close()


def test_the_theme_can_be_switched(opened: Opened) -> None:
    button = opened.page.locator("#theme")
    seen = {}
    for name in ("auto", "light", "dark"):
        assert button.inner_text() == f"Theme: {name}"
        seen[name] = opened.colour()
        button.click()
    assert seen["light"] != seen["dark"]
    assert button.inner_text() == "Theme: auto"


def test_without_scripts_the_metrics_can_be_read(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.is_visible("noscript p")
    assert page.is_visible("#metrics table >> nth=0")
    assert page.is_visible("#curves .panel >> nth=0")
    assert not page.is_visible("#browser")
    context.close()
