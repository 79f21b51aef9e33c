"""notemill.report.page, as a file"""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from notemill.report.count import Count, Named, exactly
from notemill.report.page import LARGEST, write_page
from notemill.report.record import Computing, OverTime, Report
from notemill.report.tables import told, told_share
from tests.browser import check_own_parts_alone
from tests.unit.report import hostile, reports

NONE = exactly(0)
NOT_COMPUTED = Computing(
    first_answer_at=None,
    last_answer_at=None,
    gpus={},
    jobs=0,
    job_hours=0.0,
    gpu_hours=None,
    notes_per_s=None,
    tokens=0,
    watts=None,
    kwh=None,
    slots=[],
)


class Outline(HTMLParser):
    """What a page is made of: ids, headings by level, tables without a caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.levels: list[int] = []
        self.opened: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self.opened.append(tag)


def written(folder: Path, report: Report) -> str:
    file = folder / "report.html"
    write_page(file, report)
    return file.read_text()


def without_notes() -> Report:
    cohort = dict.fromkeys(("rows", "collapsed", "notes", "blank", "null", "texts", "asked"), NONE)
    yes = [Named(name="yes", count=NONE)]
    answered = reports.answered(
        asked=NONE,
        answered=NONE,
        failed=NONE,
        failed_by=[],
        attempts=[],
        evidence=[],
        evidence_found=None,
        fields=[reports.choice(classes=yes, across=[])],
        tokens=[],
        loaded=False,
        values_compared=None,
        over_time=OverTime(width_s=10, texts_per_s=[], shards_done=[]),
        computing=NOT_COMPUTED,
    )
    return reports.report(
        cohorts=[reports.cohort(**cohort)], answers=[answered], done=False, missing=["the load"]
    )


def test_the_page_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        written(tmp_path, reports.report())
    finally:
        os.umask(before)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600


def test_scripts_and_styles_are_ours_alone_and_no_address_is_in_the_page(tmp_path: Path) -> None:
    html = written(tmp_path, reports.rich())
    check_own_parts_alone(html)
    assert ' style="' not in html


def test_what_was_asked_stands_word_for_word(tmp_path: Path) -> None:
    html = written(tmp_path, reports.rich())
    for words in (
        "Answer in JSON. Say &#34;unclear&#34; where the report does not tell.",
        "Does this report describe pneumonia as present?\n\n{note}",
        "46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e",
        "WHERE modality = &#39;CT&#39;",
        "class Answer(BaseModel):",
    ):
        assert words in html


def test_small_counts_are_told_as_ranges_and_undefined_figures_as_a_dash_with_the_reason(
    tmp_path: Path,
) -> None:
    html = written(tmp_path, reports.rich())
    assert ">&lt;5</td>" in html
    assert ">212 to 215</td>" in html
    why = "no note read is unclear"
    assert f'title="{why}">–<sup>' in html
    assert f"<li>{why}</li>" in html


@pytest.mark.parametrize(
    "report",
    [
        reports.rich(),
        without_notes(),
        reports.report(
            cohorts=[], experiments=[], answers=[], methods=[], checklist=[], unknown=[]
        ),
        hostile.hostile(),
    ],
    ids=["rich", "no note", "nothing", "hostile"],
)
def test_headings_are_in_order_and_links_lead_somewhere(tmp_path: Path, report: Report) -> None:
    outline = Outline(written(tmp_path, report))
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    steps = zip(outline.levels, outline.levels[1:], strict=False)
    assert all(after - before <= 1 for before, after in steps)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    assert outline.opened.count("caption") == outline.opened.count("table")
    assert "img" not in outline.opened
    assert outline.opened.count("script") == 1


def test_a_run_that_is_not_done_says_what_it_has_not_yet(tmp_path: Path) -> None:
    html = written(tmp_path, without_notes())
    assert "Not the whole run yet." in html
    assert "<li>the load</li>" in html
    assert "It was not measured" in html
    assert "Not the whole run yet." not in written(tmp_path, reports.report())


def test_a_page_of_forty_experiments_and_sixty_classes_is_below_2_mb_and_names_all(
    tmp_path: Path,
) -> None:
    html = written(tmp_path, hostile.hostile(40))
    assert len(html.encode()) <= LARGEST
    assert all(f"Experiment experiment_{number}<" in html for number in range(1, 40))
    assert "more are in report.json" in html


def test_a_flow_says_what_leaves_it(tmp_path: Path) -> None:
    html = written(tmp_path, reports.report())
    flow = re.sub(r"<[^>]+>", "", html.partition('class="flow"')[2].partition("</ol>")[0])
    for words in (
        "13,020 rows of the query",
        "113 came again",
        "61 blank, and so not asked (22 of them NULL)",
        "12,809 answered",
        "37 failed",
        "&lt;5 prompts and note do not fit into num_ctx",
    ):
        assert words in flow


def test_a_count_that_would_give_a_small_one_away_is_not_summed_to_it() -> None:

    small, rest = Count(low=1, high=4), Count(low=96, high=99)
    assert (told(small), told(rest)) == ("<5", "96 to 99")
    assert told_share(small, exactly(100)) == "<5.0%"
    assert told_share(rest, exactly(100)) == "96.0% to 99.0%"


def test_a_bar_over_a_wider_range_is_lower(tmp_path: Path) -> None:
    even = reports.lengths()
    wide = even.model_copy(
        update={"edges": [0.0, 100.0, 500.0], "counts": [exactly(100), exactly(400)]}
    )
    html = written(tmp_path, reports.report(answers=[reports.answered(tokens=[wide])]))
    assert "length of the prompt (tokens), in each 100" in html
    heights = re.findall(r"M[\d.]+ 140V([\d.]+)", html.partition("in each 100")[2])[:2]
    assert heights[0] == heights[1]  # 100 notes in each 100 tokens
