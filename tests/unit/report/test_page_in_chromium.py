"""notemill.report.page, as a browser has it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from notemill.report.page import write_page
from tests.browser import Opened, opened
from tests.unit.report import hostile, reports

CLASSES = "Notes by response"
FIGURES = "pneumonia, response: figures"
# Of every element with words of its own: those whose contrast is less than 4.5 to 1.
PALE = """() => {
  const parts = (colour) => {
    const numbers = colour.match(/[\\d.]+/g).map(Number);
    const most = colour.startsWith("color(") ? 1 : 255;
    const of = numbers.slice(0, 3).map((n) => n / most);
    return { of, alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const light = ({ of }) => {
    const [r, g, b] = of.map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.alpha > 0) return colour;
    }
    return { of: [1, 1, 1] };
  };
  const pale = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("script, title, desc, .hidden, .skip")) continue;
    const style = getComputedStyle(element);
    const ink = parts(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(`${element.tagName} ${style.color}`);
  }
  return pale;
}"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_page(path, reports.rich())
    return path


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    write_page(path, hostile.hostile())
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Iterator[Opened]:
    page = opened(browser, file, viewport={"width": 1200, "height": 800})
    yield page
    page.page.context.close()


def column(page: Page, caption: str, place: int) -> list[str]:
    """Cells of the first table with this caption, as they stand."""
    table = page.locator("table", has_text=caption).first
    cells = table.locator(f"tbody tr > :nth-child({place})").all_text_contents()
    return [cell.strip() for cell in cells]


def pasted(page: Page) -> str:
    """What a user would paste."""
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('textarea'), {id: 'pasted'}))"
    )
    page.locator("#pasted").focus()
    page.keyboard.press("Control+V")
    text: str = page.locator("#pasted").input_value()
    return text


def test_no_request_leaves_and_nothing_is_wrong(page: Page, shared: Opened) -> None:
    page.wait_for_load_state("networkidle")
    assert (shared.left, shared.errors) == ([], [])


def test_hostile_words_are_words(browser: Browser, hostile_file: Path) -> None:
    shown = opened(browser, hostile_file, viewport={"width": 1200, "height": 800})
    page = shown.page
    page.wait_for_load_state("networkidle")
    assert page.title() == hostile.MARKUP
    assert page.locator("h1").text_content() == hostile.MARKUP
    assert page.locator("img, main script").count() == 0
    assert hostile.MARKUP in page.locator("pre").all_text_contents()
    assert (shown.left, shown.errors) == ([], [])
    page.context.close()


def test_a_heading_sorts_by_mouse_and_keyboard_and_says_so(page: Page) -> None:
    assert column(page, CLASSES, 1) == ["yes", "no", "unclear"]
    table = page.locator("table", has_text=CLASSES).first
    notes = table.get_by_role("button", name="notes", exact=True)
    notes.click()
    assert column(page, CLASSES, 3) == ["9,920", "2,114", "775"]
    assert notes.locator("..").get_attribute("aria-sort") == "descending"
    notes.press("Enter")
    assert column(page, CLASSES, 3) == ["775", "2,114", "9,920"]
    table.get_by_role("button", name="class", exact=True).press("Space")
    assert column(page, CLASSES, 1) == ["no", "unclear", "yes"]
    assert table.locator("[aria-sort]").count() == 1
    assert page.locator("output.said").text_content() == "sorted by class, ascending"


def test_what_is_not_defined_stays_below(page: Page) -> None:
    caption = "The whole cohort, by what readers found"
    table = page.locator("table", has_text=caption).first
    for _ in range(2):
        table.get_by_role("button", name="answered notes").click()
        assert [cell[0] for cell in column(page, caption, 4)][-2:] == ["–", "–"]


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "no clipboard"])
def test_a_table_is_copied_with_all_its_digits(
    browser: Browser, file: Path, clipboard: bool
) -> None:
    page = opened(browser, file).page
    if not clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name=f"copy table: {FIGURES}", exact=True).click()
    page.get_by_role("button", name=f"copy table: {FIGURES}", exact=True).get_by_text(
        "copied"
    ).wait_for()
    lines = [line.split("\t") for line in pasted(page).split("\n")]
    assert lines[0][:5] == ["measure", "answered notes", "95% low", "95% high", "n"]
    assert {len(line) for line in lines} == {9}
    name, value, low, high, n = lines[1][:5]
    assert (name, n) == ("accuracy", "3780")
    assert float(low) < float(value) < float(high)
    assert len(value) > len("0.946")
    page.context.close()


def test_the_methods_are_copied(page: Page) -> None:
    page.get_by_role("button", name="copy methods").click()
    page.get_by_role("button", name="copy methods").get_by_text("copied").wait_for()
    assert "On 20 November 2026 13,020 rows were read" in pasted(page)


def test_a_copied_label_is_no_formula(browser: Browser, hostile_file: Path) -> None:
    page = opened(browser, hostile_file).page
    page.locator("button.copy[aria-label*='Notes by']").first.click()
    page.wait_for_function("document.querySelector('output.said').value === 'copied'")
    firsts = [line.split("\t")[0] for line in pasted(page).split("\n")]
    assert "'=1+1" in firsts
    assert "tab and line" in firsts
    page.context.close()


def test_paper_has_every_number_of_every_table(
    browser: Browser, file: Path, tmp_path: Path
) -> None:
    page = opened(browser, file).page
    cells = page.locator("td, tbody th").all_text_contents()
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    done = subprocess.run(
        ["pdftotext", "-raw", tmp_path / "report.pdf", "-"],
        check=True,
        capture_output=True,
        text=True,
    )
    printed = set(re.findall(r"[−+<>]?[\d.,]*\d%?", done.stdout))
    wanted = {
        number for cell in cells for number in re.findall(r"[−+<>]?[\d.,]*\d%?", cell) if number
    }
    assert len(wanted) > 200
    assert wanted - printed <= footnoted(cells)
    assert "class Answer(BaseModel):" in done.stdout  # folded on the screen
    page.context.close()


def footnoted(cells: list[str]) -> set[str]:
    """Numbers of footnotes, which stand right behind a dash."""
    return {cell.strip().removeprefix("–") for cell in cells if cell.strip().startswith("–")}


@pytest.mark.parametrize("which", ["file", "hostile_file"])
@pytest.mark.parametrize("width", [390, 800, 1360])
def test_no_width_makes_the_page_scroll_sideways(
    browser: Browser, which: str, width: int, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(which)
    page = opened(browser, path, viewport={"width": width, "height": 844}).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_contrast(browser: Browser, file: Path, scheme: str) -> None:
    page = opened(browser, file, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate(PALE) == []
    page.context.close()
