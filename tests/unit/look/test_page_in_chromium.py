"""notemill.look.page, as a browser has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from notemill.look.page import write_page
from tests.browser import Opened, opened
from tests.unit.look.pages import ABOUT, entry

HOSTILE = (
    "</script></style></div><script>document.title = 'taken'</script>"
    '<img src="https://tracker.example/x.png" onerror="document.title = 1">'
    "<link rel=stylesheet href=//tracker.example/x.css><meta http-equiv=refresh content=0>"
    "{{ 7 * 7 }}{% raw %} &amp; <!-- \" '"
)
PLAIN = "Chest CT.\r\n\tRIGHT  LOWER\nlobe is dense.\n  \U0001f642 No fever at home."
ODD = "\ufeffa\x00b\x1b[31mred\x7f\x85 \u202eright to left\u202c end\ud800"
ARABIC = "لا يوجد دليل على التهاب رئوي"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    entries = [
        entry(PLAIN, reason='It says "right lower lobe is dense".', quotes=["No fever at home."]),
        entry(HOSTILE, response="no", reason="No evidence of pneumonia here", acute=True),
        entry(
            "Sign of pneumonia.",
            "schema",
            detail="response: literal_error",
            attempts=3,
            changes="hint; pause",
        ),
        entry(ODD, response="no", acute=False, reason=HOSTILE),
        entry(ARABIC, reason=ARABIC),
        entry("x" * 100_001, "too_long"),
        *(entry(f"Note {n}.\n" * 40, response="unclear", reason=f"of {n}") for n in range(20)),
    ]
    write_page(path, ABOUT, entries)
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Iterator[Opened]:
    page = opened(browser, file, viewport={"width": 1200, "height": 700})
    yield page
    page.page.context.close()


def shown(page: Page) -> list[str]:
    """Numbers of the entries that are to be seen."""
    return [entry.get_attribute("id") or "" for entry in page.locator("article:visible").all()]


def focused(page: Page) -> str:
    number: str = page.evaluate("document.activeElement.id")
    return number


def choose(page: Page, name: str, choice: str) -> None:
    page.get_by_label(name, exact=True).select_option(label=choice)


def test_a_note_is_there_word_for_word_with_its_lines(page: Page) -> None:
    texts = page.locator(".note").all_text_contents()
    # HTML has one sign for the end of a line.
    assert PLAIN.replace("\r\n", "\n") in texts
    assert HOSTILE in texts
    assert ARABIC in texts
    note = page.locator(".note", has_text="Chest CT.")
    note.click()  # what is out of sight is not drawn
    assert note.inner_text() == PLAIN.replace("\r\n", "\n")  # as it is drawn


def test_characters_that_no_browser_shows_have_a_picture(page: Page) -> None:
    note = page.locator(".note", has_text="red").text_content()
    assert note == "\ufeffa\u2400b\u241b[31mred\u2421\u2426 \u202eright to left\u202c end\ufffd"


def test_nothing_in_a_note_is_markup_and_no_request_leaves(page: Page, shared: Opened) -> None:
    page.wait_for_load_state("networkidle")
    assert page.title() == "cough-0123456789ab over chest"
    assert page.locator("img, link, main script, main style").count() == 0
    assert (shared.left, shared.errors) == ([], [])


def test_what_an_answer_quotes_is_marked_where_it_stands(page: Page) -> None:
    first = page.locator("article", has_text="Chest CT.")
    assert first.locator("mark").all_text_contents() == [
        "RIGHT  LOWER\nlobe is dense",
        "No fever at home",
    ]
    first.get_by_text("2 places in the note").click()
    assert page.locator("mark:target").text_content() == "RIGHT  LOWER\nlobe is dense"
    assert page.locator("article", has_text="tracker").first.locator("mark").count() == 0
    assert page.locator("article", has_text=ARABIC).locator("mark").text_content() == ARABIC


def test_failures_come_first_with_their_reason(page: Page) -> None:
    first, second, third = page.locator("article").all()[:3]
    assert first.locator(".status").text_content() == "schema"
    told = first.locator(".answer").text_content() or ""
    for words in ("JSON that schema.py refuses", "response: literal_error", "3 attempts"):
        assert words in told
    assert "told what schema.py had refused; a pause before it" in told
    assert second.locator(".status").text_content() == "too_long"
    assert third.locator(".status").text_content() == "answered"
    assert "first 100,000 of 100,001 characters" in (second.locator(".cut").text_content() or "")


def test_a_filter_shows_what_fits_and_counts_it(page: Page) -> None:
    everything = [str(number) for number in range(1, 27)]
    assert shown(page) == everything
    options = page.get_by_label("response", exact=True).locator("option").all_text_contents()
    assert options == ["all (26)", "yes (2)", "no (2)", "unclear (20)", "(no answer) (2)"]
    choose(page, "response", "no (2)")
    assert shown(page) == ["4", "5"]
    assert page.locator("output").text_content() == "2 of 26 shown"
    choose(page, "acute", "true (1)")
    assert shown(page) == ["4"]
    choose(page, "status", "schema (1)")
    assert shown(page) == []
    page.get_by_text("No note has all of this.").get_by_role("button").click()
    assert shown(page) == everything
    choose(page, "acute", "null (22)")
    assert len(shown(page)) == 22
    page.get_by_role("button", name="show all").first.click()
    assert shown(page) == everything


def test_keys_go_from_note_to_note(page: Page) -> None:
    page.keyboard.press("k")
    assert focused(page) == ""
    for number in ("1", "2", "3"):
        page.keyboard.press("j")
        assert focused(page) == number
    page.keyboard.press("k")
    assert focused(page) == "2"
    page.keyboard.press("Control+j")
    assert focused(page) == "2"
    choose(page, "response", "no (2)")
    page.get_by_label("response", exact=True).focus()
    page.keyboard.press("j")
    assert focused(page) == "4"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focused(page) == "5"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert focused(page) == "4"
    choose(page, "response", "unclear (20)")
    page.keyboard.press("j")
    assert focused(page) == "7"
    assert page.get_by_label("response", exact=True).input_value() == "2"


IN_SIGHT = """() => {
  const top = document.activeElement.getBoundingClientRect().top;
  const gap = top - document.forms[0].offsetHeight;
  return 0 <= gap && gap < 20;
}"""
GROW = """() => {
  document.documentElement.style.overflowAnchor = "none";
  document.querySelector("article").style.minHeight = "3000px";
}"""


def go_to_the_twelfth(page: Page) -> None:
    """By the keys, until it is in sight; fails where it never is."""
    for _ in range(12):
        page.keyboard.press("j")
    page.wait_for_function(IN_SIGHT)


def test_the_note_that_a_key_goes_to_stays_in_sight_when_one_above_it_is_drawn_late(
    page: Page,
) -> None:
    go_to_the_twelfth(page)
    page.wait_for_timeout(500)
    page.evaluate(GROW)
    page.wait_for_function(IN_SIGHT)


def test_who_scrolls_away_from_a_note_is_not_taken_back(page: Page) -> None:
    go_to_the_twelfth(page)
    page.mouse.move(600, 400)
    page.mouse.wheel(0, 900)
    page.wait_for_function(f"() => !({IN_SIGHT})()")
    page.evaluate(GROW)
    page.wait_for_timeout(500)
    assert not page.evaluate(IN_SIGHT)


def test_the_note_that_a_key_goes_to_is_in_sight_below_the_filters(page: Page) -> None:
    go_to_the_twelfth(page)
    assert page.evaluate("document.forms[0].getBoundingClientRect().top") == 0
    outline = page.locator("article:focus").evaluate("it => getComputedStyle(it).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_scrolling_sideways(
    browser: Browser, file: Path, scheme: str
) -> None:
    narrow = opened(browser, file, viewport={"width": 400, "height": 800}, color_scheme=scheme).page
    assert narrow.evaluate("document.documentElement.scrollWidth") == 400
    long = narrow.locator(".note", has_text="xxx")
    long.click(position={"x": 1, "y": 1})
    assert long.evaluate("it => it.scrollWidth - it.clientWidth") == 0
    background = narrow.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(23, 24, 26)") == (scheme == "dark")
    narrow.context.close()
